import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { MAX_FRAME } from '../../../net/frame.ts';
import type { Link } from '../../../net/link.ts';
import { NetworkOptionError } from '../../../net/policy.ts';
import { Switch } from '../../../net/switch.ts';

/** Bytes that may wait for a process that does not read; what comes on top is dropped. */
const MOST_WAITING = 8 * 1024 * 1024;
/** What is spoken on the sockets; programs of another version meet elsewhere. */
const PROTOCOL = 2;
/** Milliseconds, at least, until the process that kept a switch is replaced. */
const RETRY = 20;

/** Where this user's switches meet: only the user's own processes come in. */
function switchFolder(): string {
  const runtime = process.env.XDG_RUNTIME_DIR;
  const folder = runtime ? join(runtime, 'hindsight') : join(tmpdir(), `hindsight-${userInfo().uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return folder;
}

/** A frame on a socket: its length (u32, little-endian), the turn it was sent in (f64), and its bytes. */
const FRAME_HEADER = 12;

function sendFrame(socket: Socket, turn: number, frame: Uint8Array): void {
  if (socket.writableLength > MOST_WAITING || socket.destroyed) return;
  const header = Buffer.alloc(FRAME_HEADER);
  header.writeUInt32LE(frame.length);
  header.writeDoubleLE(turn, 4);
  socket.cork();
  socket.write(header);
  socket.write(frame);
  socket.uncork();
}

/** Cuts a stream into frames. @param broken called when it holds none */
function readFrames(socket: Socket, frame: (turn: number, bytes: Uint8Array) => void, broken: () => void): void {
  let bytes = Buffer.alloc(0);
  socket.on('data', (more) => {
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER) {
      const length = bytes.readUInt32LE(at);
      if (length > MAX_FRAME) return broken();
      const from = at + FRAME_HEADER;
      if (bytes.length - from < length) break;
      frame(bytes.readDoubleLE(at + 4), bytes.subarray(from, from + length));
      at = from + length;
    }
    bytes = bytes.subarray(at);
  });
}

/** Connects a switch of this process with those of the same name in others: one of them keeps the socket, the others come to it. */
class SharedSwitch {
  readonly local = new Switch();
  private readonly file: string;
  private server: Server | undefined;
  private users = 0;
  private readonly sockets = new Set<Socket>();
  private timer: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.file = file;
  }

  /** One more machine uses it. @throws NetworkOptionError when the socket is not to be had */
  async open(): Promise<void> {
    if (this.users++ === 0) await this.meet();
  }

  /** One machine less. @returns whether nobody is left */
  close(): boolean {
    if (--this.users > 0) return false;
    clearTimeout(this.timer);
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
    return true;
  }

  /** Goes to the process that keeps the socket, or becomes it. */
  private async meet(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.join();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ECONNREFUSED')
          rmSync(this.file, { force: true }); // left behind by a process that was killed
        else if (code !== 'ENOENT') throw this.explain(error as Error);
      }
      try {
        return await this.keep();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt > 20) throw this.explain(error as Error);
      }
    }
  }

  private join(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.file);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        this.carry(socket);
        socket.once('close', () => {
          if (this.users > 0)
            this.timer = setTimeout(() => void this.meet().catch(() => undefined), RETRY * (1 + Math.random()));
        });
        resolve();
      });
    });
  }

  private keep(): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => this.carry(socket));
      server.once('error', reject);
      server.listen(this.file, () => {
        this.server = server;
        resolve();
      });
    });
  }

  private carry(socket: Socket): void {
    this.sockets.add(socket);
    const { turns } = this.local;
    const port = this.local.attach((frame) => sendFrame(socket, turns.now, frame));
    const received = (turn: number, frame: Uint8Array): void => {
      turns.heard(turn);
      port.send(frame);
    };
    readFrames(socket, received, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.sockets.delete(socket);
      port.leave();
    });
  }

  private explain(error: Error): NetworkOptionError {
    return new NetworkOptionError(`--net switch: ${this.file}: ${error.message}`);
  }
}

const open = new Map<string, SharedSwitch>();

/** A wire to a switch that this user's processes share by its name. @throws NetworkOptionError when its socket is not to be had */
export async function openSwitch(name: string): Promise<Link> {
  let shared = open.get(name);
  if (shared === undefined)
    open.set(name, (shared = new SharedSwitch(join(switchFolder(), `switch-${name}.${PROTOCOL}.sock`))));
  await shared.open();
  return shared.local.connect(() => void (shared.close() && open.delete(name)));
}
