import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHostRoom } from '../../src/host/room.ts';
import { readRecording } from '../../src/record/reader.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { describeGuest, theImages } from '../e2e/guest.ts';
import { bundled, CLI } from './hindsight.ts';

const ROUNDS = 6;
/** What may be lost: the flush interval, and what a busy machine adds to it. */
const LOST = 1500;
const COMMAND = 'while :; do date; head -c 64 /dev/urandom | md5sum; sleep 0.05; done';

/** Records until it is killed. @returns what was shown by each time */
async function recordAndKill(
  file: string,
  wait: number,
  flags: readonly string[],
): Promise<{
  readonly shown: readonly { readonly at: number; readonly length: number }[];
  readonly text: string;
  readonly killed: number;
}> {
  const child = spawn(
    process.execPath,
    [CLI, 'run', '--cold', '--record', file, '--clock', 'host', '--quiet', ...flags, '--exec', COMMAND],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const shown: { at: number; length: number }[] = [];
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    shown.push({ at: performance.now(), length: text.length });
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  while (!existsSync(file) || statSync(file).size === 0) await sleep(20);
  await sleep(wait);
  const killed = performance.now();
  child.kill('SIGKILL');
  await ended;
  return { shown, text, killed };
}

describeGuest('kill -9 while recording', () => {
  let dir: string;
  beforeAll(async () => {
    await bundled;
    dir = mkdtempSync(join(tmpdir(), 'hindsight-kill-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test.each(Array.from({ length: ROUNDS }, (_, round) => round))(
    'leaves a recording that replays but for the last moment (round %i)',
    async (round) => {
      const file = join(dir, `${round}.hsr`);
      const { shown, text, killed } = await recordAndKill(
        file,
        200 + round * 900 + Math.random() * 300,
        round % 2 === 0 ? [] : ['--checkpoints'],
      );
      const bytes = readFileSync(file);
      const recording = await readRecording(bytes);
      expect(recording.complete).toBe(false);
      expect(recording.damage).toMatch(/breaks off|cut short|damaged/);
      let replayed = '';
      const { timeline } = await openTimeline(bytes, theImages(), createHostRoom(), {
        output: (port, out) => (replayed += port === 'uart' ? new TextDecoder('latin1').decode(out) : ''),
      });
      // From power-on, so that everything is shown again.
      timeline.checkpoints.forget({ instructions: 0, sequence: 0 });
      await timeline.verify();
      expect(timeline.at).toEqual(recording.end);
      const sure = shown.findLast(({ at }) => at < killed - LOST)?.length ?? 0;
      expect(replayed.replaceAll('\r', '')).toContain(text.slice(0, sure).replaceAll('\r', ''));
    },
  );
});
