import { HART } from '../isa/layout.ts';
import { type Expr, FUNCTIONS } from '../isa/semantics.ts';
import { helperIndex, LEAVE, LOCAL } from './abi.ts';
import { emit32, emit64, type Site } from './expression.ts';
import type { FunctionBuilder } from './function-builder.ts';
import { fused32, fused64 } from './fused.ts';
import type { WasmCode } from './wasm-code.ts';
import { OP, SATURATING } from './wasm-opcodes.ts';

/**
 * Floating point by native instructions. While the rounding mode is to nearest and NX is already set, an operation whose result is a normal
 * number can raise no further flag, and wasm's result is the specification's; every other case is rare and goes to the
 * interpreter or the softfloat helper. NaN results are never taken from native instructions, so their bits don't matter.
 */

/** Order of the functions that the `float` helper takes by number. */
export const FLOAT_FUNCTIONS: readonly string[] = Object.entries(FUNCTIONS)
  .filter(([, info]) => info.group === 'fp')
  .map(([name]) => name);

interface Precision {
  readonly bits: 32 | 64;
  readonly add: number;
  readonly sub: number;
  readonly mul: number;
  readonly div: number;
  readonly sqrt: number;
  readonly min: number;
  readonly max: number;
  readonly neg: number;
  readonly copysign: number;
  readonly eq: number;
  readonly lt: number;
  readonly le: number;
  readonly ge: number;
  readonly temp: number;
}

const F64: Precision = {
  bits: 64,
  add: OP.F64_ADD,
  sub: OP.F64_SUB,
  mul: OP.F64_MUL,
  div: OP.F64_DIV,
  sqrt: OP.F64_SQRT,
  min: OP.F64_MIN,
  max: OP.F64_MAX,
  neg: OP.F64_NEG,
  copysign: OP.F64_COPYSIGN,
  eq: OP.F64_EQ,
  lt: OP.F64_LT,
  le: OP.F64_LE,
  ge: OP.F64_GE,
  temp: LOCAL.TEMP_F64,
};
const F32: Precision = {
  bits: 32,
  add: OP.F32_ADD,
  sub: OP.F32_SUB,
  mul: OP.F32_MUL,
  div: OP.F32_DIV,
  sqrt: OP.F32_SQRT,
  min: OP.F32_MIN,
  max: OP.F32_MAX,
  neg: OP.F32_NEG,
  copysign: OP.F32_COPYSIGN,
  eq: OP.F32_EQ,
  lt: OP.F32_LT,
  le: OP.F32_LE,
  ge: OP.F32_GE,
  temp: LOCAL.TEMP_F32,
};

/** The flag limits from fcsr: at the function's start and after whatever raised flags. */
export function loadFloatState({ code }: FunctionBuilder): void {
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.mstatus);
  code.i32(0x6000);
  code.op(OP.I32_AND);
  code.i32(0x6000);
  code.op(OP.I32_EQ);
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.frm);
  code.i32(5);
  code.op(OP.I32_LT_U);
  code.op(OP.I32_AND);
  code.set(LOCAL.FLOAT);
  // doubled exponents 2 … 2046 (254 for single precision)
  code.i64(2045n << 53n);
  code.i64(0);
  inexactToNearest(code);
  code.op(OP.SELECT);
  code.set(LOCAL.NORMAL_LIMIT64);
  code.i32(253 << 24);
  code.i32(0);
  inexactToNearest(code);
  code.op(OP.SELECT);
  code.set(LOCAL.NORMAL_LIMIT32);
}

/** Pushes whether NX is set and rounding is to nearest. */
function inexactToNearest(code: WasmCode): void {
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.fflags);
  code.i32(1);
  code.op(OP.I32_AND);
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.frm);
  code.op(OP.I32_EQZ);
  code.op(OP.I32_AND);
}

const isCall = (e: Expr): e is Extract<Expr, { op: 'call' }> => e.op === 'call';
/** The expression as a floating-point function's call with that type of result. */
const gives = (e: Expr, type: 'f32' | 'f64'): e is Extract<Expr, { op: 'call' }> =>
  isCall(e) && FUNCTIONS[e.name]?.fp?.result === type;

/** Whether the expression is `e ^ sign bit`. */
function negated(e: Expr, bits: 32 | 64): Expr | undefined {
  return e.op === 'xor' && e.b.op === 'const' && BigInt.asUintN(64, e.b.value) === 1n << BigInt(bits - 1)
    ? e.a
    : undefined;
}

const same = (a: Expr, b: Expr): boolean =>
  JSON.stringify(a, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v)) ===
  JSON.stringify(b, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v));

