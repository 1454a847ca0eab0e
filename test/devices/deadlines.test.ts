import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeadlineQueue, NONE_DUE } from '../../src/machine/schedule/deadlines.ts';

test('takes what is due by time, then by id', () => {
  const queue = new DeadlineQueue(4);
  queue.arm(3, 5);
  queue.arm(1, 9);
  queue.arm(2, 5);
  expect(queue.next()).toBe(5);
  expect([queue.takeDue(4), queue.takeDue(9), queue.takeDue(9), queue.takeDue(9), queue.takeDue(9)]).toEqual([
    NONE_DUE,
    2,
    3,
    1,
    NONE_DUE,
  ]);
  expect(queue.next()).toBe(Infinity);
});

test('agrees with a sorted list under any use', () => {
  const step = fc.record({
    id: fc.nat(6),
    at: fc.oneof(fc.nat(20), fc.constant(Infinity)),
    take: fc.boolean(),
    now: fc.nat(25),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const queue = new DeadlineQueue(7);
      const model = new Map<number, number>();
      const first = (): [number, number] | undefined => [...model].sort((a, b) => a[1] - b[1] || a[0] - b[0])[0];
      for (const { id, at, take, now } of steps) {
        if (take) {
          const expected = first();
          const due = expected !== undefined && expected[1] <= now ? expected[0] : NONE_DUE;
          expect(queue.takeDue(now)).toBe(due);
          model.delete(due);
        } else {
          queue.arm(id, at);
          if (at === Infinity) model.delete(id);
          else model.set(id, at);
        }
        expect(queue.next()).toBe(first()?.[1] ?? Infinity);
        expect(queue.at(id)).toBe(model.get(id) ?? Infinity);
      }
    }),
    { seed: 5, numRuns: 300 },
  );
});

test('refuses ids it has not and times that are none', () => {
  const queue = new DeadlineQueue(2);
  expect(() => queue.arm(2, 1)).toThrow('no device 2');
  expect(() => queue.arm(0, NaN)).toThrow('not a number');
  expect(() => new DeadlineQueue(-1)).toThrow(RangeError);
});
