/** Exception causes (privileged ISA, "mcause"). */
export const enum Cause {
  FETCH_MISALIGNED = 0,
  FETCH_ACCESS = 1,
  ILLEGAL = 2,
  BREAKPOINT = 3,
  LOAD_MISALIGNED = 4,
  LOAD_ACCESS = 5,
  STORE_MISALIGNED = 6,
  STORE_ACCESS = 7,
  ECALL_U = 8,
  FETCH_PAGE = 12,
  LOAD_PAGE = 13,
  STORE_PAGE = 15,
}

/** In place of a cause: a debug point was met. */
export const DEBUG_MET: i32 = 64;

/** The exception in flight, −1 when none: transient, never outlives an instruction. */
export let trapCause: i32 = -1;
export let trapValue: u64 = 0;

export function setTrap(cause: i32, value: u64): void {
  trapCause = cause;
  trapValue = value;
}

export function clearTrap(): void {
  trapCause = -1;
}

// @ts-ignore: decorator
@inline export function trapped(): bool {
  return trapCause >= 0;
}
