import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex, toHex } from '../../src/bytes/hex.ts';
import { encodePacket, fromLatin1, latin1, PacketReader } from '../../src/debug/gdb/packets.ts';
import { GDB } from './programs.ts';

/** A gdb that runs. */
export interface RunningGdb {
  /** Resolves once it has printed a text. */
  says(text: string): Promise<void>;
  /** Ctrl-C. */
  interrupt(): void;
  /** Resolves to all it printed. */
  readonly done: Promise<string>;
}

/** Runs the real gdb with commands; resolves to what it printed. */
export const runGdb = (
  elf: string | undefined,
  port: number,
  commands: readonly string[],
  timeout = 60_000,
  file = false,
): Promise<string> => startGdb(elf, port, commands, timeout, file).done;

/** Starts the real gdb with commands. @param file they are too many for a command line: gdb reads them, and goes on behind those that fail */
export function startGdb(
  elf: string | undefined,
  port: number,
  commands: readonly string[],
  timeout = 60_000,
  file = false,
): RunningGdb {
  const first = [
    'set pagination off',
    'set confirm off',
    'set debuginfod enabled off',
    'set width 0',
    `target remote 127.0.0.1:${port}`,
  ];
  const args = [
    '-nx',
    '-q',
    '-batch',
    ...(elf === undefined ? ['-ex', 'set architecture riscv:rv64'] : []),
    ...[...first, ...(file ? [] : commands)].flatMap((c) => ['-ex', c]),
  ];
  if (file) {
    const script = join(mkdtempSync(join(tmpdir(), 'hindsight-gdb-')), 'commands.py');
    writeFileSync(
      script,
      `import gdb\nfor c in ${JSON.stringify(commands)}:\n  try: gdb.execute(c)\n  except gdb.error as e: print(e)\n`,
    );
    args.push('-x', script);
  }
  const child = spawn(GDB, elf === undefined ? args : [...args, elf], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  const waiting = new Set<() => void>();
  const take = (d: Buffer): void => {
    out += d.toString();
    for (const look of [...waiting]) look();
  };
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const done = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      resolve(out);
    });
  });
  return {
    says: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!out.includes(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    interrupt: () => void child.kill('SIGINT'),
    done,
  };
}

/** A small client that speaks the protocol itself. */
export class RawClient {
  private readonly socket: Socket;
  private readonly reader = new PacketReader();
  private readonly packets: string[] = [];
  private wake: (() => void) | undefined;
  private acks = true;
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      for (const item of this.reader.push(bytes)) {
        if (item.kind !== 'packet') continue;
        if (this.acks) this.socket.write('+');
        this.packets.push(fromLatin1(item.data));
      }
      this.wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake?.();
    });
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new RawClient(socket)));
      socket.on('error', reject);
    });
  }

  /** Raw bytes. */
  write(bytes: Uint8Array | string): void {
    this.socket.write(typeof bytes === 'string' ? latin1(bytes) : bytes);
  }

  send(data: string): void {
    this.write(encodePacket(data));
  }

  /** The next packet; undefined when the connection was closed. */
  async receive(): Promise<string | undefined> {
    while (this.packets.length === 0) {
      if (this.closed) return undefined;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return this.packets.shift();
  }

  async ask(data: string): Promise<string> {
    this.send(data);
    return (await this.receive()) ?? 'closed';
  }

  async noAcks(): Promise<void> {
    await this.ask('QStartNoAckMode');
    this.acks = false;
  }

  /** A monitor command's output. */
  async monitor(line: string): Promise<string> {
    this.send(`qRcmd,${toHex(new TextEncoder().encode(line))}`);
    let out = '';
    for (;;) {
      const packet = (await this.receive()) ?? 'OK';
      if (!packet.startsWith('O') || packet === 'OK') return out;
      out += new TextDecoder().decode(fromHex(packet.slice(1)));
    }
  }

  destroy(): void {
    this.socket.destroy();
  }
}
