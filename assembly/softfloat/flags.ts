/**
 * The exception flags and rounding modes of the F and D extensions (RISC-V unprivileged ISA,
 * "Floating-Point Control and Status Register").
 *
 * `fflags` is transient: the caller that executes an instruction clears it before, or merges it into fcsr
 * and clears it after. It is a wasm global and holds nothing between instructions.
 */

// fcsr.fflags:  4 NV | 3 DZ | 2 OF | 1 UF | 0 NX
/** Inexact. */
// @ts-ignore: decorator
@inline export const NX: u32 = 1;
/** Underflow: the result is tiny after rounding, and inexact. */
// @ts-ignore: decorator
@inline export const UF: u32 = 2;
/** Overflow. */
// @ts-ignore: decorator
@inline export const OF: u32 = 4;
/** Division of a finite non-zero number by zero. */
// @ts-ignore: decorator
@inline export const DZ: u32 = 8;
/** Invalid operation. */
// @ts-ignore: decorator
@inline export const NV: u32 = 16;

/** Round to nearest, ties to even. */
// @ts-ignore: decorator
@inline export const RNE: u32 = 0;
/** Round towards zero. */
// @ts-ignore: decorator
@inline export const RTZ: u32 = 1;
/** Round down, towards minus infinity. */
// @ts-ignore: decorator
@inline export const RDN: u32 = 2;
/** Round up, towards plus infinity. */
// @ts-ignore: decorator
@inline export const RUP: u32 = 3;
/** Round to nearest, ties away from zero. */
// @ts-ignore: decorator
@inline export const RMM: u32 = 4;

/** Flags raised since they were last cleared; OR of the constants above. */
export let fflags: u32 = 0;

/** Adds `flags` to those raised. */
// @ts-ignore: decorator
@inline
export function raise(flags: u32): void {
  fflags |= flags;
}

/** Sets the accumulated flags, normally to 0 before an instruction. */
// @ts-ignore: decorator
@inline
export function setFlags(flags: u32): void {
  fflags = flags;
}