/** Operands of `(a & rest) | (b & sign)`, as fsgnj and fsgnjn write it. */
function signMove(e: Expr, bits: 32 | 64): { magnitude: Expr; sign: Expr } | undefined {
  if (e.op !== 'or' || e.a.op !== 'and' || e.b.op !== 'and' || e.a.b.op !== 'const' || e.b.b.op !== 'const')
    return undefined;
  const sign = 1n << BigInt(bits - 1);
  if (BigInt.asUintN(64, e.b.b.value) !== sign || BigInt.asUintN(64, e.a.b.value) !== sign - 1n) return undefined;
  return { magnitude: e.a.a, sign: e.b.a };
}

/** Pushes the value of 64 raw bits as f64. */
export function emitF64(e: Expr, s: Site): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  if (e.op === 'leaf' && e.name.startsWith('fs'))
    return builder.getF(e.name === 'fs1' ? d.rs1 : e.name === 'fs2' ? d.rs2 : d.rs3);
  if (gives(e, 'f64')) return operation(e.name, e.args, s);
  const opposite = negated(e, 64);
  if (opposite) {
    emitF64(opposite, s);
    return code.op(OP.F64_NEG);
  }
  const moved = signMove(e, 64);
  if (moved) {
    emitF64(moved.magnitude, s);
    if (same(moved.magnitude, moved.sign) && d.rs1 === d.rs2) return;
    emitF64(moved.sign, s);
    return code.op(OP.F64_COPYSIGN);
  }
  emit64(e, s);
  code.op(OP.F64_REINTERPRET_I64);
}

/** Pushes the low word as f32. */
function emitF32(e: Expr, s: Site): void {
  const { code } = s.builder;
  if (gives(e, 'f32')) return operation(e.name, e.args, s);
  const opposite = negated(e, 32);
  if (opposite) {
    emitF32(opposite, s);
    return code.op(OP.F32_NEG);
  }
  emit32(e, s);
  code.op(OP.F32_REINTERPRET_I32);
}

/** Pushes a function's result as 64 raw bits. */
export function floatResult(name: string, args: readonly Expr[], s: Site): void {
  const { code } = s.builder;
  operation(name, args, s);
  const result = FUNCTIONS[name].fp!.result;
  if (result === 'f64') code.op(OP.I64_REINTERPRET_F64);
  if (result === 'f32') {
    code.op(OP.I32_REINTERPRET_F32);
    code.op(OP.I64_EXTEND_I32_U);
  }
}

/** With the result in its temporary and "it is rare" on the stack: leaves, or asks the helper. The result is pushed. */
function unlessRare(name: string, args: readonly Expr[], s: Site, temp: number): void {
  const { builder } = s;
  const { code } = builder;
  if (!s.slowPath) builder.leaveIf(LEAVE.RARE, s.at);
  else {
    builder.openUnlikely();
    helper(name, args, s);
    code.set(temp);
    loadFloatState(builder);
    builder.close();
  }
  code.get(temp);
}

/** Pushes the helper's result in its own type. */
function helper(name: string, args: readonly Expr[], s: Site): void {
  const { code } = s.builder;
  const { result } = FUNCTIONS[name].fp!;
  const operands = FUNCTIONS[name].fp!.args.length;
  code.get(LOCAL.HART);
  code.i32(FLOAT_FUNCTIONS.indexOf(name));
  for (let i = 0; i < 3; i++) {
    if (i < operands) emit64(args[i], s);
    else code.i64(0);
  }
  code.i32(s.decoded.rm);
  code.call(helperIndex('float'));
  if (result === 'f64') code.op(OP.F64_REINTERPRET_I64);
  if (result === 'f32') {
    code.op(OP.I32_WRAP_I64);
    code.op(OP.F32_REINTERPRET_I32);
  }
}

/** Always by helper: what has no native counterpart. */
function byHelper(name: string, args: readonly Expr[], s: Site): void {
  helper(name, args, s);
  loadFloatState(s.builder);
}

/** Pushes whether the result in the precision's temporary may have raised something. */
function mayRaise({ code }: FunctionBuilder, p: Precision): void {
  if (p.bits === 64) {
    code.op(OP.I64_REINTERPRET_F64);
    code.i64(1);
    code.op(OP.I64_SHL);
    code.i64(1n << 54n);
    code.op(OP.I64_SUB);
    code.get(LOCAL.NORMAL_LIMIT64);
    code.op(OP.I64_GE_U);
  } else {
    code.op(OP.I32_REINTERPRET_F32);
    code.i32(1);
    code.op(OP.I32_SHL);
    code.i32(1 << 25);
    code.op(OP.I32_SUB);
    code.get(LOCAL.NORMAL_LIMIT32);
    code.op(OP.I32_GE_U);
  }
}

function zero({ code }: FunctionBuilder, p: Precision): void {
  if (p.bits === 64) code.f64(0n);
  else code.f32(0);
}

