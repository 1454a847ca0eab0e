import { expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { ClientSettings, Monitor } from '../../src/debug/monitor/monitor.ts';
import { timelineTarget } from '../../src/debug/timeline-target.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { copyRecording } from '../../src/record/copy.ts';
import type { NotedInstant } from '../../src/record/format.ts';
import { readRecording } from '../../src/record/reader.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyOptions } from '../machine/fixtures.ts';

const MARKS: readonly NotedInstant[] = [
  { at: { instructions: 1000, sequence: 0 }, time: 0, note: 'first' },
  { at: { instructions: 2000, sequence: 0 }, time: 0, note: 'second' },
];

/** What the monitor says of a recording with marks. */
async function monitorOf(marks: readonly NotedInstant[]): Promise<(line: string) => Promise<string>> {
  const options = tinyOptions({ harts: 1 });
  await using machine = await Machine.create(options, room);
  await machine.run({ instructions: 5000 });
  const { log, engine } = machine.internals;
  const pieces = copyRecording(log, { end: { at: machine.instant, time: engine.time }, marks });
  const { timeline } = await openTimeline(await readRecording(Buffer.concat(pieces)), options, room);
  const target = timelineTarget(timeline, 'a test');
  const monitor = new Monitor(target, new GuestInfo(target));
  return (line) => monitor.run(line, { hart: 0, settings: new ClientSettings() });
}

it('marks of a recording are listed and gone to', async () => {
  const ask = await monitorOf(MARKS);
  expect(await ask('marks')).toBe('1  1000  first\n2  2000  second\n');
  expect(await ask('seek mark 2')).toContain('instant 2000 of');
  expect(await ask('seek mark 3')).toContain('there is no mark 3: marks lists those from 1 to 2');
});

it('a recording without marks says so', async () => {
  const ask = await monitorOf([]);
  expect(await ask('marks')).toBe('the recording has no marks\n');
  expect(await ask('seek mark 1')).toContain('the recording has no marks');
});
