import { give, type IrregularCsr } from './csr-access.ts';
import { EVENT } from './registers.ts';
import { H, type State, TWO32 } from './state.ts';

/** Counters (unprivileged ISA, "Zicntr", "Zihpm"; privileged ISA, "Machine Counter-Enable"). */
export function counterCsrs(state: State, forced: () => boolean): Record<string, IrregularCsr> {
  const { m32 } = state;
  const allowed = (number: number): boolean => {
    const privilege = m32[state.h + H.prv];
    const bit = 1 << (number & 31);
    if (forced() || privilege === 3) return true;
    return (m32[state.h + H.mcounteren] & bit) !== 0 && (privilege === 1 || (m32[state.h + H.scounteren] & bit) !== 0);
  };
  const giveNumber = (value: number): true => give(value | 0, Math.floor(value / TWO32) | 0);
  /** Instructions attempted, the one at work included. */
  const ticks = (): number => state.number(state.h + H.ticksEnd) - state.left;
  /** ticks + offset modulo 2^64. */
  const sum = (count: number, at: number): true => {
    const lo = ((count | 0) + m32[at]) | 0;
    const carry = lo >>> 0 < m32[at] >>> 0 ? 1 : 0;
    return give(lo, (Math.floor(count / TWO32) + m32[at + 1] + carry) | 0);
  };
  /** A counter that shows ticks before this instruction, plus an offset. */
  const counter = (field: number): IrregularCsr => ({
    read: () => sum(ticks() - 1, state.h + field),
    write: (_n, lo, hi) => {
      const now = ticks();
      const at = state.h + field;
      m32[at] = lo - now;
      m32[at + 1] = hi - Math.floor(now / TWO32) - (lo >>> 0 < (now | 0) >>> 0 ? 1 : 0);
      return EVENT.CHECK;
    },
  });
  const mcycle = counter(H.cycleOffset);
  const minstret = counter(H.instretOffset);
  const view = (read: (number: number) => boolean): IrregularCsr => ({
    read: (number) => allowed(number) && read(number),
    write: () => EVENT.CHECK,
  });
  return {
    mcycle,
    minstret,
    cycle: view(mcycle.read),
    instret: view(minstret.read),
    time: view(() => giveNumber(Math.floor(state.now / 64))),
    hpmcounter: view(() => give(0, 0)),
  };
}
