/** Ten gigabytes into the guest through one connection and out again through another: each byte counts. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { bundled, CLI } from '../cli/hindsight.ts';
import { describeGuest } from './guest.ts';

const MIB = 2 ** 20;
const MEBIBYTES = Number(process.env.HINDSIGHT_STREAM_MIB ?? 10 * 1024);
/** The guest has 256 MiB, buffers and the program the rest. */
const MOST_MEMORY = 640 * MIB;

const program = (from: number, to: number): string => `
import socket
a, b = [socket.create_connection(("10.0.2.2", port)) for port in (${from}, ${to})]
buffer, total = bytearray(1 << 18), 0
while n := a.recv_into(buffer):
    b.sendall(memoryview(buffer)[:n])
    total += n
b.shutdown(socket.SHUT_WR)
b.recv(1)
print(total)`;

describeGuest('a long stream', () => {
  it(
    `${MEBIBYTES} MiB in and out again have the right hash, and memory stays bounded`,
    async () => {
      await bundled;
      let memory = Infinity;
      const block = randomBytes(16 * MIB);
      const [sent, received] = [createHash('sha256'), createHash('sha256')];
      const source = createServer((socket) => {
        let left = MEBIBYTES;
        socket.on('error', () => undefined);
        const more = (): void => {
          while (left > 0) {
            const at = (left-- % 16) * MIB;
            const piece = block.subarray(at, at + MIB);
            sent.update(piece);
            if (!socket.write(piece)) return void socket.once('drain', more);
          }
          socket.end();
        };
        more();
      });
      const sink = createServer((socket) => {
        socket.on('data', (bytes) => received.update(bytes));
        socket.on('end', () => {
          const [, peak] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${machine.pid}/status`, 'utf8'))!;
          memory = Number(peak) * 1024;
        });
        socket.on('error', () => undefined);
      });
      for (const server of [source, sink])
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      const [from, to] = [source, sink].map((server) => (server.address() as AddressInfo).port);
      const flags = [
        '--disk',
        'debian',
        '--net',
        'user',
        '--allow-host',
        '--exec',
        `python3 -c '${program(from, to)}'`,
      ];
      const machine = spawn(process.execPath, [CLI, 'run', '-q', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        let stdout = '';
        machine.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
        const status = await new Promise((resolve) => machine.on('close', resolve));
        expect([stdout.trim(), status]).toEqual([String(MEBIBYTES * MIB), 0]);
        expect(received.digest('hex')).toBe(sent.digest('hex'));
        expect(memory).toBeLessThan(MOST_MEMORY);
      } finally {
        machine.kill();
        source.close();
        sink.close();
      }
    },
    6 * 3_600_000,
  );
});
