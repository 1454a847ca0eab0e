/** Machines on one wire that were recorded together replay together, in the order they ran in: in one process, and in two. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { JointReplay, Machine, Timeline } from '../../src/host/node/index.ts';
import { CLI, hindsight } from '../cli/hindsight.ts';
import { describeGuest } from './guest.ts';

const short = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 12);
const KIB = 512;

describeGuest('two machines on a wire', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-together-'));
  const file = (n: number | string): string => join(folder, `${n}.hsr`);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('of one process: all that they put out comes in the order it came in', async () => {
    const wire = `switch:together-${process.pid}`;
    const boxes = await Promise.all(
      [1, 2].map((n) => Machine.start({ net: `${wire},ip=10.1.0.${n}/24`, record: file(n) })),
    );
    const live: string[] = [];
    for (const [i, { machine }] of boxes.entries())
      machine.onOutput = (port, bytes) => void live.push(`${file(i + 1)} ${machine.ports[port]} ${short(bytes)}`);
    const [one, two] = boxes;
    const timeout = 200_000;
    const [, got] = await Promise.all([
      one.exec(`mkdir /www; dd if=/dev/zero of=/www/zeros bs=1k count=${KIB}; httpd -h /www`, { timeout }),
      two.exec('until wget -qO /tmp/z http://10.1.0.1/zeros 2>/dev/null; do sleep 0.1; done; sha256sum </tmp/z', {
        timeout,
      }),
    ]);
    expect(got.stdout).toBe(
      `${createHash('sha256')
        .update(Buffer.alloc(KIB * 1024))
        .digest('hex')}  -\n`,
    );
    for (const box of boxes) await box.close();

    const replayed: string[] = [];
    const joint = await JointReplay.open(
      [file(1), file(2)],
      (name, output) => Timeline.open(name, { output, core: 'wasm' }),
      (name, port, bytes) => void replayed.push(`${name} ${port} ${short(bytes)}`),
    );
    // Each has one at its end, at least.
    expect(await joint.run({ verify: true })).toBeGreaterThanOrEqual(2);
    const turns = live.filter((line, i) => i > 0 && line.split(' ')[0] !== live[i - 1].split(' ')[0]);
    expect(turns.length).toBeGreaterThan(5);
    expect(replayed.slice(-live.length)).toEqual(live);
    expect(joint.frames).toEqual({ between: expect.any(Number), elsewhere: 0 });
    expect(joint.frames.between).toBeGreaterThan(10);

    // Each by itself.
    for (const n of [1, 2]) expect((await hindsight(['replay', '--verify', '-q', file(n)])).status).toBe(0);
  }, 600_000);

  it('of two processes: no frame comes before it was sent; what was on no wire is refused', async () => {
    const name = `apart-${process.pid}`;
    const machine = (n: number, script: string): Promise<number | null> =>
      new Promise((resolve, reject) => {
        const flags = ['--net', `switch:${name},ip=10.1.0.${n}/24`, '--record', file(`p${n}`), '--exec', script];
        const env = { ...process.env, XDG_RUNTIME_DIR: folder };
        const child = spawn(process.execPath, [CLI, 'run', '-q', ...flags], { env, stdio: 'ignore' });
        child.on('error', reject).on('exit', resolve);
      });
    const both = [
      machine(1, 'nc -l -p 7000 >/dev/null; echo received'),
      machine(2, 'until echo hello | nc 10.1.0.1 7000; do sleep 0.2; done; echo sent'),
    ];
    expect(await Promise.all(both)).toEqual([0, 0]);
    const files = [file('p1'), file('p2')];
    const shown = await hindsight(['replay', '--verify', ...files]);
    expect([shown.status, shown.stdout]).toEqual([0, expect.stringMatching(/p1\.hsr\| received\n/)]);
    expect(shown.stdout).toMatch(/p2\.hsr\| sent\n/);
    const { stdout } = await hindsight(['replay', '--json', ...files]);
    const { frames } = JSON.parse(stdout) as { frames: { between: number; elsewhere: number } };
    expect(frames).toEqual({ between: expect.any(Number), elsewhere: 0 });
    expect(frames.between).toBeGreaterThan(5);

    const alone = file('alone');
    expect((await hindsight(['run', '-q', '--record', alone, '--exec', 'true'])).status).toBe(0);
    for (const [args, said] of [
      [[files[0], alone], /alone\.hsr: its machine was on no wire with others/],
      [[files[0], files[0]], /are the same recording/],
      [[...files, '--until', '50%'], /--until is for one recording/],
    ] as const) {
      const { status, stderr } = await hindsight(['replay', ...args]);
      expect([status === 0, stderr]).toEqual([false, expect.stringMatching(said)]);
    }
  }, 600_000);
});
