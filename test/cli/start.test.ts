import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRecording } from '../../src/record/reader.ts';
import { guest } from './guest.ts';
import { hindsight } from './hindsight.ts';

/** The time, a number, a UUID and a key. */
const DRAW =
  'date +%s; head -c 16 /dev/urandom | md5sum; cat /proc/sys/kernel/random/uuid; head -c 32 /dev/random | base64';
/** Machines from one snapshot: HINDSIGHT_LONG=1 for a hundred. */
const MACHINES = process.env.HINDSIGHT_LONG === '1' ? 100 : 3;

describe.skipIf(guest === undefined)("the guest's own snapshot", { timeout: 120_000 + MACHINES * 5000 }, () => {
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
    const drawn = new Set<string>();
    for (let machine = 0; machine < MACHINES; machine++) {
      const [time, ...draws] = await run('--clock', 'host');
      expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(120);
      expect(draws).toHaveLength(3);
      for (const draw of draws) drawn.add(draw);
    }
    expect(drawn.size).toBe(3 * MACHINES);
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
