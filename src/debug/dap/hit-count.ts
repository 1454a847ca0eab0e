import type { Breakpoint } from '../../timeline/breakpoints.ts';
import { DebugError } from '../target.ts';

const CONDITION = /^\s*(>=|<=|==|=|>|<|%)?\s*(\d{1,15})\s*$/;

/**
 * Which of a breakpoint's hits stop: counted from the beginning of the recording, so that the fifth is the same one in whatever direction it is
 * come upon, and from wherever.
 */
export class HitCount {
  /** What is counted: the breakpoint without the count. */
  readonly point: Breakpoint;
  private readonly operator: string;
  private readonly number: number;
  /** Instants of the hits, in order. */
  private instants: number[] = [];
  private complete = false;

  /** @param text `5` or `>= 5` from the fifth on, `= 5`, `> 5`, `< 5`, `<= 5`, `% 5` every fifth @throws DebugError when it is none of these */
  constructor(point: Breakpoint, text: string) {
    const m = CONDITION.exec(text);
    if (!m) throw new DebugError(`hit condition "${text}": expected a number, or one after >=, >, =, <, <= or %`);
    this.point = point;
    this.operator = m[1] ?? '>=';
    this.number = Number(m[2]);
  }

  /** Whether the hits of all that was recorded are known. */
  get counted(): boolean {
    return this.complete;
  }

  /** All hits up to the end of what was recorded. */
  take(instants: readonly number[]): void {
    this.instants = [...instants];
    this.complete = true;
  }

  /** Whether the hit at an instant is one to stop at. A hit after all known ones is the next. */
  stops(instant: number): boolean {
    const { instants, number } = this;
    let low = 0;
    let high = instants.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (instants[middle] < instant) low = middle + 1;
      else high = middle;
    }
    if (instants[low] !== instant) instants.splice(low, 0, instant);
    const ordinal = low + 1;
    switch (this.operator) {
      case '>':
        return ordinal > number;
      case '<':
        return ordinal < number;
      case '<=':
        return ordinal <= number;
      case '=':
      case '==':
        return ordinal === number;
      case '%':
        return number > 0 && ordinal % number === 0;
      default:
        return ordinal >= number;
    }
  }
}
