import type { Decoded } from '../isa/decode.ts';
import type { Expr } from '../isa/semantics.ts';
import { FUNCTIONS } from '../isa/semantics.ts';
import { helperIndex, LOCAL } from './abi.ts';
import type { Shared, SlowPath } from './bases.ts';
import type { FunctionBuilder } from './function-builder.ts';
import { divide, highProduct, orCombine, reverseBytes } from './integer.ts';
import { OP } from './wasm-opcodes.ts';

/** An instruction being translated. */
export interface Site {
  readonly builder: FunctionBuilder;
  readonly decoded: Decoded;
  /** Offset of its address from the base. */
  readonly at: number;
  /** Whether its slow path calls a helper instead of leaving the region. */
  readonly slowPath: SlowPath;
  /** When it shares a TLB probe with others. */
  readonly shared?: Shared;
  /** Pushes the result of a function of the `fp` group: float.ts, which evaluates operands with what is here. */
  readonly floatResult: (name: string, args: readonly Expr[], site: Site) => void;
}

const BINARY64: Readonly<Record<string, number>> = {
  add: OP.I64_ADD,
  sub: OP.I64_SUB,
  mul: OP.I64_MUL,
  and: OP.I64_AND,
  or: OP.I64_OR,
  xor: OP.I64_XOR,
  shl: OP.I64_SHL,
  shr_s: OP.I64_SHR_S,
  shr_u: OP.I64_SHR_U,
};
const BINARY32: Readonly<Record<string, number>> = {
  add: OP.I32_ADD,
  sub: OP.I32_SUB,
  mul: OP.I32_MUL,
  and: OP.I32_AND,
  or: OP.I32_OR,
  xor: OP.I32_XOR,
};
const COMPARE: Readonly<Record<string, number>> = {
  eq: OP.I64_EQ,
  ne: OP.I64_NE,
  lt_s: OP.I64_LT_S,
  lt_u: OP.I64_LT_U,
  ge_s: OP.I64_GE_S,
  ge_u: OP.I64_GE_U,
};

const COMMUTES: ReadonlySet<string> = new Set(['add', 'or', 'xor', 'mul', 'and']);

/** The value when it is known now and fits a number exactly: constants, immediates and x0. */
export function known(e: Expr, d: Decoded): number | undefined {
  if (e.op === 'const') {
    const n = Number(e.value);
    return Number.isSafeInteger(n) ? n : undefined;
  }
  if (e.op !== 'leaf') return undefined;
  if (e.name === 'imm') return d.imm;
  if ((e.name === 'rs1' && d.rs1 === 0) || (e.name === 'rs2' && d.rs2 === 0)) return 0;
  return undefined;
}

/** Pushes the value as i64. */
export function emit64(e: Expr, s: Site): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const constant = known(e, d);
  if (constant !== undefined) return code.i64(constant);
  switch (e.op) {
    case 'const':
      return code.i64(e.value);
    case 'leaf':
      return leaf(e.name, s);
    case 'select':
      emit64(e.a, s);
      emit64(e.b, s);
      emitTruth(e.c, s);
      return code.op(OP.SELECT);
    case 'call':
      return call(e.name, e.args, s);
    case 'eq':
    case 'ne':
    case 'lt_s':
    case 'lt_u':
    case 'ge_s':
    case 'ge_u':
      emitTruth(e, s);
      return code.op(OP.I64_EXTEND_I32_U);
    default: {
      // x + 0 and the like: moves and loads of immediates are written so
      const a = known(e.a, d);
      const b = known(e.b, d);
      if (b === 0 && e.op !== 'and' && e.op !== 'mul') return emit64(e.a, s);
      if (a === 0 && (e.op === 'add' || e.op === 'or' || e.op === 'xor')) return emit64(e.b, s);
      if ((a === 0 || b === 0) && COMMUTES.has(e.op)) return code.i64(0);
      emit64(e.a, s);
      emit64(e.b, s);
      code.op(BINARY64[e.op]);
    }
  }
}

function leaf(name: string, { builder, decoded: d, at }: Site): void {
  const { code } = builder;
  switch (name) {
    case 'rs1':
      return builder.getX(d.rs1);
    case 'rs2':
      return builder.getX(d.rs2);
    case 'fs1':
    case 'fs2':
    case 'fs3':
      builder.getF(name === 'fs1' ? d.rs1 : name === 'fs2' ? d.rs2 : d.rs3);
      return code.op(OP.I64_REINTERPRET_F64);
    case 'pc':
      return builder.address(at);
    case 'link':
      return builder.address(at + d.length);
    case 'old':
      return code.get(LOCAL.TEMP_A);
    default:
      throw new Error(`${d.row.name}: no value ${name} here`);
  }
}

/** The amount of a 32-bit shift, when the tree masks it or the immediate is below 32. */
function shiftAmount32(e: Expr, d: Decoded): Expr | undefined {
  if (e.op === 'and' && e.b.op === 'const' && e.b.value === 31n) return e.a;
  const n = known(e, d);
  return n !== undefined && n >= 0 && n < 32 ? e : undefined;
}

const calls = (e: Expr, name: string): e is Extract<Expr, { op: 'call' }> => e.op === 'call' && e.name === name;

