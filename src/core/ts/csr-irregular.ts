import { CSR_MASKS } from '../../isa/csrs.ts';
import { extensionBit } from '../../isa/decode.ts';
import { give, type IrregularCsr } from './csr-access.ts';
import { counterCsrs } from './csr-counters.ts';
import { protectionCsrs } from './csr-protection.ts';
import { EVENT } from './registers.ts';
import { H, M, type State } from './state.ts';
import type { Translation } from './translation.ts';
import type { Traps } from './traps.ts';

const low = (mask: bigint): number => Number(BigInt.asIntN(32, mask));
const high = (mask: bigint): number => Number(BigInt.asIntN(32, mask >> 32n));

const FS = 3 << 13;
const MPP = 3 << 11;
const SD_HI = 1 << 31;
const STATUS_WRITE = low(CSR_MASKS.MSTATUS_WRITE);
const STATUS_FIXED_HI = high(CSR_MASKS.MSTATUS_FIXED);
const SSTATUS_LO = low(CSR_MASKS.SSTATUS);
const SSTATUS_HI = high(CSR_MASKS.SSTATUS);
const SSTATUS_WRITE = low(CSR_MASKS.SSTATUS_WRITE);
const ENVCFG_WRITE = low(CSR_MASKS.SENVCFG_WRITE);
const ADUE_HI = high(CSR_MASKS.MENVCFG_ADUE);
const PBMTE_HI = high(CSR_MASKS.MENVCFG_PBMTE);
const STCE_HI = high(CSR_MASKS.MENVCFG_STCE);
const CBIE = 0x30;
const CBCFE = 0x40;
const CBZE = 0x80;
const SSIP = 1 << 1;
const STIP = 1 << 5;
const SEIP = 1 << 9;
const TIME = 1 << 1;

