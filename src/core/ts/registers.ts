/**
 * What the run loop works on while a hart runs, in typed arrays of fixed size so that engines keep every access a plain load or store.
 * One hart runs at a time per thread, so one set serves every core.
 */

/** Low and high halves of x0–x31; index 32 takes writes to x0. Sized so that an 8-bit index needs no check. */
export const xl = new Int32Array(256);
export const xh = new Int32Array(256);

/** Mailbox between the run loop and everything else; indexes below. */
export const io = new Int32Array(16);

/** Result of a load, a CSR read or a helper. */
export const LO = 0;
export const HI = 1;
/** Program counter, whenever the loop is not running. */
export const PC_LO = 2;
export const PC_HI = 3;
/** Ticks left (not counting those withheld, see Boundary). */
export const LEFT = 4;
/** Slot of the current instruction, and first slot of its decoded page (far away when it runs from the scratch slots). */
export const SLOT = 5;
export const START = 6;
/** Low half of an instruction's address minus its slot. */
export const DELTA = 7;
/** Virtual address of the page that runs. */
export const BASE = 8;
export const PAGE_HI = 9;
/** TLB arrays in use: first word of each. */
export const READ_BANK = 10;
export const WRITE_BANK = 11;
export const EXECUTE_BANK = 12;
/** The trap that an access asks for. */
export const CAUSE = 13;
export const TVAL_LO = 14;
export const TVAL_HI = 15;

/** What an operation tells the run loop. Below zero the instruction has not been completed. */
export const EVENT = {
  NONE: 0,
  /** Trap with CAUSE and TVAL. */
  TRAP: -1,
  /** Illegal instruction. */
  ILLEGAL: -2,
  /** A watchpoint: leave, the instruction not executed. */
  WATCH: -3,
  /** Done; interrupts must be looked at. */
  CHECK: 1,
  /** Done; the page must be entered again. */
  REFETCH: 2,
  /** Done; leave with REPLAN. */
  REPLAN: 3,
  /** Done; leave with WAIT. */
  WAIT: 4,
  /** Done; leave with SBI. */
  SBI: 5,
  /** Done, and PC holds where to go on; interrupts must be looked at. */
  RETURNED: 6,
  /** PC holds where to go on. */
  GO: 7,
  /** No ticks left before the instruction. */
  STOP: 8,
  /** An instruction that crosses pages is ready in the scratch slots. */
  CROSSED: 9,
} as const;

/** Asks for a trap. @returns the event to hand on */
export function trap(cause: number, tvalLo: number, tvalHi: number): number {
  io[CAUSE] = cause;
  io[TVAL_LO] = tvalLo;
  io[TVAL_HI] = tvalHi;
  return EVENT.TRAP;
}

/** Sets PC to the instruction at SLOT. */
export function pcFromSlot(): void {
  const lo = (io[DELTA] + io[SLOT]) | 0;
  io[PC_LO] = lo;
  io[PC_HI] = (io[PAGE_HI] + (lo >>> 0 < io[BASE] >>> 0 ? 1 : 0)) | 0;
}