/** Pushes the low 32 bits as i32. */
export function emit32(e: Expr, s: Site): void {
  const { code } = s.builder;
  const constant = known(e, s.decoded);
  if (constant !== undefined) return code.i32(constant | 0);
  switch (e.op) {
    case 'add':
    case 'sub':
    case 'mul':
    case 'and':
    case 'or':
    case 'xor': {
      const a = known(e.a, s.decoded);
      const b = known(e.b, s.decoded);
      if (b === 0 && (e.op === 'add' || e.op === 'sub')) return emit32(e.a, s);
      if (a === 0 && e.op === 'add') return emit32(e.b, s);
      emit32(e.a, s);
      emit32(e.b, s);
      return code.op(BINARY32[e.op]);
    }
    case 'shl':
    case 'shr_u':
    case 'shr_s': {
      const amount = shiftAmount32(e.b, s.decoded);
      const narrow = e.op === 'shl' || calls(e.a, e.op === 'shr_u' ? 'zext32' : 'sext32');
      if (amount && narrow) {
        emit32(e.a, s);
        emit32(amount, s);
        return code.op(e.op === 'shl' ? OP.I32_SHL : e.op === 'shr_u' ? OP.I32_SHR_U : OP.I32_SHR_S);
      }
      break;
    }
    case 'call':
      if (e.name === 'sext32' || e.name === 'zext32') return emit32(e.args[0], s);
  }
  emit64(e, s);
  code.op(OP.I32_WRAP_I64);
}

/** Pushes an i32 that is not 0 when the value is not. */
export function emitTruth(e: Expr, s: Site): void {
  const { code } = s.builder;
  const compare = COMPARE[e.op];
  if (compare === undefined || !('b' in e)) {
    emit64(e, s);
    code.i64(0);
    return code.op(OP.I64_NE);
  }
  emit64((e as { a: Expr }).a, s);
  if (e.op === 'eq' && known(e.b, s.decoded) === 0) return code.op(OP.I64_EQZ);
  emit64(e.b as Expr, s);
  code.op(compare);
}

function call(name: string, args: readonly Expr[], s: Site): void {
  const { code } = s.builder;
  const one = (opcode: number): void => {
    emit64(args[0], s);
    code.op(opcode);
  };
  const bits32 = (opcode: number, extend: number): void => {
    for (const a of args) emit32(a, s);
    code.op(opcode);
    code.op(extend);
  };
  const and = (mask: number): void => {
    emit64(args[0], s);
    code.i64(mask);
    code.op(OP.I64_AND);
  };
  switch (name) {
    case 'sext8':
      return one(OP.I64_EXTEND8_S);
    case 'sext16':
      return one(OP.I64_EXTEND16_S);
    case 'sext32': {
      const e = args[0];
      // a word that is only narrowed and widened again needs no detour
      if (e.op === 'leaf') return one(OP.I64_EXTEND32_S);
      emit32(e, s);
      return code.op(OP.I64_EXTEND_I32_S);
    }
    case 'zext8':
      return and(0xff);
    case 'zext16':
      return and(0xffff);
    case 'zext32':
      emit32(args[0], s);
      return code.op(OP.I64_EXTEND_I32_U);
    case 'clz':
      return one(OP.I64_CLZ);
    case 'ctz':
      return one(OP.I64_CTZ);
    case 'popcnt':
      return one(OP.I64_POPCNT);
    case 'clz32':
      return bits32(OP.I32_CLZ, OP.I64_EXTEND_I32_U);
    case 'ctz32':
      return bits32(OP.I32_CTZ, OP.I64_EXTEND_I32_U);
    case 'popcnt32':
      return bits32(OP.I32_POPCNT, OP.I64_EXTEND_I32_U);
    case 'rotl':
    case 'rotr':
      for (const a of args) emit64(a, s);
      return code.op(name === 'rotl' ? OP.I64_ROTL : OP.I64_ROTR);
    case 'rotl32':
      return bits32(OP.I32_ROTL, OP.I64_EXTEND_I32_S);
    case 'rotr32':
      return bits32(OP.I32_ROTR, OP.I64_EXTEND_I32_S);
    case 'unbox32':
      // TEMP_A: the low word when the high one is all ones, else the canonical NaN
      emit64(args[0], s);
      code.tee(LOCAL.TEMP_A);
      code.i64(0xffff_ffff);
      code.op(OP.I64_AND);
      code.i64(0x7fc0_0000);
      code.get(LOCAL.TEMP_A);
      code.i64(0xffff_ffff_0000_0000n);
      code.op(OP.I64_GE_U);
      return code.op(OP.SELECT);
    case 'box32':
      emit64(args[0], s);
      code.i64(0xffff_ffff_0000_0000n);
      return code.op(OP.I64_OR);
    case 'mulh':
    case 'mulhu':
    case 'mulhsu':
      for (const a of args) emit64(a, s);
      return highProduct(code, name);
    case 'div':
    case 'divu':
    case 'rem':
    case 'remu':
      for (const a of args) emit64(a, s);
      return divide(code, name);
    case 'divw':
    case 'divuw':
    case 'remw':
    case 'remuw':
      for (const a of args) {
        emit32(a, s);
        code.op(name === 'divw' || name === 'remw' ? OP.I64_EXTEND_I32_S : OP.I64_EXTEND_I32_U);
      }
      return divide(code, name);
    case 'orcb':
    case 'rev8':
      emit64(args[0], s);
      return name === 'orcb' ? orCombine(code) : reverseBytes(code);
    case 'clmul':
    case 'clmulh':
    case 'clmulr':
      for (const a of args) emit64(a, s);
      return code.call(helperIndex(name));
  }
  if (FUNCTIONS[name]?.group === 'fp') return s.floatResult(name, args, s);
  throw new Error(`${s.decoded.row.name}: no translation of ${name}`);
}
