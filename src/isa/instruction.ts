import { parseSemantics, type Statement } from './semantics.ts';

/**
 * Extensions in the order of their bits in MACHINE.extensions. `c`, `f` and `d` follow misa; `i` is always on. `b` has no instructions of its
 * own: it is zba, zbb and zbs together, and its bit in misa.
 */
export const EXTENSIONS = [
  'i',
  'm',
  'a',
  'f',
  'd',
  'c',
  'zicsr',
  'zifencei',
  'zicntr',
  'zihpm',
  'zba',
  'zbb',
  'zbc',
  'zbs',
  'zicond',
  'zicbom',
  'zicboz',
  'zicbop',
  'zawrs',
  'sstc',
  'svinval',
  'svnapot',
  'svpbmt',
  'svadu',
  'b',
] as const;
export type Extension = (typeof EXTENSIONS)[number];

/**
 * Where a row's operands sit (unprivileged specification, chapter "Instruction formats"), and how the decoded slot holds them:
 * slot.a = rd (or rs2 for S and B), slot.b = rs1, slot.imm = immediate; R: rs2 in imm; R4: rs2 | rs3 << 8 in imm; rows with a rounding
 * mode: rm << 16 in imm; CSR: imm = number, b = rs1 or the 5-bit immediate; AMO: rs2 in imm (aq/rl need nothing: one thread).
 * Writes to x0: slot.a = 32 (the sink) when rd = 0 and the row writes an integer register.
 */
export type Format = 'R' | 'I' | 'S' | 'B' | 'U' | 'J' | 'shift64' | 'shift32' | 'R4' | 'CSR' | 'AMO' | 'R1' | 'none';

export interface Instruction {
  readonly name: string;
  readonly extension: Extension;
  readonly format: Format;
  readonly match: number;
  readonly mask: number;
  /** The row's meaning as written. */
  readonly semantics: string;
  readonly statement: Statement;
  /** Operands as assembly shows them, e.g. `rd, rs1, rs2` or `rd, imm(rs1)`; `fd`, `fs1`… name floating-point registers. */
  readonly syntax: string;
  /** Has a rounding-mode field (bits 14:12); 5 and 6 are reserved. */
  readonly rm: boolean;
  /** Needs mstatus.FS ≠ 0. */
  readonly fp: boolean;
  /** Reference into the RISC-V manuals. */
  readonly reference: string;
  /** Dense index: the op in a decoded slot. 0–15 are kept for the core's own pseudo-operations. */
  readonly index: number;
}

/** The core's own operations in decoded slots, below the rows' indexes. */
export const PSEUDO_OPS = {
  /** Not decoded yet. */
  DECODE: 0,
  /** Ran off the end of the decoded page. */
  PAGE_END: 1,
  /** A 4-byte instruction whose second half lies on the next page. */
  CROSSING: 2,
  /** Illegal instruction; imm holds its bits. */
  ILLEGAL: 3,
  /** An execute point lies at this place of some page (MACHINE.places): a look at the address decides. */
  OBSERVED: 4,
} as const;
export const FIRST_ROW = 16;

/** Register operands each format's syntax may name. */
const MASKS: Record<Format, number> = {
  R: 0xfe00707f,
  I: 0x0000707f,
  S: 0x0000707f,
  B: 0x0000707f,
  U: 0x0000007f,
  J: 0x0000007f,
  shift64: 0xfc00707f,
  shift32: 0xfe00707f,
  R4: 0x0600007f,
  CSR: 0x0000707f,
  AMO: 0xf800707f,
  R1: 0xfff0707f,
  none: 0xffffffff,
};

export interface RowOptions {
  readonly mask?: number;
  readonly rm?: boolean;
  readonly fp?: boolean;
}

export type Row = Omit<Instruction, 'index'>;

/** Collects rows of one chapter. */
export function chapter(extension: Extension, reference: string) {
  return (
    name: string,
    format: Format,
    match: number,
    syntax: string,
    semantics: string,
    options: RowOptions = {},
  ): Row => {
    const rm = options.rm ?? false;
    const mask = (options.mask ?? (rm ? MASKS[format] & ~0x7000 : MASKS[format])) >>> 0;
    return {
      name,
      extension,
      format,
      match: match >>> 0,
      mask,
      semantics,
      statement: parseSemantics(semantics),
      syntax,
      rm,
      fp: options.fp ?? /\bf[ds][123]?\b/.test(syntax),
      reference,
    };
  };
}
