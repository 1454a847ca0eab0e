import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { LiveBase, liveTarget } from '../../src/debug/live-target.ts';
import { ClientSettings, Monitor } from '../../src/debug/monitor/monitor.ts';
import { timelineTarget } from '../../src/debug/timeline-target.ts';
import { openRecordFile } from '../../src/host/node/record-file.ts';
import { storeMarks } from '../../src/host/node/record-tail.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { copyRecording } from '../../src/record/copy.ts';
import type { NotedInstant } from '../../src/record/format.ts';
import { readRecording } from '../../src/record/reader.ts';
import { LivePast } from '../../src/timeline/live.ts';
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

/** A recording in a file, complete, that holds a checkpoint, and its options. */
async function recordedFile(path: string): Promise<ReturnType<typeof tinyOptions>> {
  const options = tinyOptions({ harts: 1 });
  const machine = await Machine.create({ ...options, record: openRecordFile(path) }, room);
  const past = new LivePast(machine, room, { store: true });
  await machine.run({ instructions: 5000 });
  past.capture();
  await machine.close();
  return options;
}

it('marks are added and removed in the file, which stays whole, and go with rewinds and branches', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'hindsight-marks-')), 'a.hsr');
  const options = await recordedFile(path);
  const before = readFileSync(path);
  const { timeline } = await openTimeline(before, options, room);
  const target = timelineTarget(timeline, path, (marks) => storeMarks(path, marks));
  const monitor = new Monitor(target, new GuestInfo(target));
  const ask = (line: string): Promise<string> => monitor.run(line, { hart: 0, settings: new ClientSettings() });

  await ask('seek 3000');
  expect(await ask('mark a late one')).toBe('1  3000  a late one\n');
  await ask('seek 1500');
  expect(await ask('mark early')).toBe('1  1500  early\n2  3000  a late one\n');
  expect(await ask('mark earlier')).toBe('1  1500  earlier\n2  3000  a late one\n');
  const stored = await readRecording(readFileSync(path));
  expect(stored).toMatchObject({ complete: true, marks: target.marks, end: timeline.end });
  expect(stored.checkpoints.map(({ at }) => at)).toEqual((await readRecording(before)).checkpoints.map(({ at }) => at));
  // Without the index it is gone through, and says the same.
  expect((await readRecording(readFileSync(path).subarray(0, -16))).marks).toEqual(target.marks);

  expect(await ask('seek mark 2')).toContain('instant 3000 of');
  expect(await ask('unmark 3')).toContain('there is no mark 3');
  await ask('seek 2000');
  await target.branch();
  await ask('mark on the branch');
  expect((await readRecording(target.save())).marks.map(({ note }) => note)).toEqual(['earlier', 'on the branch']);
  expect((await readRecording(readFileSync(path))).marks.map(({ note }) => note)).toEqual(['earlier', 'a late one']);

  await storeMarks(path, []);
  const last = await readRecording(readFileSync(path));
  expect(last).toMatchObject({ complete: true, marks: [] });
});

it('a recording without an end takes no marks, and loses nothing', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'hindsight-marks-')), 'a.hsr');
  await recordedFile(path);
  const cut = readFileSync(path).subarray(0, -20);
  writeFileSync(path, cut);
  await expect(storeMarks(path, MARKS)).rejects.toThrow(
    'the recording has no end: it is still being made, or it broke',
  );
  expect(readFileSync(path)).toEqual(cut);
});

it('marks of a machine that runs are in its recording; those after an instant that it goes back to are gone', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'hindsight-marks-')), 'a.hsr');
  const machine = await Machine.create({ ...tinyOptions({ harts: 1 }), record: openRecordFile(path) }, room);
  const past = new LivePast(machine, room);
  const target = liveTarget(new LiveBase(machine, past, room, 'live'));
  for (const instructions of [1000, 2000, 3000]) {
    await machine.run({ instructions });
    await target.mark({ at: machine.instant, time: machine.internals.engine.time, note: `at ${instructions}` });
  }
  await target.mover.seek(2500);
  await target.branch();
  expect(target.marks.map(({ note }) => note)).toEqual(['at 1000', 'at 2000']);
  await machine.close();
  expect((await readRecording(readFileSync(path))).marks).toEqual(target.marks);
});
