/** Exception flags of fcsr.fflags (RISC-V unprivileged ISA, "Floating-Point Control and Status Register"). */
export const Flag = {
  /** Inexact. */
  NX: 1,
  /** Underflow: tiny after rounding, and inexact. */
  UF: 2,
  /** Overflow. */
  OF: 4,
  /** Finite non-zero divided by zero. */
  DZ: 8,
  /** Invalid operation. */
  NV: 16,
} as const;

/** Rounding modes as instructions encode them; "dynamic" is resolved before it gets here. */
export const Rounding = {
  /** To nearest, ties to even. */
  RNE: 0,
  /** Towards zero. */
  RTZ: 1,
  /** Towards minus infinity. */
  RDN: 2,
  /** Towards plus infinity. */
  RUP: 3,
  /** To nearest, ties away from zero. */
  RMM: 4,
} as const;
