import { LOCAL } from './abi.ts';
import type { WasmCode } from './wasm-code.ts';
import { OP, TYPE } from './wasm-opcodes.ts';

// Integer operations WebAssembly lacks (unprivileged ISA, "M", "Zbb"). Operands are on the stack as i64, so is the result.

const A = LOCAL.TEMP_A;
const B = LOCAL.TEMP_B;
const C = LOCAL.TEMP_C;

type Division = 'div' | 'divu' | 'rem' | 'remu' | 'divw' | 'divuw' | 'remw' | 'remuw';

/** `if (result i64)` */
function choose(code: WasmCode): void {
  code.op(OP.IF);
  code.byte(TYPE.I64);
}

/**
 * Division: wasm traps on a zero divisor and on overflow, RISC-V does not; both are answered before it divides. The w-forms get their operands
 * extended to 64 bits (by their own signedness) and divide 32.
 */
export function divide(code: WasmCode, name: Division): void {
  const word = name.endsWith('w');
  const unsigned = name.includes('u');
  const quotient = name.startsWith('div');
  code.set(B);
  code.set(A);
  code.get(B);
  if (unsigned) code.op(OP.I64_EQZ);
  else {
    // −1 or 0
    code.i64(1);
    code.op(OP.I64_ADD);
    code.i64(2);
    code.op(OP.I64_LT_U);
  }
  choose(code);
  if (unsigned) {
    if (quotient) code.i64(-1);
    else extended(code, word);
  } else {
    // by −1: the negative, rest 0; by 0: −1, rest the dividend
    if (quotient) {
      code.i64(0);
      extended(code, word);
      code.op(OP.I64_SUB);
      if (word) code.op(OP.I64_EXTEND32_S);
      code.i64(-1);
    } else {
      code.i64(0);
      extended(code, word);
    }
    code.get(B);
    code.i64(0);
    code.op(OP.I64_NE);
    code.op(OP.SELECT);
  }
  code.op(OP.ELSE);
  for (const operand of [A, B]) {
    code.get(operand);
    if (word) code.op(OP.I32_WRAP_I64);
  }
  const base = word ? OP.I32_DIV_S : OP.I64_DIV_S;
  code.op(base + (quotient ? 0 : 2) + (unsigned ? 1 : 0));
  if (word) code.op(OP.I64_EXTEND_I32_S);
  code.end();
}

function extended(code: WasmCode, word: boolean): void {
  code.get(A);
  if (word) code.op(OP.I64_EXTEND32_S);
}

/** High half of the 128-bit product, by 32-bit parts: three temporaries hold a, b and a partial sum. */
export function highProduct(code: WasmCode, name: 'mulh' | 'mulhu' | 'mulhsu'): void {
  const low = (local: number): void => {
    code.get(local);
    code.i64(0xffff_ffff);
    code.op(OP.I64_AND);
  };
  const high = (local: number): void => {
    code.get(local);
    code.i64(32);
    code.op(OP.I64_SHR_U);
  };
  const op = (...opcodes: number[]): void => opcodes.forEach((o) => code.op(o));
  code.set(B);
  code.set(A);
  // C = ah·bl + (al·bl >> 32)
  high(A);
  low(B);
  op(OP.I64_MUL);
  low(A);
  low(B);
  op(OP.I64_MUL);
  code.i64(32);
  op(OP.I64_SHR_U, OP.I64_ADD);
  code.set(C);
  // ah·bh + (C >> 32) + ((al·bh + low C) >> 32)
  high(A);
  high(B);
  op(OP.I64_MUL);
  high(C);
  op(OP.I64_ADD);
  low(A);
  high(B);
  op(OP.I64_MUL);
  low(C);
  op(OP.I64_ADD);
  code.i64(32);
  op(OP.I64_SHR_U, OP.I64_ADD);
  // a negative factor counts 2^64 too much
  const correct = (negative: number, other: number): void => {
    code.get(negative);
    code.i64(63);
    op(OP.I64_SHR_S);
    code.get(other);
    op(OP.I64_AND, OP.I64_SUB);
  };
  if (name !== 'mulhu') correct(A, B);
  if (name === 'mulh') correct(B, A);
}

/** orc.b: the bits of each byte are ored downwards into bit 0, which then fills the byte. */
export function orCombine(code: WasmCode): void {
  for (const [shift, mask] of [
    [1, 0x7f7f7f7f7f7f7f7fn],
    [2, 0x3f3f3f3f3f3f3f3fn],
    [4, 0x0f0f0f0f0f0f0f0fn],
  ] as const) {
    code.tee(A);
    code.get(A);
    code.i64(shift);
    code.op(OP.I64_SHR_U);
    code.i64(mask);
    code.op(OP.I64_AND);
    code.op(OP.I64_OR);
  }
  code.i64(0x0101010101010101n);
  code.op(OP.I64_AND);
  code.i64(0xff);
  code.op(OP.I64_MUL);
}

/** rev8: bytes, pairs and words change places in turn. */
export function reverseBytes(code: WasmCode): void {
  for (const [shift, mask] of [
    [8, 0x00ff00ff00ff00ffn],
    [16, 0x0000ffff0000ffffn],
  ] as const) {
    code.tee(A);
    code.i64(shift);
    code.op(OP.I64_SHR_U);
    code.i64(mask);
    code.op(OP.I64_AND);
    code.get(A);
    code.i64(mask);
    code.op(OP.I64_AND);
    code.i64(shift);
    code.op(OP.I64_SHL);
    code.op(OP.I64_OR);
  }
  code.i64(32);
  code.op(OP.I64_ROTL);
}
