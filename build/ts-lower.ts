import type { Instruction } from '../src/isa/instruction.ts';
import { type Expr, FUNCTIONS, type Leaf, leavesOf } from '../src/isa/semantics.ts';

/** Half of a 64-bit value. */
type Half = 'lo' | 'hi';

const PURE_HELPERS_OF_LOW = ['divw', 'divuw', 'remw', 'remuw'];
const UNARY_HELPERS = ['orcb', 'rev8'];

const literal = (value: bigint): string => String(Number(BigInt.asIntN(32, value)));
const isNumber = (text: string): boolean => /^-?\d+$/.test(text);
const camel = (name: string): string => name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());

/** What two halves of an `and`, `or`, `xor` come to, when one is a constant that decides. */
function bitwise(op: 'and' | 'or' | 'xor', a: string, b: string): string {
  if (isNumber(a) && !isNumber(b)) return bitwise(op, b, a);
  if (op === 'and') return b === '0' ? '0' : b === '-1' ? a : `${a} & ${b}`;
  if (op === 'or') return b === '0' ? a : b === '-1' ? '-1' : `${a} | ${b}`;
  return b === '0' ? a : b === '-1' ? `~${a}` : `${a} ^ ${b}`;
}

/**
 * Turns expressions on 64-bit values into statements on pairs of int32, computing only the halves that are asked for. Every half is a
 * name, a literal or a leaf; statements that make them are collected in {@link lines}.
 */
export class Lowering {
  readonly lines: string[] = [];
  /** Helpers of src/core/ts/integer.ts that were used. */
  readonly imports: Set<string>;
  private readonly known = new Map<string, string>();
  private count = 0;
  private readonly row: Instruction;
  private readonly extra: Partial<Record<Leaf, { lo: string; hi: string }>>;

  /** @param extra how leaves that the row's format does not give are written */
  constructor(row: Instruction, imports: Set<string>, extra: Partial<Record<Leaf, { lo: string; hi: string }>> = {}) {
    this.row = row;
    this.imports = imports;
    this.extra = extra;
  }

  /** Whether a leaf is among those an expression uses. */
  static uses(e: Expr, leaf: Leaf): boolean {
    return leavesOf(e).has(leaf);
  }

  lo(e: Expr): string {
    return this.half(e, 'lo');
  }

  hi(e: Expr): string {
    return this.half(e, 'hi');
  }

  private half(e: Expr, half: Half): string {
    if (e.op === 'const') return literal(half === 'lo' ? e.value : e.value >> 32n);
    const key = half + JSON.stringify(e, (_k, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v));
    const found = this.known.get(key);
    if (found !== undefined) return found;
    const made = half === 'lo' ? this.makeLo(e) : this.makeHi(e);
    const name = /^[\w$]+$/.test(made) || isNumber(made) ? made : this.temp(made);
    this.known.set(key, name);
    return name;
  }

  private temp(text: string): string {
    const name = `v${this.count++}`;
    this.lines.push(`const ${name} = ${text};`);
    return name;
  }

  private leaf(name: Leaf, half: Half): string {
    const given = this.extra[name];
    if (given) return given[half];
    const integer = half === 'lo' ? 'xl' : 'xh';
    const { format } = this.row;
    const second = format === 'S' || format === 'B' ? 'a' : 'imm & 255';
    const float = (index: string): string => `m32[f + 2 * (${index})${half === 'lo' ? '' : ' + 1'}]`;
    switch (name) {
      case 'rs1':
        return `${integer}[b]`;
      case 'rs2':
        return `${integer}[${second}]`;
      case 'fs1':
        return float('b');
      case 'fs2':
        return float(second);
      case 'fs3':
        return float('(imm >>> 8) & 255');
      case 'imm':
        return half === 'lo' ? 'imm' : 'imm >> 31';
      default:
        throw new Error(`${this.row.name}: leaf ${name} is not provided`);
    }
  }

  /** A JavaScript condition for "the value is not 0". */
  condition(e: Expr): string {
    const unsigned = (half: string): string => (isNumber(half) ? String(Number(half) >>> 0) : `${half} >>> 0`);
    const less = (a: Expr, b: Expr, signed: boolean): string => {
      const [aLo, bLo, aHi, bHi] = [this.lo(a), this.lo(b), this.hi(a), this.hi(b)];
      const low = `${unsigned(aLo)} < ${unsigned(bLo)}`;
      if (aHi === '0' && bHi === '0') return low;
      return `(${aHi} === ${bHi} ? ${low} : ${signed ? `${aHi} < ${bHi}` : `${unsigned(aHi)} < ${unsigned(bHi)}`})`;
    };
    switch (e.op) {
      case 'eq':
        return `(${this.lo(e.a)} === ${this.lo(e.b)} && ${this.hi(e.a)} === ${this.hi(e.b)})`;
      case 'ne':
        return `(${this.lo(e.a)} !== ${this.lo(e.b)} || ${this.hi(e.a)} !== ${this.hi(e.b)})`;
      case 'lt_s':
        return less(e.a, e.b, true);
      case 'lt_u':
        return less(e.a, e.b, false);
      case 'ge_s':
        return `!${less(e.a, e.b, true)}`;
      case 'ge_u':
        return `!(${less(e.a, e.b, false)})`;
      default:
        return `(${this.lo(e)} | ${this.hi(e)}) !== 0`;
    }
  }

