/** Everybody who moves a machine does so by its session: debuggers too, one at a time. */
import { expect, it } from 'vitest';
import { LiveBase, liveTarget } from '../../src/debug/live-target.ts';
import { timelineTarget } from '../../src/debug/timeline-target.ts';
import { SessionBusyError } from '../../src/machine/session/errors.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { copyRecording } from '../../src/record/copy.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyOptions } from '../machine/fixtures.ts';

it("a debugger's move and the library's of one recording are refused while the other is under way", async () => {
  const options = tinyOptions({ harts: 1 });
  await using machine = await Machine.create(options, room);
  await machine.run({ instructions: 300_000 });
  const pieces = copyRecording(machine.internals.log, {
    end: { at: machine.instant, time: machine.internals.engine.time },
    marks: [],
  });
  const { timeline } = await openTimeline(Buffer.concat(pieces), options, room);
  const target = timelineTarget(timeline, 'a test');
  const other = timelineTarget(timeline, 'the same once more');

  for (const [first, second] of [
    [target.mover, timeline],
    [timeline, target.mover],
    [target.mover, other.mover],
  ]) {
    await timeline.seek(0);
    const under = first.seek(200_000);
    const refused = await Promise.allSettled([second.seek(100), second.reverseStep(), other.branch()]);
    expect(refused.map((one) => one.status === 'rejected' && one.reason)).toEqual([
      new SessionBusyError('move', 'move'),
      new SessionBusyError('move', 'move'),
      new SessionBusyError('branch', 'move'),
    ]);
    expect((await under).at.instructions).toBe(200_000);
    expect((await second.seek(100)).at.instructions).toBe(100);
  }
  // Moves that go from the past into a branch's present, and back, are one operation each.
  await target.branch();
  expect((await target.mover.step(500)).at.instructions).toBe(600);
  expect((await target.mover.reverseStep(550)).at.instructions).toBe(50);
  expect((await target.mover.seek('100%')).at.instructions).toBe(600);
  expect(timeline.session.state).toBe('branch');
});

it('a live machine that a debugger moves is not run by others, and the other way round', async () => {
  const machine = await Machine.create(tinyOptions({ harts: 1 }), room);
  const past = new LivePast(machine, room);
  const target = liveTarget(new LiveBase(machine, past, room, 'live'));
  await target.mover.step(5000);
  const back = target.mover.seek(1000);
  expect(() => machine.run({ instructions: 10_000 })).toThrow(SessionBusyError);
  expect(() => past.resume()).toThrow(SessionBusyError);
  await expect(past.timeline.seek(10)).rejects.toThrow(SessionBusyError);
  expect((await back).at.instructions).toBe(1000);
  await target.mover.seek('100%');
  const on = target.mover.step(400_000);
  await expect(target.mover.reverseStep()).rejects.toThrow(SessionBusyError);
  expect((await on).at.instructions).toBe(405_000);
  const running = machine.run({ instructions: 500_000 });
  await expect(target.mover.step()).rejects.toThrow('the machine is running: pause it first');
  await running;
  await machine.close();
});
