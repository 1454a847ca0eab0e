/**
 * What strace and bpftrace say inside of a guest, against what is said from outside of the same recording. Their packages are fetched and a disk is made
 * of them, so HINDSIGHT_LONG=1 runs it and nothing else does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hindsight } from '../cli/hindsight.ts';

const PROGRAMS =
  'sh -c "cat /etc/hostname; ls / >/dev/null; grep -c root /etc/passwd; seq 1 3 | sort -r; cat /nothing"';
const BPFTRACE = 'tracepoint:syscalls:sys_enter_openat /comm == "cat"/ { @opened[str(args.filename)] = count(); }';

/** Calls of strace's output by thread: names, and results where it shows them. */
function callsOf(trace: string): Map<number, string[]> {
  const threads = new Map<number, string[]>();
  const resultOf = (text: string): string => /\)\s+= (0x[0-9a-f]+|-?\d+|\?)(?: [^=]*)?$/.exec(text)?.[1] ?? '';
  for (const line of trace.replaceAll('\r', '').split('\n')) {
    const [, thread, resumed, name, rest] = /^(\d+) +(<\.\.\. )?(\w+)(?:\(| resumed)(.*)$/.exec(line) ?? [];
    if (thread === undefined) continue;
    const calls = threads.get(Number(thread)) ?? [];
    threads.set(Number(thread), calls);
    if (resumed === undefined) calls.push(`${name} ${rest!.includes('<unfinished') ? '…' : resultOf(`(${rest}`)}`);
    else calls[calls.lastIndexOf(`${name} …`)] = `${name} ${resultOf(rest!)}`;
  }
  return threads;
}

describe("Debian's own tools inside of the guest", { timeout: 1_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'probe-oracles-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const record = (name: string, harts: number, command: string): ReturnType<typeof hindsight> =>
    hindsight([
      ...['run', '-q', '--no-stdin', '--mem', '512M', '--harts', String(harts), '--disk', 'debian+strace,bpftrace'],
      ...['--record', join(folder, name), '--exec', command],
    ]);

  describe.each([1, 4])('on %i harts', (harts) => {
    let trace: string;
    const recording = `strace-${harts}.hsr`;
    beforeAll(async () => {
      trace = (await record(recording, harts, `strace -f -o /tmp/trace ${PROGRAMS} >/dev/null; cat /tmp/trace`)).stdout;
    }, 1_200_000);

    test('strace -f: the same calls of each thread, in the same order, with the same results', async () => {
      const inside = callsOf(trace);
      expect(inside.size).toBeGreaterThanOrEqual(6);
      const { stdout } = await hindsight(['strace', join(folder, recording), '--json']);
      const outside = new Map<number, string[]>();
      for (const line of stdout.trim().split('\n')) {
        const { tid, name, text } = JSON.parse(line) as { tid: number; name: string; text: string };
        const result = /\)\s+= (0x[0-9a-f]+|-?\d+|\?)(?: [^=]*)?$/.exec(text)?.[1] ?? '';
        outside.set(tid, [...(outside.get(tid) ?? []), `${name} ${result}`]);
      }
      for (const [tid, calls] of inside) {
        const ours = outside.get(tid)!;
        // The first thread was strace's own until it executed the shell.
        const from = calls[0]!.startsWith('execve') ? ours.findIndex((call) => call.startsWith('execve')) : 0;
        expect(ours.slice(from)).toEqual(calls);
      }
    });
  });

  test('bpftrace: counts by argument of a tracepoint', async () => {
    const command = `mount -t tracefs none /sys/kernel/tracing; bpftrace -e '${BPFTRACE}' -c '/bin/cat /etc/hostname'`;
    const { stdout } = await record('bpftrace.hsr', 1, command);
    const maps = (text: string): string[] => (text.match(/^@opened\[.*\]: \d+/gm) ?? []).sort();
    const { stdout: ours } = await hindsight(['probe', '-q', join(folder, 'bpftrace.hsr'), '-e', BPFTRACE]);
    expect(maps(stdout.replaceAll('\r', '')).length).toBeGreaterThanOrEqual(3);
    expect(maps(ours)).toEqual(maps(stdout.replaceAll('\r', '')));
  });
});