  private makeLo(e: Expr): string {
    switch (e.op) {
      case 'leaf':
        return this.leaf(e.name, 'lo');
      case 'add':
        return `(${this.lo(e.a)} + ${this.lo(e.b)}) | 0`;
      case 'sub':
        return `(${this.lo(e.a)} - ${this.lo(e.b)}) | 0`;
      case 'mul':
        return `Math.imul(${this.lo(e.a)}, ${this.lo(e.b)})`;
      case 'and':
      case 'or':
      case 'xor':
        return bitwise(e.op, this.lo(e.a), this.lo(e.b));
      case 'shl':
      case 'shr_s':
      case 'shr_u':
        return this.shift(e.op, e.a, e.b, 'lo');
      case 'select':
        return `${this.once(e.c)} ? ${this.lo(e.a)} : ${this.lo(e.b)}`;
      case 'call':
        return this.call(e.name, e.args, 'lo');
      case 'const':
        return literal(e.value);
      default:
        return `${this.condition(e)} ? 1 : 0`;
    }
  }

  /** A condition computed once, for both halves. */
  private once(c: Expr): string {
    const key = `if${JSON.stringify(c, (_k, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v))}`;
    let name = this.known.get(key);
    if (name === undefined) {
      name = this.temp(this.condition(c));
      this.known.set(key, name);
    }
    return name;
  }

  private makeHi(e: Expr): string {
    switch (e.op) {
      case 'leaf':
        return this.leaf(e.name, 'hi');
      case 'add': {
        const lo = this.lo(e);
        return `(${this.hi(e.a)} + ${this.hi(e.b)} + (${lo} >>> 0 < ${this.lo(e.a)} >>> 0 ? 1 : 0)) | 0`;
      }
      case 'sub':
        return `(${this.hi(e.a)} - ${this.hi(e.b)} - (${this.lo(e.a)} >>> 0 < ${this.lo(e.b)} >>> 0 ? 1 : 0)) | 0`;
      case 'mul': {
        this.imports.add('umulh32');
        const [aLo, aHi, bLo, bHi] = [this.lo(e.a), this.hi(e.a), this.lo(e.b), this.hi(e.b)];
        // a sum of three would not stay in 32 bits on its way
        return `(((umulh32(${aLo}, ${bLo}) + Math.imul(${aLo}, ${bHi})) | 0) + Math.imul(${aHi}, ${bLo})) | 0`;
      }
      case 'and':
      case 'or':
      case 'xor':
        return bitwise(e.op, this.hi(e.a), this.hi(e.b));
      case 'shl':
      case 'shr_s':
      case 'shr_u':
        return this.shift(e.op, e.a, e.b, 'hi');
      case 'select':
        return `${this.once(e.c)} ? ${this.hi(e.a)} : ${this.hi(e.b)}`;
      case 'call':
        return this.call(e.name, e.args, 'hi');
      default:
        return '0';
    }
  }

  /** Whether an amount is below 32 whatever the operands. */
  private isShort(amount: Expr): boolean {
    if (amount.op === 'const') return amount.value < 32n;
    if (amount.op === 'and' && amount.b.op === 'const') return amount.b.value < 32n;
    return amount.op === 'leaf' && amount.name === 'imm' && this.row.format === 'shift32';
  }

  private shift(op: 'shl' | 'shr_s' | 'shr_u', value: Expr, amount: Expr, half: Half): string {
    const n = this.lo(amount);
    const back = isNumber(n) ? String(31 - Number(n)) : `31 - ${n}`;
    // shift counts are taken modulo 32 by the language, so (31 − n) serves for n and n + 32
    const near = (): string => {
      if (op === 'shl') {
        const lo = this.lo(value);
        return half === 'lo' ? `${lo} << ${n}` : `(${this.hi(value)} << ${n}) | (${lo} >>> 1 >>> (${back}))`;
      }
      const hi = this.hi(value);
      if (half === 'hi') return op === 'shr_s' ? `${hi} >> ${n}` : hi === '0' ? '0' : `(${hi} >>> ${n}) | 0`;
      const from = `(${this.lo(value)} >>> ${n})`;
      return hi === '0' ? `${from} | 0` : `${from} | (${hi} << 1 << (${back}))`;
    };
    if (this.isShort(amount)) return near();
    const far = (): string => {
      if (op === 'shl') return half === 'lo' ? '0' : `${this.lo(value)} << ${n}`;
      const hi = this.hi(value);
      if (half === 'lo') return op === 'shr_s' ? `${hi} >> ${n}` : hi === '0' ? '0' : `(${hi} >>> ${n}) | 0`;
      return op === 'shr_s' ? `${hi} >> 31` : '0';
    };
    const [a, b] = [near(), far()];
    return `(${n} & 32) === 0 ? ${a} : ${b}`;
  }