/** The CSRs that src/isa/csrs.ts names helpers for, by helper. @param forced whether a debugger asks */
export function irregularCsrs(
  state: State,
  traps: Traps,
  translation: Translation,
  forced: () => boolean,
): Record<string, IrregularCsr> {
  const { m32 } = state;
  const on = (name: Parameters<typeof extensionBit>[0]): boolean => (state.extensions & extensionBit(name)) !== 0;
  const floating = (read: () => number, write: (lo: number) => void): IrregularCsr => ({
    read: () => (forced() || (m32[state.h + H.mstatus] & FS) !== 0) && give(read(), 0),
    write: (_n, lo) => {
      write(lo);
      m32[state.h + H.mstatus] |= FS;
      return EVENT.CHECK;
    },
  });
  const statusHi = (): number => m32[state.h + H.mstatus + 1] | ((m32[state.h + H.mstatus] & FS) === FS ? SD_HI : 0);
  const returnAddress = (field: number): IrregularCsr => ({
    read: () => give(m32[state.h + field] & traps.returnMask, m32[state.h + field + 1]),
    write: (_n, lo, hi) => {
      m32[state.h + field] = lo & traps.returnMask;
      m32[state.h + field + 1] = hi;
      return EVENT.CHECK;
    },
  });
  /** The part that menvcfg and senvcfg share. */
  const environment = (field: number, lo: number): void => {
    let mask = ENVCFG_WRITE & ~(CBIE | CBCFE | CBZE);
    if (on('zicbom')) mask |= CBIE | CBCFE;
    if (on('zicboz')) mask |= CBZE;
    let value = lo & mask;
    if ((value & CBIE) === 0x20) value &= ~CBIE;
    m32[state.h + field] = (m32[state.h + field] & ~mask) | value;
  };
  const merge = (field: number, mask: number, value: number): void => {
    m32[state.h + field] = (m32[state.h + field] & ~mask) | (value & mask);
  };

  return {
    fflags: floating(
      () => m32[state.h + H.fflags],
      (v) => {
        m32[state.h + H.fflags] = v & 31;
      },
    ),
    frm: floating(
      () => m32[state.h + H.frm],
      (v) => {
        m32[state.h + H.frm] = v & 7;
      },
    ),
    fcsr: floating(
      () => m32[state.h + H.fflags] | (m32[state.h + H.frm] << 5),
      (v) => {
        m32[state.h + H.fflags] = v & 31;
        m32[state.h + H.frm] = (v >> 5) & 7;
      },
    ),
    mstatus: {
      read: () => give(m32[state.h + H.mstatus], statusHi()),
      write: (_n, lo) => {
        // MPP = 2 is no mode: the field keeps what it has
        merge(H.mstatus, (lo & MPP) === 2 << 11 ? STATUS_WRITE & ~MPP : STATUS_WRITE, lo);
        m32[state.h + H.mstatus + 1] |= STATUS_FIXED_HI;
        return EVENT.CHECK;
      },
    },
    sstatus: {
      read: () => give(m32[state.h + H.mstatus] & SSTATUS_LO, statusHi() & SSTATUS_HI),
      write: (_n, lo) => {
        merge(H.mstatus, SSTATUS_WRITE, lo);
        return EVENT.CHECK;
      },
    },
    misa: {
      read: () => give(m32[state.h + H.misa], m32[state.h + H.misa + 1]),
      write: () => EVENT.CHECK,
    },
    mhartid: { read: () => give(state.hart, 0), write: () => EVENT.CHECK },
    mip: {
      read: () => give(traps.pending, m32[state.h + H.mip + 1]),
      write: (_n, lo) => {
        merge(H.mip, SSIP | SEIP | (m32[state.h + H.menvcfg + 1] < 0 ? 0 : STIP), lo);
        return EVENT.CHECK;
      },
    },
    sip: {
      read: () => give(traps.pending & m32[state.h + H.mideleg], 0),
      write: (_n, lo) => {
        merge(H.mip, m32[state.h + H.mideleg] & SSIP, lo);
        return EVENT.CHECK;
      },
    },
    sie: {
      read: () => give(m32[state.h + H.mie] & m32[state.h + H.mideleg], 0),
      write: (_n, lo) => {
        merge(H.mie, m32[state.h + H.mideleg], lo);
        return EVENT.CHECK;
      },
    },
    stimecmp: {
      read: () => {
        const allowed = m32[state.h + H.menvcfg + 1] < 0 && (m32[state.h + H.mcounteren] & TIME) !== 0;
        if (!forced() && m32[state.h + H.prv] < 3 && !allowed) return false;
        return give(m32[state.h + H.stimecmp], m32[state.h + H.stimecmp + 1]);
      },
      write: (_n, lo, hi) => {
        m32[state.h + H.stimecmp] = lo;
        m32[state.h + H.stimecmp + 1] = hi;
        return EVENT.REPLAN;
      },
    },
    mepc: returnAddress(H.mepc),
    sepc: returnAddress(H.sepc),
    senvcfg: {
      read: () => give(m32[state.h + H.senvcfg], m32[state.h + H.senvcfg + 1]),
      write: (_n, lo) => {
        environment(H.senvcfg, lo);
        return EVENT.CHECK;
      },
    },
    menvcfg: {
      read: () => give(m32[state.h + H.menvcfg], m32[state.h + H.menvcfg + 1]),
      write: (_n, lo, hi) => {
        environment(H.menvcfg, lo);
        const mask = (on('svadu') ? ADUE_HI : 0) | (on('svpbmt') ? PBMTE_HI : 0) | (on('sstc') ? STCE_HI : 0);
        merge(H.menvcfg + 1, mask, hi);
        translation.rulesChanged();
        return EVENT.REPLAN;
      },
    },
    satp: {
      read: () => {
        if (!forced() && m32[state.h + H.prv] === 1 && traps.refusesTranslationControl) return false;
        return give(m32[state.h + H.satp], m32[state.h + H.satp + 1]);
      },
      write: (_n, lo, hi) => {
        const mode = hi >>> 28;
        if (mode === 0 || (mode >= 8 && mode <= m32[M.maxSatpMode])) {
          m32[state.h + H.satp] = lo;
          m32[state.h + H.satp + 1] = hi;
        }
        return EVENT.CHECK;
      },
    },
    ...counterCsrs(state, forced),
    ...protectionCsrs(state, translation),
  };
}