/** Pushes an operand in the precision. */
const operand = (e: Expr, s: Site, p: Precision): void => (p.bits === 64 ? emitF64(e, s) : emitF32(e, s));

function operation(name: string, args: readonly Expr[], s: Site): void {
  const { builder } = s;
  const { code } = builder;
  const [left, right] = name.split(/_(.*)/s);
  const p = left === 'f32' ? F32 : F64;
  switch (right) {
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'sqrt':
      return arithmetic(name, right, args, s, p);
    case 'fma':
      return multiplyAdd(name, args, s, p);
    case 'eq':
    case 'lt':
    case 'le':
      return comparison(name, right, args, s, p);
    case 'min':
    case 'max':
      unordered(args, s, p);
      if (s.slowPath) {
        code.set(LOCAL.TEMP32);
        for (const a of args) operand(a, s, p);
        code.op(p[right]);
        code.set(p.temp);
        code.get(LOCAL.TEMP32);
        return unlessRare(name, args, s, p.temp);
      }
      builder.leaveIf(LEAVE.RARE, s.at);
      for (const a of args) operand(a, s, p);
      return code.op(p[right]);
    case 'to_f64':
      emitFrom(left, args[0], s, {
        f32: OP.F64_PROMOTE_F32,
        i32: OP.F64_CONVERT_I32_S,
        u32: OP.F64_CONVERT_I32_U,
        i64: OP.F64_CONVERT_I64_S,
        u64: OP.F64_CONVERT_I64_U,
      });
      if (left === 'i32' || left === 'u32') return;
      if (left === 'f32') {
        code.tee(LOCAL.TEMP_F64);
        code.get(LOCAL.TEMP_F64);
        code.op(OP.F64_NE);
      } else {
        code.set(LOCAL.TEMP_F64);
        notNearest(builder, s.decoded.rm);
      }
      return unlessRare(name, args, s, LOCAL.TEMP_F64);
    case 'to_f32':
      emitFrom(left, args[0], s, {
        f64: OP.F32_DEMOTE_F64,
        i32: OP.F32_CONVERT_I32_S,
        u32: OP.F32_CONVERT_I32_U,
        i64: OP.F32_CONVERT_I64_S,
        u64: OP.F32_CONVERT_I64_U,
      });
      if (left === 'f64') {
        code.tee(LOCAL.TEMP_F32);
        mayRaise(builder, F32);
        wrongMode(builder, s.decoded.rm);
      } else {
        code.set(LOCAL.TEMP_F32);
        notNearest(builder, s.decoded.rm);
      }
      return unlessRare(name, args, s, LOCAL.TEMP_F32);
    case 'to_i32':
    case 'to_u32':
    case 'to_i64':
    case 'to_u64':
      return toInteger(name, right, args, s, p);
    default:
      return byHelper(name, args, s);
  }
}

/** A static rounding mode other than to nearest makes every case rare; dynamic ones are in the limits. */
function wrongMode({ code }: FunctionBuilder, rm: number): void {
  if (rm === 0 || rm === 7) return;
  code.op(OP.DROP);
  code.i32(1);
}

/** Pushes whether results may be inexact in ways not known. */
function notNearest(builder: FunctionBuilder, rm: number): void {
  const { code } = builder;
  code.get(LOCAL.NORMAL_LIMIT32);
  code.op(OP.I32_EQZ);
  wrongMode(builder, rm);
}

function emitFrom(left: string, e: Expr, s: Site, opcodes: Readonly<Record<string, number>>): void {
  const { code } = s.builder;
  if (left === 'f32') emitF32(e, s);
  else if (left === 'f64') emitF64(e, s);
  else if (left === 'i32' || left === 'u32') emit32(e, s);
  else emit64(e, s);
  code.op(opcodes[left]);
}

function arithmetic(
  name: string,
  op: 'add' | 'sub' | 'mul' | 'div' | 'sqrt',
  args: readonly Expr[],
  s: Site,
  p: Precision,
): void {
  const { builder } = s;
  const { code } = builder;
  const values = op === 'sqrt' ? args.slice(0, 1) : args.slice(0, 2);
  for (const a of values) operand(a, s, p);
  code.op(p[op]);
  code.tee(p.temp);
  mayRaise(builder, p);
  if (s.decoded.rm !== 0 && s.decoded.rm !== 7) {
    wrongMode(builder, s.decoded.rm);
    return unlessRare(name, args, s, p.temp);
  }
  // zero is exact when it is a sum's, or a product's or quotient's with a factor of zero
  builder.openUnlikely();
  code.get(p.temp);
  zero(builder, p);
  code.op(p.eq);
  code.get(LOCAL.NORMAL_LIMIT32);
  code.op(OP.I32_EQZ);
  code.op(OP.I32_EQZ);
  code.op(OP.I32_AND);
  if (op === 'mul' || op === 'div') {
    operand(args[0], s, p);
    zero(builder, p);
    code.op(p.eq);
    if (op === 'mul') {
      operand(args[1], s, p);
      zero(builder, p);
      code.op(p.eq);
      code.op(OP.I32_OR);
    }
    code.op(OP.I32_AND);
  }
  code.op(OP.I32_EQZ);
  unlessRare(name, args, s, p.temp);
  code.op(OP.DROP);
  builder.close();
  code.get(p.temp);
}

