import type { HsmState, ResetKind, ResetReason } from './sbi-codes.ts';

/** Guest RAM as the firmware reaches it: by physical address. */
export interface SbiMemory {
  /** Whether `length` bytes at `address` all lie in RAM. */
  contains(address: number, length: number): boolean;
  /** A live view of bytes that all lie in RAM. */
  read(address: number, length: number): Uint8Array;
  write(address: number, data: Uint8Array): void;
}

/**
 * What the SBI needs of the machine it serves. Hart ids are 0 to `hartCount` − 1. Everything the firmware knows is kept by the
 * machine behind these calls (hart states, deadlines, pending bits), so there is nothing to save on its side.
 */
export interface SbiHost {
  readonly hartCount: number;
  /** Guest RAM: the only memory a call may point into. */
  readonly ram: SbiMemory;
  /** Integer register x`index` of a hart, unsigned. */
  getReg(hart: number, index: number): bigint;
  /** Sets integer register x`index`; the low 64 bits of `value` count. */
  setReg(hart: number, index: number, value: bigint): void;
  /** Clears the hart's pending timer interrupt and raises it when the `time` CSR reaches `stimeValue` (unsigned; all ones: never). */
  setTimer(hart: number, stimeValue: bigint): void;
  /** Sets or clears the hart's supervisor software interrupt (SSIP); sleeping harts wake. */
  setSoftware(hart: number, level: boolean): void;
  /** HSM state of a hart. */
  hartState(hart: number): HsmState;
  /** Takes a stopped hart to `address` in S-mode: satp 0, SIE 0, a0 = hart id, a1 = `opaque`; it is started from then on. */
  startHart(hart: number, address: number, opaque: bigint): void;
  /** Stops a hart until {@link startHart}; the calling instruction does not return. */
  stopHart(hart: number): void;
  /**
   * Suspends a hart until an interrupt is pending and enabled (sip & sie). Without `resume` it goes on after the call; with it,
   * as {@link startHart} describes. Registers may be set at once: nobody sees a suspended hart's.
   */
  suspendHart(hart: number, resume?: { readonly address: number; readonly opaque: bigint }): void;
  /** Ends or restarts the machine; the calling instruction does not return. */
  reset(kind: ResetKind, reason: ResetReason): void;
  /** Shows console output. The bytes are the callee's to keep. */
  consoleWrite(bytes: Uint8Array): void;
  /** Takes up to `max` bytes of console input, none if there are none. Input enters the machine through its recorded door. */
  consoleRead(max: number): Uint8Array;
}
