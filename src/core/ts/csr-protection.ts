import { give, type IrregularCsr } from './csr-access.ts';
import { EVENT } from './registers.ts';
import { H, type State } from './state.ts';
import type { Translation } from './translation.ts';

const FIRST_ADDRESS = 0x3b0;
const LAST = 15;
const LOCKED = 0x80;
const LOCKED_TOR = 0x88;
const MODE_AND_LOCK = 0x98;
const WRITABLE = 0x9f;
const READ_WRITE = 3;
const WRITE_ONLY = 2;
/** Physical addresses have 56 bits: 54 of them are in pmpaddr. */
const ADDRESS_HI = 0x3fffff;

/** pmpcfg and pmpaddr (privileged ISA, "Physical Memory Protection CSRs"). */
export function protectionCsrs(state: State, translation: Translation): Record<string, IrregularCsr> {
  const { m8, m32 } = state;
  const configOf = (entry: number): number => ((state.h + H.pmpcfg) << 2) + entry;
  return {
    pmpcfg: {
      read: (number) => {
        const at = state.h + H.pmpcfg + (number & 2);
        return give(m32[at], m32[at + 1]);
      },
      write: (number, lo, hi) => {
        const first = (number & 2) * 4;
        for (let i = 0; i < 8; i++) {
          const at = configOf(first + i);
          if ((m8[at] & LOCKED) !== 0) continue;
          let config = (i < 4 ? lo >>> (8 * i) : hi >>> (8 * i - 32)) & WRITABLE;
          if ((config & READ_WRITE) === WRITE_ONLY) config &= ~READ_WRITE;
          m8[at] = config;
        }
        translation.protectionChanged(state.hart);
        return EVENT.CHECK;
      },
    },
    pmpaddr: {
      read: (number) => {
        const at = state.h + H.pmpaddr + 2 * (number - FIRST_ADDRESS);
        return give(m32[at], m32[at + 1]);
      },
      write: (number, lo, hi) => {
        const entry = number - FIRST_ADDRESS;
        if ((m8[configOf(entry)] & LOCKED) !== 0) return EVENT.CHECK;
        if (entry < LAST && (m8[configOf(entry + 1)] & MODE_AND_LOCK) === LOCKED_TOR) return EVENT.CHECK;
        const at = state.h + H.pmpaddr + 2 * entry;
        m32[at] = lo;
        m32[at + 1] = hi & ADDRESS_HI;
        translation.protectionChanged(state.hart);
        return EVENT.CHECK;
      },
    },
  };
}
