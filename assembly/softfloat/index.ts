/**
 * The arithmetic of the F and D extensions on raw bits, exact in every rounding mode and flag.
 *
 * Operands and results are f64 as u64 and f32 as u32, without NaN-boxing. `rm` is 0..4 (RNE, RTZ,
 * RDN, RUP, RMM), never "dynamic". Flags accumulate in `fflags`. The `_nx` variants may be called
 * only when rounding is RNE and NX is already set in fcsr: they compute natively and need not find
 * out whether the result is inexact; every other flag they still raise.
 */
export { DZ, NV, NX, OF, RDN, RMM, RNE, RTZ, RUP, UF, fflags, raise, setFlags } from "./flags";
export {
  f32_add, f32_add_nx, f32_sub, f32_sub_nx, f64_add, f64_add_nx, f64_sub, f64_sub_nx,
} from "./add";
export { f32_mul, f32_mul_nx, f64_mul, f64_mul_nx } from "./mul";
export { f32_div, f32_div_nx, f64_div, f64_div_nx } from "./div";
export { f32_sqrt, f32_sqrt_nx, f64_sqrt, f64_sqrt_nx } from "./sqrt";
export { f32_fma, f32_fma_nx, f64_fma, f64_fma_nx } from "./fma";
export { f32_max, f32_min, f64_max, f64_min } from "./minmax";
export { f32_eq, f32_le, f32_lt, f64_eq, f64_le, f64_lt } from "./compare";
export { f32_class, f64_class } from "./classify";
export {
  f32_to_i32, f32_to_i64, f32_to_u32, f32_to_u64, f64_to_i32, f64_to_i64, f64_to_u32, f64_to_u64,
} from "./toint";
export {
  i32_to_f32, i32_to_f64, i64_to_f32, i64_to_f64, u32_to_f32, u32_to_f64, u64_to_f32, u64_to_f64,
} from "./fromint";
export { f32_to_f64, f64_to_f32 } from "./convert";
