import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Machine } from '../../machine/session/machine.ts';
import type { FileInfo, GuestFiles } from '../../sandbox/files.ts';
import { GuestLink } from '../guest-link.ts';

/** A machine cannot be reached, or given a name; the message says why. */
class ControlError extends Error {
  override name = 'ControlError';
}

/** A script for a machine that runs. */
export interface ControlScript {
  readonly script: string;
  readonly parameters: readonly string[];
  /** Its output as lines of JSON. */
  readonly json: boolean;
  readonly mapLimit?: number;
}

/** How a script ended. */
interface ScriptEnd {
  readonly hits: number;
  readonly warnings: readonly string[];
}

/** Starts a script on a machine that runs. @param write takes its output */
export type ControlProbe = (
  script: ControlScript,
  write: (text: string) => void,
) => Promise<{ readonly end: () => void; readonly ended: Promise<ScriptEnd> }>;

/** The disks of a machine that runs. */
export interface ControlDisks {
  /** What their tiers did so far, a line each. */
  tell(): readonly string[];
  /** @param disk `vda` … @param setting `write=back`, `write=through` or `cache=SIZE[:POLICY]` @throws Error with what is wrong */
  change(disk: string, setting: string): void;
}

/** What is asked of a machine's guest, or of its disks; all but `write` and `probe` without contents. `end` ends a script. */
interface ControlRequest {
  readonly op: 'stat' | 'list' | 'read' | 'write' | 'mkdir' | 'symlink' | 'probe' | 'end' | 'disks' | 'change';
  readonly path: string;
  /** Permission bits. */
  readonly mode?: number;
  /** Of a symbolic link; or a disk's setting. */
  readonly target?: string;
  /** Bytes of contents that follow. */
  readonly length?: number;
}

/** What came of it: the bytes that follow are a file's contents, or JSON; of a script that goes on, a piece of its output. */
interface ControlReply {
  readonly error?: string;
  readonly more?: boolean;
  readonly length: number;
}

/** Longest line before contents; longest contents. */
const MAX_LINE = 16_384;
const MAX_CONTENTS = 2 ** 31;
/** Milliseconds that a guest may take to boot. */
const BOOT_PATIENCE = 300_000;
const NAME = /^[\w.-]{1,64}$/;
const NOTHING = new Uint8Array(0);

/** The socket by which a running machine of that name is reached: only the user's own processes come to it. */
function controlSocket(name: string): string {
  if (!NAME.test(name))
    throw new ControlError(`"${name}" is no name for a machine: expected letters, digits, . _ or -`);
  const runtime = process.env.XDG_RUNTIME_DIR;
  const folder = join(runtime || tmpdir(), runtime ? 'hindsight' : `hindsight-${userInfo().uid}`, 'machines');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return join(folder, name);
}

/** Reads lines of JSON, each with the bytes that follow it. */
async function* messages<T extends { readonly length?: number }>(socket: Socket): AsyncGenerator<[T, Uint8Array]> {
  let bytes = Buffer.alloc(0);
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const more = async (): Promise<boolean> => {
    const { value, done } = await chunks.next();
    if (done === true) return false;
    bytes = Buffer.concat([bytes, value]);
    return true;
  };
  for (;;) {
    let end = bytes.indexOf(10);
    while (end < 0) {
      if (bytes.length > MAX_LINE) throw new ControlError('a message without an end');
      if (!(await more())) return;
      end = bytes.indexOf(10);
    }
    const head = JSON.parse(bytes.toString('utf8', 0, end)) as T;
    bytes = bytes.subarray(end + 1);
    const { length = 0 } = head;
    if (!(Number.isInteger(length) && length >= 0 && length <= MAX_CONTENTS))
      throw new ControlError(`contents of ${length} bytes`);
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      if (bytes.length === 0 && !(await more())) return;
      const part = bytes.subarray(0, left);
      parts.push(part);
      bytes = bytes.subarray(part.length);
      left -= part.length;
    }
    yield [head, parts.length === 1 ? parts[0]! : Buffer.concat(parts)];
  }
}

function send(socket: Socket, head: ControlRequest | ControlReply, contents: Uint8Array): void {
  socket.cork();
  socket.write(`${JSON.stringify({ ...head, length: contents.length })}\n`);
  socket.write(contents);
  socket.uncork();
}

const json = (value: unknown): Uint8Array =>
  Buffer.from(JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? Number(part) : part)));

async function perform(files: GuestFiles, request: ControlRequest, contents: Uint8Array): Promise<Uint8Array> {
  const { op, path, mode, target = '' } = request;
  if (typeof path !== 'string') throw new ControlError('a request without a path');
  switch (op) {
    case 'stat':
      return json(await files.stat(path));
    case 'list':
      return json(await files.list(path));
    case 'read':
      return files.read(path);
    case 'write':
      await files.write(path, contents, mode === undefined ? {} : { mode });
      return NOTHING;
    case 'mkdir':
      await files.mkdir(path, mode === undefined ? {} : { mode });
      return NOTHING;
    case 'symlink':
      await files.symlink(target, path);
      return NOTHING;
    default:
      throw new ControlError(`"${String(op)}" is nothing that can be asked`);
  }
}

/** Lets other processes of the user reach the files of a machine that runs, by a name. */
export class ControlServer implements AsyncDisposable {
  private readonly socket: string;
  private readonly server: Server;
  private readonly clients = new Set<Socket>();

  private readonly probe: ControlProbe;
  private readonly disks: ControlDisks;

  private constructor(socket: string, link: GuestLink, probe: ControlProbe, disks: ControlDisks) {
    this.socket = socket;
    this.probe = probe;
    this.disks = disks;
    this.server = createServer((client) => {
      this.clients.add(client);
      client.on('close', () => this.clients.delete(client)).on('error', () => client.destroy());
      void this.serve(client, link).catch(() => client.destroy());
    });
  }