function multiplyAdd(name: string, args: readonly Expr[], s: Site, p: Precision): void {
  const { builder } = s;
  const { code } = builder;
  for (let i = 0; i < 3; i++) {
    operand(args[i], s, p);
    if (p.bits === 32) code.op(OP.F64_PROMOTE_F32);
    code.set(builder.floatLocal(i));
  }
  if (p.bits === 64) {
    fused64(builder);
    code.set(LOCAL.TEMP32);
    code.tee(p.temp);
    mayRaise(builder, p);
    code.get(LOCAL.TEMP32);
    code.op(OP.I32_OR);
  } else {
    fused32(builder);
    code.tee(p.temp);
    mayRaise(builder, p);
  }
  wrongMode(builder, s.decoded.rm);
  unlessRare(name, args, s, p.temp);
}

/** Pushes whether an operand is a NaN. */
function unordered(args: readonly Expr[], s: Site, p: Precision): void {
  const { code } = s.builder;
  operand(args[0], s, p);
  operand(args[1], s, p);
  code.op(p.lt);
  operand(args[0], s, p);
  operand(args[1], s, p);
  code.op(p.ge);
  code.op(OP.I32_OR);
  code.op(OP.I32_EQZ);
}

/** Pushes 0 or 1 as i64. */
function comparison(name: string, op: 'eq' | 'lt' | 'le', args: readonly Expr[], s: Site, p: Precision): void {
  const { builder } = s;
  const { code } = builder;
  operand(args[0], s, p);
  operand(args[1], s, p);
  code.op(p[op]);
  code.op(OP.I64_EXTEND_I32_U);
  code.set(LOCAL.TEMP_C);
  unordered(args, s, p);
  unlessRare(name, args, s, LOCAL.TEMP_C);
}

/** Least value, and the first that is too large, of each integer type, as bits of f64. */
const RANGE: Readonly<Record<string, readonly [bigint, bigint]>> = {
  to_i32: [0xc1e0000000000000n, 0x41e0000000000000n],
  to_u32: [0n, 0x41f0000000000000n],
  to_i64: [0xc3e0000000000000n, 0x43e0000000000000n],
  to_u64: [0n, 0x43f0000000000000n],
};

/** WebAssembly's rounding by the instruction's mode; a dynamic one is to nearest, or else {@link inexactToNearest} does not hold. */
const ROUNDING: Readonly<Record<number, number>> = {
  0: OP.F64_NEAREST,
  1: OP.F64_TRUNC,
  2: OP.F64_FLOOR,
  3: OP.F64_CEIL,
  7: OP.F64_NEAREST,
};

/** Pushes the integer as i64; 32-bit ones sign-extended. */
function toInteger(name: string, to: string, args: readonly Expr[], s: Site, p: Precision): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const rounding = ROUNDING[d.rm];
  if (rounding === undefined) return byHelper(name, args, s);
  operand(args[0], s, p);
  if (p.bits === 32) code.op(OP.F64_PROMOTE_F32);
  code.op(rounding);
  code.tee(LOCAL.TEMP_F64);
  code.byte(SATURATING.PREFIX);
  code.byte(
    to === 'to_i32'
      ? SATURATING.I32_F64_S
      : to === 'to_u32'
        ? SATURATING.I32_F64_U
        : to === 'to_i64'
          ? SATURATING.I64_F64_S
          : SATURATING.I64_F64_U,
  );
  if (to.endsWith('32')) code.op(OP.I64_EXTEND_I32_S);
  code.set(LOCAL.TEMP_C);
  const [least, limit] = RANGE[to];
  code.get(LOCAL.TEMP_F64);
  code.f64(least);
  code.op(OP.F64_GE);
  code.get(LOCAL.TEMP_F64);
  code.f64(limit);
  code.op(OP.F64_LT);
  code.op(OP.I32_AND);
  code.i32(0);
  code.get(LOCAL.NORMAL_LIMIT32);
  code.op(OP.I32_NE);
  code.op(OP.I32_AND);
  code.op(OP.I32_EQZ);
  unlessRare(name, args, s, LOCAL.TEMP_C);
}
