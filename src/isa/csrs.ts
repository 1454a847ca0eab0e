import type { Extension } from './instruction.ts';
import type { HART } from './layout.ts';

type HartField = keyof typeof HART;

/**
 * One row per CSR (range rows stand for numbered series). A row with `field` and `write` is regular: reads give the hart's field, writes
 * store (old & ~write) | (value & write). A row without is irregular: the helper of that name in every core.
 * Lowest privilege is bits 9:8 of the number, read-only when bits 11:10 are 3 (privileged ISA, "CSR Address Mapping Conventions").
 */
export interface Csr {
  readonly name: string;
  readonly number: number;
  /** How many consecutive numbers the row stands for (name gets the index + `first`). */
  readonly count?: number;
  readonly first?: number;
  readonly extension?: Extension;
  /** Where the value lives, for regular CSRs. */
  readonly field?: HartField;
  readonly width?: 4 | 8;
  /** Writable bits. */
  readonly write?: bigint;
  /** Irregular: name of the helper pair (read…/write…) in the cores. */
  readonly helper?: string;
  /** A constant that reads the same always. */
  readonly constant?: bigint;
  readonly reference: string;
}

const ALL = 0xffff_ffff_ffff_ffffn;
const M = 'Privileged ISA, "Machine-Level CSRs"';
const S = 'Privileged ISA, "Supervisor CSRs"';
const U = 'Unprivileged ISA, "Zicsr", "Zicntr", "F"';

export const CSRS: readonly Csr[] = [
  { name: 'fflags', number: 0x001, extension: 'f', helper: 'fflags', reference: U },
  { name: 'frm', number: 0x002, extension: 'f', helper: 'frm', reference: U },
  { name: 'fcsr', number: 0x003, extension: 'f', helper: 'fcsr', reference: U },
  { name: 'cycle', number: 0xc00, extension: 'zicntr', helper: 'cycle', reference: U },
  { name: 'time', number: 0xc01, extension: 'zicntr', helper: 'time', reference: U },
  { name: 'instret', number: 0xc02, extension: 'zicntr', helper: 'instret', reference: U },
  { name: 'hpmcounter', number: 0xc03, count: 29, first: 3, extension: 'zihpm', helper: 'hpmcounter', reference: U },
  { name: 'sstatus', number: 0x100, helper: 'sstatus', reference: S },
  { name: 'sie', number: 0x104, helper: 'sie', reference: S },
  { name: 'stvec', number: 0x105, field: 'stvec', width: 8, write: ALL & ~2n, reference: S },
  { name: 'scounteren', number: 0x106, field: 'scounteren', width: 4, write: 0xffff_ffffn, reference: S },
  { name: 'senvcfg', number: 0x10a, helper: 'senvcfg', reference: S },
  { name: 'sscratch', number: 0x140, field: 'sscratch', width: 8, write: ALL, reference: S },
  { name: 'sepc', number: 0x141, helper: 'sepc', reference: S },
  { name: 'scause', number: 0x142, field: 'scause', width: 8, write: ALL, reference: S },
  { name: 'stval', number: 0x143, field: 'stval', width: 8, write: ALL, reference: S },
  { name: 'sip', number: 0x144, helper: 'sip', reference: S },
  { name: 'stimecmp', number: 0x14d, extension: 'sstc', helper: 'stimecmp', reference: 'Privileged ISA, "Sstc"' },
  { name: 'satp', number: 0x180, helper: 'satp', reference: S },
  { name: 'mvendorid', number: 0xf11, constant: 0n, reference: M },
  { name: 'marchid', number: 0xf12, constant: 0n, reference: M },
  { name: 'mimpid', number: 0xf13, constant: 0n, reference: M },
  { name: 'mhartid', number: 0xf14, helper: 'mhartid', reference: M },
  { name: 'mconfigptr', number: 0xf15, constant: 0n, reference: M },
  { name: 'mstatus', number: 0x300, helper: 'mstatus', reference: M },
  { name: 'misa', number: 0x301, helper: 'misa', reference: M },
  { name: 'medeleg', number: 0x302, field: 'medeleg', width: 8, write: 0xb3ffn, reference: M },
  { name: 'mideleg', number: 0x303, field: 'mideleg', width: 8, write: 0x222n, reference: M },
  { name: 'mie', number: 0x304, field: 'mie', width: 8, write: 0xaaan, reference: M },
  { name: 'mtvec', number: 0x305, field: 'mtvec', width: 8, write: ALL & ~2n, reference: M },
  { name: 'mcounteren', number: 0x306, field: 'mcounteren', width: 4, write: 0xffff_ffffn, reference: M },
  { name: 'menvcfg', number: 0x30a, helper: 'menvcfg', reference: M },
  { name: 'mcountinhibit', number: 0x320, constant: 0n, reference: M },
  { name: 'mhpmevent', number: 0x323, count: 29, first: 3, extension: 'zihpm', constant: 0n, reference: M },
  { name: 'mscratch', number: 0x340, field: 'mscratch', width: 8, write: ALL, reference: M },
  { name: 'mepc', number: 0x341, helper: 'mepc', reference: M },
  { name: 'mcause', number: 0x342, field: 'mcause', width: 8, write: ALL, reference: M },
  { name: 'mtval', number: 0x343, field: 'mtval', width: 8, write: ALL, reference: M },
  { name: 'mip', number: 0x344, helper: 'mip', reference: M },
  { name: 'pmpcfg0', number: 0x3a0, helper: 'pmpcfg', reference: 'Privileged ISA, "Physical Memory Protection"' },
  { name: 'pmpcfg2', number: 0x3a2, helper: 'pmpcfg', reference: 'Privileged ISA, "Physical Memory Protection"' },
  {
    name: 'pmpaddr',
    number: 0x3b0,
    count: 16,
    first: 0,
    helper: 'pmpaddr',
    reference: 'Privileged ISA, "Physical Memory Protection"',
  },
  { name: 'mcycle', number: 0xb00, helper: 'mcycle', reference: M },
  { name: 'minstret', number: 0xb02, helper: 'minstret', reference: M },
  { name: 'mhpmcounter', number: 0xb03, count: 29, first: 3, extension: 'zihpm', constant: 0n, reference: M },
];

/** mcounteren/mcountinhibit etc. keep only what exists; the rest of the WARL rules, stated once for every core. */
export const CSR_MASKS = {
  /** mstatus bits software may write: SIE MIE SPIE MPIE SPP MPP FS MPRV SUM MXR TVM TW TSR. UXL and SXL are fixed at 2. */
  MSTATUS_WRITE: 0x0000_0000_007e_79aan,
  /** UXL = SXL = 2. */
  MSTATUS_FIXED: 0x0000_000a_0000_0000n,
  /** sstatus view: SIE SPIE SPP FS SUM MXR UXL SD (VS and XS read zero). */
  SSTATUS: 0x8000_0003_000c_6122n,
  SSTATUS_WRITE: 0x0000_0000_000c_6122n,
  /** senvcfg: FIOM CBIE CBCFE CBZE. menvcfg adds ADUE (61), PBMTE (62), STCE (63) as far as the extensions are on. */
  SENVCFG_WRITE: 0xf1n,
  MENVCFG_ADUE: 1n << 61n,
  MENVCFG_PBMTE: 1n << 62n,
  MENVCFG_STCE: 1n << 63n,
} as const;