  /** @throws ControlError when a machine of that name runs already */
  static async open(name: string, machine: Machine, probe: ControlProbe, disks: ControlDisks): Promise<ControlServer> {
    const socket = controlSocket(name);
    const taken = await attempt(socket);
    if (taken !== undefined) {
      taken.destroy();
      throw new ControlError(`--control ${name}: a machine of this name runs already; choose another`);
    }
    rmSync(socket, { force: true });
    const link = new GuestLink(machine, BOOT_PATIENCE);
    link.attach();
    const control = new ControlServer(socket, link, probe, disks);
    await new Promise<void>((resolve, reject) => control.server.once('error', reject).listen(socket, resolve));
    return control;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) client.destroy();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.socket, { force: true });
  }

  private async serve(client: Socket, link: GuestLink): Promise<void> {
    let script: Awaited<ReturnType<ControlProbe>> | undefined;
    // Who goes away without a word wants no more of it.
    client.on('close', () => script?.end());
    for await (const [request, contents] of messages<ControlRequest>(client)) {
      try {
        if (request.op === 'end') script?.end();
        else if (request.op === 'probe') {
          const asked = JSON.parse(Buffer.from(contents).toString()) as ControlScript;
          script = await this.probe(asked, (text) => send(client, { more: true, length: 0 }, Buffer.from(text)));
          script.ended.then(
            (end) => send(client, { length: 0 }, json(end)),
            (error: unknown) => send(client, { error: (error as Error).message, length: 0 }, NOTHING),
          );
        } else if (request.op === 'disks' || request.op === 'change') {
          // Between two slices of the machine's.
          if (request.op === 'change') this.disks.change(request.path, request.target ?? '');
          send(client, { length: 0 }, json(this.disks.tell()));
        } else send(client, { length: 0 }, await perform(await link.files(), request, contents));
      } catch (error) {
        send(client, { error: (error as Error).message, length: 0 }, NOTHING);
      }
    }
    client.end();
  }
}

/** Connects; undefined when nobody listens. */
function attempt(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket)).once('error', () => resolve(undefined));
  });
}

/** Files of a machine that another process runs. Times are in nanoseconds, not exact beyond 2^53. */
export class ControlClient implements Disposable {
  private readonly socket: Socket;
  private readonly replies: AsyncGenerator<[ControlReply, Uint8Array]>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => socket.destroy());
    this.replies = messages<ControlReply>(socket);
  }

  /** Whether a machine of that name runs and can be reached. */
  static async reaches(name: string): Promise<boolean> {
    const socket = await attempt(controlSocket(name));
    socket?.destroy();
    return socket !== undefined;
  }

  /** @throws ControlError when no machine of that name runs */
  static async open(name: string): Promise<ControlClient> {
    const socket = await attempt(controlSocket(name));
    if (socket === undefined)
      throw new ControlError(
        `no machine "${name}" runs: start one with hindsight run --control ${name}; a file of the past is RECORDING@INSTANT:/PATH`,
      );
    return new ControlClient(socket);
  }

  /** Of a symbolic link itself. @throws ControlError with what the guest said */
  async stat(path: string): Promise<Omit<FileInfo, 'modified'>> {
    return JSON.parse(Buffer.from(await this.ask({ op: 'stat', path })).toString()) as FileInfo;
  }

  async list(path: string): Promise<readonly Omit<FileInfo, 'modified'>[]> {
    return JSON.parse(Buffer.from(await this.ask({ op: 'list', path })).toString()) as FileInfo[];
  }

  read(path: string): Promise<Uint8Array> {
    return this.ask({ op: 'read', path });
  }

  async write(path: string, contents: Uint8Array, mode: number): Promise<void> {
    await this.ask({ op: 'write', path, mode }, contents);
  }

  async mkdir(path: string): Promise<void> {
    await this.ask({ op: 'mkdir', path });
  }

  async symlink(path: string, target: string): Promise<void> {
    await this.ask({ op: 'symlink', path, target });
  }

  /** What the tiers of its disks did so far, a line each. */
  async disks(): Promise<readonly string[]> {
    return JSON.parse(Buffer.from(await this.ask({ op: 'disks', path: '' })).toString()) as string[];
  }

  /** Changes how a disk works; see {@link ControlDisks.change}. @returns as {@link disks} @throws ControlError */
  async changeDisk(disk: string, setting: string): Promise<readonly string[]> {
    return JSON.parse(
      Buffer.from(await this.ask({ op: 'change', path: disk, target: setting })).toString(),
    ) as string[];
  }

  /**
   * Runs a script until it ends by itself, the machine does, or the signal says so.
   * @throws ControlError with what is wrong with the script
   */
  async probe(script: ControlScript, write: (text: string) => void, signal: AbortSignal): Promise<ScriptEnd> {
    send(this.socket, { op: 'probe', path: '/' }, json(script));
    signal.addEventListener('abort', () => send(this.socket, { op: 'end', path: '/' }, NOTHING));
    for await (const [{ error, more }, bytes] of this.replies) {
      if (error !== undefined) throw new ControlError(error);
      const text = Buffer.from(bytes).toString();
      if (more !== true) return JSON.parse(text) as ScriptEnd;
      write(text);
    }
    throw new ControlError('the machine ended');
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  private async ask(request: ControlRequest, contents: Uint8Array = NOTHING): Promise<Uint8Array> {
    send(this.socket, request, contents);
    const { value, done } = await this.replies.next();
    if (done === true) throw new ControlError('the machine ended');
    const [{ error }, bytes] = value;
    if (error !== undefined) throw new ControlError(error);
    return bytes;
  }
}
