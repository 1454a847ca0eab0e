/** Numbers of the RISC-V Supervisor Binary Interface, version 2.0. */

/** Standard errors (chapter 3). */
export const SBI_ERROR = {
  success: 0,
  failed: -1,
  notSupported: -2,
  invalidParam: -3,
  denied: -4,
  invalidAddress: -5,
  alreadyAvailable: -6,
} as const;
export type SbiError = (typeof SBI_ERROR)[keyof typeof SBI_ERROR];

/** Ids of the extensions that are implemented (a7). */
export const SBI_EXTENSION = {
  base: 0x10n,
  time: 0x5449_4d45n,
  ipi: 0x73_5049n,
  rfence: 0x5246_4e43n,
  hsm: 0x48_534dn,
  srst: 0x5352_5354n,
  dbcn: 0x4442_434en,
} as const;

/** States of a hart (chapter 9, table "HSM Hart States"). */
export const HART_STATE = {
  started: 0,
  stopped: 1,
  startPending: 2,
  stopPending: 3,
  suspended: 4,
  suspendPending: 5,
  resumePending: 6,
} as const;
export type HsmState = (typeof HART_STATE)[keyof typeof HART_STATE];

/** Kinds of system reset (chapter 10). */
export const RESET = { shutdown: 0, coldReboot: 1, warmReboot: 2 } as const;
export type ResetKind = (typeof RESET)[keyof typeof RESET];

/** Reasons for a system reset (chapter 10). */
export const RESET_REASON = { none: 0, systemFailure: 1 } as const;
export type ResetReason = (typeof RESET_REASON)[keyof typeof RESET_REASON];

/** What a function gives back in a0 and a1. */
export interface SbiResult {
  readonly error: SbiError;
  readonly value: bigint;
}

/** The call gives the caller nothing back: it does not return, or its registers are already as they must be. */
export const NO_RETURN = 'no return';

export const succeed = (value = 0n): SbiResult => ({ error: SBI_ERROR.success, value });
export const fail = (error: SbiError): SbiResult => ({ error, value: 0n });

/** A function's arguments a0 to a5, unsigned. */
export type SbiArguments = readonly [bigint, bigint, bigint, bigint, bigint, bigint];

/** Truncates an argument that is 32 bits wide; its upper half is whatever the caller's sign extension made it. */
export const u32 = (argument: bigint): number => Number(BigInt.asUintN(32, argument));
