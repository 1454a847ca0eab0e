import { describe, expect, test } from 'vitest';
import { readAddress, writeAddress } from '../../src/web/focus/address-bar.ts';
import { findPrinted } from '../../src/web/terminal/find-printed.ts';
import { ConsoleHistory } from '../../src/web/terminal/history.ts';
import { clampRange, ticks, zoomRange } from '../../src/web/timeline/view-range.ts';

/** A history in which byte i came out after 100 + 10 i instructions. */
function historyOf(text: string): ConsoleHistory {
  const bytes = new TextEncoder().encode(text);
  const instructions = Float64Array.from(bytes, (_, i) => 100 + 10 * i);
  const history = new ConsoleHistory();
  history.append(bytes, instructions, instructions);
  return history;
}

describe('the history of a console', () => {
  test('knows what had come out at an instant: a byte shows after the instruction that printed it', () => {
    const history = historyOf('abc');
    expect([99, 100, 101, 110, 111, 121].map((at) => history.offsetAfter(at))).toEqual([0, 0, 1, 1, 2, 3]);
  });

  test('finds ends of lines both ways', () => {
    const history = historyOf('one\ntwo\nthree');
    expect(history.lineEnd(0, 1)).toBe(4);
    expect(history.lineEnd(4, 1)).toBe(8);
    expect(history.lineEnd(8, 1)).toBeUndefined();
    expect(history.lineEnd(8, -1)).toBe(4);
    expect(history.lineEnd(4, -1)).toBeUndefined();
  });

  test('forgets what came after a cut, and copies stay', () => {
    const history = historyOf('one\ntwo\n');
    const copy = history.copy();
    history.cut(131);
    expect([history.length, copy.length]).toEqual([4, 8]);
  });

  test('says where a line on the screen was printed, past escape sequences and among equal lines', () => {
    const history = historyOf('line\r\n\x1b[1;34mblue\x1b[0m line\r\nline\r\n');
    expect(findPrinted(history, history.length, 'line', 0)).toBe(28 + 3);
    expect(findPrinted(history, history.length, 'line', 1)).toBe(3);
    expect(findPrinted(history, history.length, 'blue l', 0)).toBe(6 + 7 + 4 + 4 + 1);
    expect(findPrinted(history, history.length, 'nowhere', 0)).toBeUndefined();
  });
});

describe('the address of a view', () => {
  test('is read as it was written', () => {
    const view = {
      recording: 'recordings/a b.hsr',
      focus: { at: { instructions: 123_456, sequence: 7 }, hart: 1, process: 42, address: 0xffff_ffff_8000_0000n },
      panes: ['registers', 'call-stack'],
      marks: [{ instructions: 5, time: 10, note: 'a, ~b & c#' }],
    };
    expect(readAddress(writeAddress(view))).toEqual(view);
  });

  test('leaves out what makes no sense', () => {
    const { focus, panes, marks } = readAddress('#at=-1&hart=x&pid=1e9&addr=0xg&panes=../x,ok&mark=nothing');
    expect(focus).toEqual({ at: undefined, hart: 0, process: undefined, address: undefined });
    expect([panes, marks]).toEqual([['ok'], []]);
  });
});

describe('the range of a timeline', () => {
  const bounds = { from: 0, to: 1000 };

  test('stays within its bounds', () => {
    expect(clampRange({ from: -50, to: 50 }, bounds)).toEqual({ from: 0, to: 100 });
    expect(clampRange({ from: 990, to: 2000 }, bounds)).toEqual({ from: 0, to: 1000 });
  });

  test('keeps what is under the pointer where it is', () => {
    const { from, to } = zoomRange({ from: 0, to: 1000 }, 0.5, 250, bounds);
    expect((250 - from) / (to - from)).toBeCloseTo(0.25);
    expect(to - from).toBe(500);
  });

  test('has round ticks', () => {
    expect(ticks({ from: 0, to: 1000 }, 5)).toEqual([0, 200, 400, 600, 800, 1000]);
    expect(ticks({ from: 3, to: 3 }, 5)).toEqual([]);
  });
});
