import type { FunctionBuilder } from './function-builder.ts';
import type { WasmCode } from './wasm-code.ts';
import { OP } from './wasm-opcodes.ts';

/** f64 locals that {@link fused64} and {@link fused32} need. */
const FUSED_LOCALS = 8;

// 2^27 + 1: splits a number's digits in two halves (Veltkamp)
const SPLITTER = 0x41a0000002000000n;
// 2^−960: above it the error of a product is a number
const SMALL = 0x03f0000000000000n;

/**
 * a·b + c rounded once, from operations that each round: WebAssembly has no fused multiply-add. The product's error (Dekker, Veltkamp) and
 * the sum's (Knuth) are exact; their sum is rounded to odd, so that the last addition rounds right (S. Boldo and G. Melquiond, "Emulation
 * of FMA and Correctly Rounded Sums", 2008).
 * Operands are in the first three locals. Pushes the result and, above it, whether the product is too small for this; where an operand is
 * not finite or a part overflows the result is not a number.
 */
export function fused64(builder: FunctionBuilder): void {
  const { code } = builder;
  const [a, b, c, p, s, t, ah, bh] = Array.from({ length: FUSED_LOCALS }, (_, i) => builder.floatLocal(i));
  const op = (...opcodes: number[]): void => opcodes.forEach((o) => code.op(o));
  binary(code, a, b, OP.F64_MUL);
  code.set(p);
  const split = (x: number, high: number): void => {
    code.get(x);
    code.f64(SPLITTER);
    op(OP.F64_MUL);
    code.tee(high);
    binary(code, high, x, OP.F64_SUB);
    op(OP.F64_SUB);
    code.set(high);
  };
  split(a, ah);
  split(b, bh);
  // error of the product: ((ah·bh − p) + ah·bl + al·bh) + al·bl, with the low halves in place of a and b
  binary(code, ah, bh, OP.F64_MUL);
  code.get(p);
  op(OP.F64_SUB);
  code.get(ah);
  binary(code, b, bh, OP.F64_SUB);
  code.tee(t);
  op(OP.F64_MUL, OP.F64_ADD);
  binary(code, a, ah, OP.F64_SUB);
  code.tee(ah);
  code.get(bh);
  op(OP.F64_MUL, OP.F64_ADD);
  binary(code, ah, t, OP.F64_MUL);
  op(OP.F64_ADD);
  code.set(bh);
  twoSum(builder, p, c, s, t, ah);
  // round(t + bh) to odd, added to s
  twoSum(builder, t, bh, ah, c, a);
  code.get(s);
  toOdd(builder, ah, c);
  op(OP.F64_ADD);
  code.get(p);
  op(OP.F64_ABS);
  code.f64(SMALL);
  op(OP.F64_LT);
}

/** The same for single precision: the product is exact in f64, and a sum rounded to odd there rounds right to f32. Operands are promoted. */
export function fused32(builder: FunctionBuilder): void {
  const { code } = builder;
  const [a, b, c, p, s, t, spare] = Array.from({ length: FUSED_LOCALS }, (_, i) => builder.floatLocal(i));
  binary(code, a, b, OP.F64_MUL);
  code.set(p);
  twoSum(builder, p, c, s, t, spare);
  toOdd(builder, s, t);
  code.op(OP.F32_DEMOTE_F64);
}

/** Pushes an operation of two locals. */
function binary(code: WasmCode, x: number, y: number, opcode: number): void {
  code.get(x);
  code.get(y);
  code.op(opcode);
}

/** sum = x + y and its error. @param spare a local to use, none of the others */
function twoSum({ code }: FunctionBuilder, x: number, y: number, sum: number, error: number, spare: number): void {
  binary(code, x, y, OP.F64_ADD);
  code.tee(sum);
  code.get(x);
  code.op(OP.F64_SUB);
  code.set(spare);
  code.get(x);
  binary(code, sum, spare, OP.F64_SUB);
  code.op(OP.F64_SUB);
  binary(code, y, spare, OP.F64_SUB);
  code.op(OP.F64_ADD);
  code.set(error);
}

/** Pushes `sum`, moved by one unit towards its error when there is one and its last digit is even. */
function toOdd({ code }: FunctionBuilder, sum: number, error: number): void {
  const bits = (x: number): void => {
    code.get(x);
    code.op(OP.I64_REINTERPRET_F64);
  };
  bits(sum);
  // ±1: away from zero when the signs are the same
  bits(sum);
  bits(error);
  code.op(OP.I64_XOR);
  code.i64(63);
  code.op(OP.I64_SHR_S);
  code.i64(1);
  code.op(OP.I64_OR);
  code.i64(0);
  bits(sum);
  code.i64(1);
  code.op(OP.I64_AND);
  code.op(OP.I64_EQZ);
  code.get(error);
  code.f64(0n);
  code.op(OP.F64_NE);
  code.op(OP.I32_AND);
  code.op(OP.SELECT);
  code.op(OP.I64_ADD);
  code.op(OP.F64_REINTERPRET_I64);
}
