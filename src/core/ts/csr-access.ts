import { HI, io, LO } from './registers.ts';

/** How an irregular CSR is read and written. */
export interface IrregularCsr {
  /** Puts the value in LO and HI. @returns false: illegal here */
  read(number: number): boolean;
  /** @returns an event */
  write(number: number, lo: number, hi: number): number;
}

/** Delivers a value. */
export function give(lo: number, hi: number): true {
  io[LO] = lo;
  io[HI] = hi;
  return true;
}
