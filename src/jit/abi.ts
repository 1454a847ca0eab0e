import { MACHINE, MACHINE_AT } from '../isa/layout.ts';
import type { FunctionImport, Signature } from './wasm-module.ts';
import { TYPE } from './wasm-opcodes.ts';

/**
 * The calling convention between the core and translated functions.
 *
 * A region is a function (hart block, label, base) → {@link LEAVE}. `label` says at which of its entries to begin, `base` is the virtual
 * address of the region's first page. It finds the hart's registers and MACHINE.left in memory and leaves them there, pc included.
 */
export const REGION_SIGNATURE: Signature = { params: [TYPE.I32, TYPE.I32, TYPE.I64], results: [TYPE.I32] };

/** Locals every region function has. */
export const LOCAL = {
  HART: 0,
  LABEL: 1,
  BASE: 2,
  /** Ticks left. */
  LEFT: 3,
  /** The data TLB bank. */
  BANK: 4,
  /** Address of a TLB entry. */
  ENTRY: 5,
  /** Address of an access in linear memory. */
  HOST: 6,
  /** Bit n: page n of the region is known to be mapped as it was translated. */
  VALID: 7,
  TEMP32: 8,
  /** 1: floating-point instructions may run here (mstatus.FS is 3 and frm is a rounding mode). */
  FLOAT: 9,
  /** As NORMAL_LIMIT64, for single precision. */
  NORMAL_LIMIT32: 10,
  /** Virtual address of an access. */
  ADDRESS: 11,
  /** pc to leave at, and target of an indirect jump. */
  PC: 12,
  TEMP_A: 13,
  TEMP_B: 14,
  TEMP_C: 15,
  /**
   * While rounding is to nearest and NX is set, a result is known to raise nothing else when its bits doubled, less the two smallest
   * exponents, are below this limit; 0 otherwise: no result is.
   */
  NORMAL_LIMIT64: 16,
  TEMP_F64: 17,
  TEMP_F32: 18,
  FIRST_REGISTER: 19,
} as const;

/** Types of the locals after the parameters, up to FIRST_REGISTER. */
export const FIXED_LOCALS = [
  [8, TYPE.I32],
  [6, TYPE.I64],
  [1, TYPE.F64],
  [1, TYPE.F32],
] as const;

/** Why a region function returned; pc and MACHINE.left are stored. */
export const LEAVE = {
  /** Go on at pc. */
  CONTINUE: 0,
  /** The interpreter executes the instruction at pc. */
  INTERPRET: 1,
  /** Too few ticks left for the code at pc. */
  BUDGET: 2,
  /** As INTERPRET: an access or floating-point result that is not the common case. */
  RARE: 3,
  /** As CONTINUE, but an interrupt may be due. */
  CHECK: 4,
} as const;
export type Leave = (typeof LEAVE)[keyof typeof LEAVE];

/** Helpers translated code may call, in order of their function indexes. */
export const HELPERS = {
  /** (hart, va, width) → address in linear memory of plain RAM to load from, refilling the TLB; 0: the interpreter has to do it. Width + 16: misaligned ones, too. */
  loadAddress: { params: [TYPE.I32, TYPE.I64, TYPE.I32], results: [TYPE.I32] },
  /** The same for a store. */
  storeAddress: { params: [TYPE.I32, TYPE.I64, TYPE.I32], results: [TYPE.I32] },
  /** (hart, function, a, b, c, rm) → result bits; flags are merged into fcsr. */
  float: { params: [TYPE.I32, TYPE.I32, TYPE.I64, TYPE.I64, TYPE.I64, TYPE.I32], results: [TYPE.I64] },
  /**
   * (hart, number | kind << 12 | whether it writes << 14, operand) → the old value: a CSR instruction (kind 0: csrrw, 1: csrrs, 2: csrrc). Expects
   * MACHINE.left stored as after the instruction; {@link CSR_DONE} tells how it went in {@link ./area.ts} CSR_STATUS_AT.
   */
  csr: { params: [TYPE.I32, TYPE.I32, TYPE.I64], results: [TYPE.I64] },
  /**
   * (hart, pc) → 1: go on, what is to be done where debug points are met here has been done, in RAM's shadow and nowhere else; 0: nothing was, the
   * interpreter has to see to it. Expects the integer registers in the hart's memory.
   */
  probe: { params: [TYPE.I32, TYPE.I64], results: [TYPE.I32] },
  clmul: { params: [TYPE.I64, TYPE.I64], results: [TYPE.I64] },
  clmulh: { params: [TYPE.I64, TYPE.I64], results: [TYPE.I64] },
  clmulr: { params: [TYPE.I64, TYPE.I64], results: [TYPE.I64] },
} as const satisfies Record<string, Signature>;
/** How a CSR instruction went. */
export const CSR_DONE = {
  YES: 0,
  /** Nothing was done: the interpreter takes the exception. */
  ILLEGAL: 1,
  /** An interrupt may be due now, or fetches are translated again. */
  LEAVE: 2,
} as const;
export type HelperName = keyof typeof HELPERS;

const names = Object.keys(HELPERS) as HelperName[];

/**
 * So many helpers, the first, are called through functions of the module's own that only pass on their arguments: a call of an import takes twice
 * the machine code of one within the module, and every load and store that no other vouches for has one.
 */
export const FORWARDED = 2;

/** Function index of a helper in a translated module. */
export const helperIndex = (name: HelperName): number => {
  const i = names.indexOf(name);
  return i < FORWARDED ? names.length + i : i;
};

/** The imports of every translated module. */
export const HELPER_IMPORTS: readonly FunctionImport[] = names.map((name) => ({
  module: 'core',
  name,
  signature: HELPERS[name],
}));

/** Absolute address of MACHINE.left. */
export const LEFT_AT = MACHINE_AT + MACHINE.left;
