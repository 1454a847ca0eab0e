/*
 * Where things are in the image that QEMU and the cores run. Offsets from the beginning of RAM.
 *
 *   runner   M-mode program: sets a case up, enters it, logs its traps, dumps what it left, goes on to the next
 *   context  the runner's own words          stub     where cases' S-mode traps lead: a page of ecall
 *   data     what loads and stores touch     tables   page tables
 *   code     CODE_STRIDE bytes a case        inputs   INPUT_STRIDE a case        outputs   OUTPUT_STRIDE a case
 */
export const RAM_SIZE = 64 << 20;
export const CONTEXT = 0x2000;
export const STUB = 0x10000;
export const DATA = 0x20000;
export const DATA_SIZE = 0x20000;
export const TABLES = 0x40000;
export const TABLES_SIZE = 0x40000;
export const CODE = 0x20_0000;
export const CODE_STRIDE = 256;
const MAX_CASES = 8192;
export const INPUTS = 0x40_0000;
export const INPUT_STRIDE = 1024;
export const OUTPUTS = 0xc0_0000;
export const OUTPUT_STRIDE = 2048;
/** QEMU puts a device tree behind this. */
export const COMPARED = OUTPUTS + MAX_CASES * OUTPUT_STRIDE;

/** CSRs a case starts with, in the order they are written; mstatus and mepc follow at the end. */
export const INPUT_CSRS = {
  menvcfg: 0x30a,
  stimecmp: 0x14d,
  satp: 0x180,
  medeleg: 0x302,
  mideleg: 0x303,
  mip: 0x344,
  mie: 0x304,
  stvec: 0x105,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  senvcfg: 0x10a,
  mcounteren: 0x306,
  scounteren: 0x106,
  pmpcfg0: 0x3a0,
  pmpcfg2: 0x3a2,
  ...(Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`pmpaddr${i}`, 0x3b0 + i])) as Record<
    `pmpaddr${number}`,
    number
  >),
  fcsr: 0x003,
  mepc: 0x341,
  mstatus: 0x300,
} as const;

/** CSRs dumped at the end of a case, besides those of its log. */
export const OUTPUT_CSRS = {
  fcsr: 0x003,
  satp: 0x180,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mip: 0x344,
  stvec: 0x105,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  menvcfg: 0x30a,
  senvcfg: 0x10a,
  mcounteren: 0x306,
  scounteren: 0x106,
  pmpcfg0: 0x3a0,
  pmpcfg2: 0x3a2,
  ...(Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`pmpaddr${i}`, 0x3b0 + i])) as Record<
    `pmpaddr${number}`,
    number
  >),
} as const;

/** Words of an input: CSRs, then f, then x. */
export const INPUT = { csrs: 0, f: 48, x: 80 } as const;
/** Words of an output: x, f, the CSRs, and the log: mcause, mepc, mtval, mstatus of each trap. */
export const OUTPUT = { x: 0, f: 32, csrs: 64, log: 128 } as const;
export const LOG_ENTRIES = 16;
export const LOG_WORDS = 4;
