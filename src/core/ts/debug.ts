import { DEBUG, EXACT_POINT, POINTS_AT } from '../../isa/layout.ts';
import { M, type State } from './state.ts';

const POINTS = POINTS_AT >> 2;
const WATCH = DEBUG.READ | DEBUG.WRITE;

/** Whether (aHi, aLo) < (bHi, bLo), unsigned. */
function below(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi >>> 0 < bHi >>> 0;
}

/** Debug points of the machine. The host announces a change of them with `dropDerived`. */
export class DebugPoints {
  private readonly state: State;
  /** The first instruction after a stop: points are passed over. */
  skipping = false;

  constructor(state: State) {
    this.state = state;
  }

  get count(): number {
    return this.state.m32[M.debugCount] + this.state.m32[M.pointCount];
  }

  /** Index of the exact execute point in [address, address + length), or −1. */
  private exact(lo: number, hi: number, length: number): number {
    const { m32 } = this.state;
    let low = 0;
    let high = m32[M.pointCount];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (below(m32[POINTS + 2 * middle], m32[POINTS + 2 * middle + 1], lo, hi)) low = middle + 1;
      else high = middle;
    }
    if (low === m32[M.pointCount] || m32[POINTS + 2 * low + 1] !== hi) return -1;
    return (m32[POINTS + 2 * low] >>> 0) - (lo >>> 0) < length ? low : -1;
  }

  /** Index of the first point of the kinds that [address, address + length) meets, or −1. */
  private find(lo: number, hi: number, length: number, kinds: number): number {
    const { m32 } = this.state;
    const lastLo = (lo + length - 1) | 0;
    const lastHi = (hi + (lastLo >>> 0 < lo >>> 0 ? 1 : 0)) | 0;
    for (let i = 0; i < m32[M.debugCount]; i++) {
      if ((m32[M.debugKind + 2 * i] & kinds) === 0) continue;
      const start = M.debugStart + 2 * i;
      const end = M.debugEnd + 2 * i;
      if (!below(lastLo, lastHi, m32[start], m32[start + 1]) && below(lo, hi, m32[end], m32[end + 1])) return i;
    }
    return -1;
  }

  /** Whether loads or stores on the page of an address are watched. */
  watchesPage(lo: number, hi: number): boolean {
    return this.count !== 0 && this.find(lo & -4096, hi, 4096, WATCH) >= 0;
  }

  /** Whether the page of an address holds execute points. */
  stopsOnPage(lo: number, hi: number): boolean {
    if (this.count === 0) return false;
    return this.find(lo & -4096, hi, 4096, DEBUG.EXECUTE) >= 0 || this.exact(lo & -4096, hi, 4096) >= 0;
  }

  /** Whether an access meets a watchpoint; if so it is noted for the host. */
  watched(lo: number, hi: number, length: number, kinds: number): boolean {
    if (this.count === 0 || this.skipping) return false;
    const index = this.find(lo, hi, length, kinds);
    if (index < 0) return false;
    const { m32 } = this.state;
    m32[M.debugHit] = index;
    m32[M.debugAddress] = lo;
    m32[M.debugAddress + 1] = hi;
    return true;
  }

  /** Whether an instruction's address meets an execute point; if so it is noted for the host. */
  stopsAt(lo: number, hi: number): boolean {
    if (this.count === 0 || this.skipping) return false;
    let index = this.find(lo, hi, 1, DEBUG.EXECUTE);
    if (index < 0) {
      const exact = this.exact(lo, hi, 1);
      if (exact < 0) return false;
      index = EXACT_POINT | exact;
    }
    const { m32 } = this.state;
    m32[M.debugHit] = index;
    m32[M.debugAddress] = lo;
    m32[M.debugAddress + 1] = hi;
    return true;
  }
}
