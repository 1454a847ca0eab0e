import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRecording } from '../../src/record/reader.ts';
import { guest } from './guest.ts';
import { hindsight } from './hindsight.ts';

const DRAW = 'date +%s; head -c 16 /dev/urandom | md5sum; cat /proc/sys/kernel/random/uuid';

describe.skipIf(guest === undefined)("the guest's own snapshot", { timeout: 120_000 }, () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-start-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const run = async (...args: string[]): Promise<string[]> => {
    const { stdout, stderr, status } = await hindsight(['run', '--quiet', '--no-stdin', ...args, '--exec', DRAW]);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout.trim().split('\n');
  };

  test('makes machines with the right time and randomness of their own; by virtual time they are twins', async () => {
    const machines = [await run('--clock', 'host'), await run('--clock', 'host')];
    for (const [time] of machines) expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(120);
    expect(machines[0][1]).not.toBe(machines[1][1]);
    expect(machines[0][2]).not.toBe(machines[1][2]);
    expect(await run()).toEqual(await run());
  });

  test('is named by recordings that start from it, which replay to the same hash on another core, embedded or not', async () => {
    for (const embed of [[], ['--embed']]) {
      const file = join(dir, 'a.hsr');
      await run('--clock', 'host', '--record', file, ...embed);
      const { header, images, end } = await readRecording(readFileSync(file));
      expect(header.start).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
      expect(images.has(header.start!.hash)).toBe(embed.length > 0);
      // What is recorded is the machine's own part of its life.
      expect(end.instructions - header.start!.at.instructions).toBeLessThan(100e6);
      const replayed = await hindsight(['replay', file, '--verify', '--core', 'wasm', '--json']);
      expect(replayed.stderr).toBe('');
      expect(replayed.status).toBe(0);
      rmSync(file);
    }
  });

  test('is told again what to do when it restarts', async () => {
    const { stdout } = await hindsight(['run', '--quiet', '--no-stdin', '--exec', 'echo up; reboot; sleep 1000'], {
      onOutput: (text, kill) => {
        if (text.match(/^up$/gm)?.length === 2) kill('SIGTERM');
      },
    });
    expect(stdout).toMatch(/^up\r?\n[\s\S]*reboot: Restarting system\r?\n[\s\S]*^up\n/m);
  });

  test('is left alone by --cold, and by flags that make another machine, which say so', async () => {
    const cold = await hindsight([
      'run',
      '--cold',
      '--no-stdin',
      '--exec',
      'echo $(( $(cut -d. -f1 /proc/uptime) < 5 ))',
    ]);
    expect(cold.stdout).toBe('1\n');
    expect(cold.stderr).not.toMatch(/boots/);
    const seeded = await hindsight(['run', '--seed', '3', '--no-stdin', '--exec', 'true']);
    expect(seeded.stderr).toMatch(/^hindsight: --seed is not what the guest's snapshot was made with: it boots$/m);
  });
});