  private call(name: string, args: readonly Expr[], half: Half): string {
    const info = FUNCTIONS[name];
    if (info.group === 'fp') return this.floating(name, args, half);
    if (info.group === 'helper') return this.helper(name, args, half);
    const x = args[0];
    const sign = (): string => `${this.lo({ op: 'call', name, args })} >> 31`;
    const rotate = (right: boolean, short: boolean): string => {
      const n = right ? this.lo(args[1]) : this.temp(`-${this.lo(args[1])}`);
      const lo = this.lo(x);
      if (short) return half === 'hi' ? sign() : `(${lo} >>> ${n}) | (${lo} << 1 << (31 - ${n}))`;
      const hi = this.hi(x);
      const [from, other] = half === 'lo' ? [lo, hi] : [hi, lo];
      const near = `(${from} >>> ${n}) | (${other} << 1 << (31 - ${n}))`;
      const far = `(${other} >>> ${n}) | (${from} << 1 << (31 - ${n}))`;
      return `(${n} & 32) === 0 ? ${near} : ${far}`;
    };
    const need = (helper: string): string => {
      this.imports.add(helper);
      return helper;
    };
    switch (name) {
      case 'sext8':
        return half === 'hi' ? sign() : `(${this.lo(x)} << 24) >> 24`;
      case 'sext16':
        return half === 'hi' ? sign() : `(${this.lo(x)} << 16) >> 16`;
      case 'sext32':
        return half === 'hi' ? sign() : this.lo(x);
      case 'zext8':
        return half === 'hi' ? '0' : `${this.lo(x)} & 255`;
      case 'zext16':
        return half === 'hi' ? '0' : `${this.lo(x)} & 65535`;
      case 'zext32':
        return half === 'hi' ? '0' : this.lo(x);
      case 'clz':
        return half === 'hi' ? '0' : `${this.hi(x)} === 0 ? 32 + Math.clz32(${this.lo(x)}) : Math.clz32(${this.hi(x)})`;
      case 'ctz':
        return half === 'hi'
          ? '0'
          : `${this.lo(x)} === 0 ? 32 + ${need('ctz32')}(${this.hi(x)}) : ctz32(${this.lo(x)})`;
      case 'popcnt':
        return half === 'hi' ? '0' : `${need('popcnt32')}(${this.lo(x)}) + popcnt32(${this.hi(x)})`;
      case 'clz32':
        return half === 'hi' ? '0' : `Math.clz32(${this.lo(x)})`;
      case 'ctz32':
      case 'popcnt32':
        return half === 'hi' ? '0' : `${need(name)}(${this.lo(x)})`;
      case 'rotl':
        return rotate(false, false);
      case 'rotr':
        return rotate(true, false);
      case 'rotl32':
        return rotate(false, true);
      case 'rotr32':
        return rotate(true, true);
      case 'unbox32':
        return half === 'hi' ? '0' : `${this.hi(x)} === -1 ? ${this.lo(x)} : 0x7fc00000`;
      case 'box32':
        return half === 'hi' ? '-1' : this.lo(x);
      default:
        throw new Error(`${this.row.name}: no lowering for ${name}`);
    }
  }

  /** Calls something that leaves a pair in `from`, once, and names both halves. */
  private pair(
    name: string,
    args: readonly Expr[],
    half: Half,
    statement: () => string,
    from: readonly [string, string],
  ): string {
    const key = `call${name}${JSON.stringify(args, (_k, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v))}`;
    if (!this.known.has(`lo${key}`)) {
      this.lines.push(statement());
      this.known.set(`lo${key}`, this.temp(from[0]));
      this.known.set(`hi${key}`, this.temp(from[1]));
    }
    return this.known.get(half + key)!;
  }

  private helper(name: string, args: readonly Expr[], half: Half): string {
    this.imports.add(name);
    const operands = PURE_HELPERS_OF_LOW.includes(name)
      ? args.map((a) => this.lo(a))
      : args.flatMap((a) => [this.lo(a), this.hi(a)]);
    if (UNARY_HELPERS.includes(name) && args.length !== 1)
      throw new Error(`${this.row.name}: ${name} takes one operand`);
    return this.pair(name, args, half, () => `${name}(${operands.join(', ')});`, ['io[0]', 'io[1]']);
  }

  private floating(name: string, args: readonly Expr[], half: Half): string {
    const { fp } = FUNCTIONS[name];
    if (!fp) throw new Error(`${this.row.name}: ${name} has no signature`);
    const word = /^[iu]32_/.test(name);
    const operands = fp.args.flatMap((type, i) =>
      type === 'f32' || word ? [this.lo(args[i])] : [this.lo(args[i]), this.hi(args[i])],
    );
    if (fp.rm) operands.push(this.lo(args[fp.args.length]));
    return this.pair(
      name,
      args,
      half,
      () => {
        return `fp.flags = 0;\nfp.inexactAlready = (m32[h + FFLAGS] & 1) !== 0;\nfp.${camel(name)}(${operands.join(', ')});\nm32[h + FFLAGS] |= fp.flags;`;
      },
      ['fp.lo', 'fp.hi'],
    );
  }
}
