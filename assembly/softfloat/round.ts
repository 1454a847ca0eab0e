/** Rounding of an exact value to a format, with the flags it raises (IEEE 754-2019 §4.3, §7.4-7.6). */
import { NX, OF, RDN, RMM, RNE, RUP, UF, raise } from "./flags";
import { F64, INF32, INF64, SIGN64, infinity } from "./format";

/** value >> count with every bit shifted out kept alive in bit 0. count >= 0. */
// @ts-ignore: decorator
@inline
export function shiftSticky(value: u64, count: i32): u64 {
  if (count == 0) return value;
  if (count > 63) return u64(value != 0);
  return value >> count | u64(value << (64 - count) != 0);
}

/** Whether the bits `rest` below a kept integer of parity `odd` round it away from zero. */
function roundsAway(odd: bool, rest: u64, half: u64, negative: bool, rm: u32): bool {
  if (rm == RNE) return rest > half || (rest == half && odd);
  if (rm == RMM) return rest >= half;
  if (rm == RDN) return negative && rest != 0;
  if (rm == RUP) return !negative && rest != 0;
  return false;
}

/** What overflow delivers (§7.4): infinity, or the largest finite number when rounding inwards. */
function overflow(sign: u64, rm: u32, format: u32): u64 {
  raise(OF | NX);
  const infinite = infinity(sign, format);
  const outward = rm == RNE || rm == RMM || rm == (sign >> 63 != 0 ? RDN : RUP);
  return outward ? infinite : infinite - 1;
}

/**
 * Rounds  ±significand / 2^63 * 2^exponent  to `format`.
 *
 * @param sign sign in bit 63; the other bits are ignored
 * @param significand leading bit at 63; bit 0 may stand for any non-zero rest below it
 * @returns the bits; raises NX, UF, OF as due
 */
export function round(sign: u64, exponent: i32, significand: u64, rm: u32, format: u32): u64 {
  const least = format == F64 ? -1022 : -126;
  const dropped: u64 = format == F64 ? 11 : 40;
  const mask: u64 = (<u64>1 << dropped) - 1;
  const half: u64 = <u64>1 << (dropped - 1);
  const negative = sign >> 63 != 0;
  if (exponent > 1 - least) return overflow(sign, rm, format);

  let tiny = false;
  if (exponent < least) {
    // Tininess is detected after rounding: as tiny counts what stays below the smallest normal
    // number when rounded to full precision with an unbounded exponent.
    tiny = true;
    if (exponent == least - 1) {
      const kept = significand >> dropped;
      const allOnes = kept + 1 == <u64>1 << (64 - dropped);
      tiny = !(allOnes && roundsAway(true, significand & mask, half, negative, rm));
    }
    significand = shiftSticky(significand, least - exponent);
    exponent = least;
  }

  const rest = significand & mask;
  let kept = significand >> dropped;
  if (rest != 0) {
    raise(tiny ? NX | UF : NX);
    if (roundsAway((kept & 1) != 0, rest, half, negative, rm)) kept++;
  }
  // The hidden bit, if there, adds one to the exponent field; so does a carry out of the fraction.
  const magnitude = (<u64>(exponent - least) << (63 - dropped)) + kept;
  const infinite = format == F64 ? INF64 : <u64>INF32;
  if (magnitude >= infinite) return overflow(sign, rm, format);
  return magnitude | (format == F64 ? sign & SIGN64 : (sign & SIGN64) >> 32);
}
