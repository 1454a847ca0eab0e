import type { Access } from '../../core/core.ts';
import type { Instant } from '../../record/door.ts';

/** A register: x0–x31, f0–f31 (64 raw bits), pc, privilege (0, 1, 3) or a CSR by number. */
export type RegisterId =
  | { readonly kind: 'x' | 'f' | 'csr'; readonly number: number }
  | { readonly kind: 'pc' | 'prv' };

export const PC: RegisterId = { kind: 'pc' };
export const PRV: RegisterId = { kind: 'prv' };
export const X = (number: number): RegisterId => ({ kind: 'x', number });
export const F = (number: number): RegisterId => ({ kind: 'f', number });
export const CSR = (number: number): RegisterId => ({ kind: 'csr', number });

/** The machine at the present instant, to look at: nothing here changes it. Addresses and registers are unsigned 64-bit. */
export interface MachineView {
  /** Number of harts. */
  readonly harts: number;
  /** Physical address of the first byte of RAM, and its size in bytes. */
  readonly ram: { readonly base: bigint; readonly size: number };
  /** Where the machine is. */
  readonly instant: Instant;
  /** The hart that is to execute next. */
  activeHart(): number;
  /** Undefined when the machine has no such register. */
  readRegister(hart: number, id: RegisterId): bigint | undefined;
  /** Where a virtual address leads for a hart, −1 when nowhere. */
  translate(hart: number, address: bigint, access: Access): bigint;
  /** A little-endian number of 1, 2, 4 or 8 bytes of RAM, unsigned; undefined elsewhere. */
  readNumber(physical: bigint, length: number): bigint | undefined;
  /** Reads what is there, without effect on devices; shorter than asked for where nothing more is. */
  readPhysical(address: bigint, length: number): Uint8Array;
}
