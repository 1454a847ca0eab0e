/**
 * The small language in which an instruction's meaning is written once, in its table row. Every value is 64 bits wide;
 * comparisons give 0 or 1. The generators of the AssemblyScript core, the TypeScript core and the translator each turn the same tree into
 * their own code.
 *
 * Statements:
 *   rd = E            write an integer register          fd = E            write a floating-point register (64 raw bits)
 *   branch E          pc += imm when E is not 0          jump E            rd = link, pc = E
 *   store8|16|32|64(A, V)                                amo32 E, amo64 E  rd = old, memory[rs1] = E (E may use `old`)
 *   call NAME         an irregular operation with a helper of that name in every core
 * Leaves: rs1 rs2 (integer), fs1 fs2 fs3 (64 raw bits), imm, pc, link (address of the next instruction), rm (resolved rounding
 *   mode), old, numbers.
 * Operators, loosest first: c ? a : b   |   ^   &   == !=   <s <u >=s >=u   << >>s >>u (amount modulo 64)   + -   *   ~x -x
 * Functions: see {@link FUNCTIONS}; load8s … load64(A) only at the top of `rd =`/`fd =`.
 */

export type BinaryOp =
  | 'add'
  | 'sub'
  | 'mul'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr_s'
  | 'shr_u'
  | 'eq'
  | 'ne'
  | 'lt_s'
  | 'lt_u'
  | 'ge_s'
  | 'ge_u';
export type Leaf = 'rs1' | 'rs2' | 'fs1' | 'fs2' | 'fs3' | 'imm' | 'pc' | 'link' | 'rm' | 'old';

export type Expr =
  | { readonly op: 'const'; readonly value: bigint }
  | { readonly op: 'leaf'; readonly name: Leaf }
  | { readonly op: BinaryOp; readonly a: Expr; readonly b: Expr }
  | { readonly op: 'select'; readonly c: Expr; readonly a: Expr; readonly b: Expr }
  | { readonly op: 'call'; readonly name: FunctionName; readonly args: readonly Expr[] };

export type MemoryWidth = 8 | 16 | 32 | 64;

export type Statement =
  | { readonly kind: 'rd' | 'fd'; readonly value: Expr }
  | {
      readonly kind: 'load';
      readonly to: 'rd' | 'fd';
      readonly width: MemoryWidth;
      readonly signed: boolean;
      readonly address: Expr;
    }
  | { readonly kind: 'store'; readonly width: MemoryWidth; readonly address: Expr; readonly value: Expr }
  | { readonly kind: 'branch'; readonly condition: Expr }
  | { readonly kind: 'jump'; readonly target: Expr }
  | { readonly kind: 'amo'; readonly width: 32 | 64; readonly value: Expr }
  | { readonly kind: 'call'; readonly name: string };

/** How a function is provided: `bits` are plain integer operations, `helper` pure integer helpers, `fp` floating point that raises flags. */
export interface FunctionInfo {
  readonly group: 'bits' | 'helper' | 'fp';
  /** For `fp`: widths of value operands, then whether a rounding mode follows, and the width of the result ('x' = integer register). */
  readonly fp?: {
    readonly args: readonly ('f32' | 'f64' | 'x')[];
    readonly rm: boolean;
    readonly result: 'f32' | 'f64' | 'x';
  };
}

const fpFunctions = (): Record<string, FunctionInfo> => {
  const out: Record<string, FunctionInfo> = {};
  const def = (
    name: string,
    args: readonly ('f32' | 'f64' | 'x')[],
    rm: boolean,
    result: 'f32' | 'f64' | 'x',
  ): void => {
    out[name] = { group: 'fp', fp: { args, rm, result } };
  };
  for (const t of ['f32', 'f64'] as const) {
    for (const op of ['add', 'sub', 'mul', 'div']) def(`${t}_${op}`, [t, t], true, t);
    def(`${t}_sqrt`, [t], true, t);
    def(`${t}_fma`, [t, t, t], true, t);
    for (const op of ['min', 'max']) def(`${t}_${op}`, [t, t], false, t);
    for (const op of ['eq', 'lt', 'le']) def(`${t}_${op}`, [t, t], false, 'x');
    def(`${t}_class`, [t], false, 'x');
    for (const i of ['i32', 'u32', 'i64', 'u64']) {
      def(`${t}_to_${i}`, [t], true, 'x');
      // 32-bit integers are exact in f64: no rounding mode there
      def(`${i}_to_${t}`, ['x'], true, t);
    }
  }
  def('f32_to_f64', ['f32'], false, 'f64');
  def('f64_to_f32', ['f64'], true, 'f32');
  return out;
};

/** Every function the language knows. */
export const FUNCTIONS = {
  sext8: { group: 'bits' },
  sext16: { group: 'bits' },
  sext32: { group: 'bits' },
  zext8: { group: 'bits' },
  zext16: { group: 'bits' },
  zext32: { group: 'bits' },
  clz: { group: 'bits' },
  ctz: { group: 'bits' },
  popcnt: { group: 'bits' },
  /** On the low 32 bits. */
  clz32: { group: 'bits' },
  ctz32: { group: 'bits' },
  popcnt32: { group: 'bits' },
  rotl: { group: 'bits' },
  rotr: { group: 'bits' },
  /** Rotates the low 32 bits by b modulo 32; sign-extended. */
  rotl32: { group: 'bits' },
  rotr32: { group: 'bits' },
  /** High halves of the 128-bit product. */
  mulh: { group: 'helper' },
  mulhu: { group: 'helper' },
  mulhsu: { group: 'helper' },
  /** RISC-V division: by zero gives −1 (quotient) or the dividend (remainder); overflow wraps. */
  div: { group: 'helper' },
  divu: { group: 'helper' },
  rem: { group: 'helper' },
  remu: { group: 'helper' },
  divw: { group: 'helper' },
  divuw: { group: 'helper' },
  remw: { group: 'helper' },
  remuw: { group: 'helper' },
  clmul: { group: 'helper' },
  clmulh: { group: 'helper' },
  clmulr: { group: 'helper' },
  /** Each byte becomes 0xff when any bit is set, else 0. */
  orcb: { group: 'helper' },
  /** Byte reversal. */
  rev8: { group: 'helper' },
  /** Low 32 bits when the upper 32 are all ones, else the canonical NaN: an f32 operand. */
  unbox32: { group: 'bits' },
  /** Low 32 bits under 32 ones. */
  box32: { group: 'bits' },
  ...fpFunctions(),
} as Record<string, FunctionInfo>;
export type FunctionName = string;

const PRECEDENCE: readonly (readonly (readonly [string, BinaryOp])[])[] = [
  [['|', 'or']],
  [['^', 'xor']],
  [['&', 'and']],
  [
    ['==', 'eq'],
    ['!=', 'ne'],
  ],
  [
    ['<s', 'lt_s'],
    ['<u', 'lt_u'],
    ['>=s', 'ge_s'],
    ['>=u', 'ge_u'],
  ],
  [
    ['<<', 'shl'],
    ['>>s', 'shr_s'],
    ['>>u', 'shr_u'],
  ],
  [
    ['+', 'add'],
    ['-', 'sub'],
  ],
  [['*', 'mul']],
];
const LEAVES: readonly string[] = ['rs1', 'rs2', 'fs1', 'fs2', 'fs3', 'imm', 'pc', 'link', 'rm', 'old'];
const TOKEN = /\s*(0x[0-9a-f]+|\d+|[a-z_][a-z_0-9]*|<<|>>s|>>u|<s|<u|>=s|>=u|==|!=|[-+*&|^~?:(),=])/y;

class Parser {
  private readonly tokens: string[] = [];
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const from = TOKEN.lastIndex;
      const m = TOKEN.exec(text);
      if (!m) throw new Error(`semantics "${text}": cannot read at column ${from}`);
      this.tokens.push(m[1]);
    }
  }

  peek(): string {
    return this.tokens[this.at] ?? '';
  }

  next(): string {
    return this.tokens[this.at++] ?? '';
  }

  expect(token: string): void {
    const t = this.next();
    if (t !== token) throw new Error(`semantics "${this.text}": expected "${token}", found "${t}"`);
  }

  end(): void {
    if (this.at < this.tokens.length) throw new Error(`semantics "${this.text}": unexpected "${this.peek()}"`);
  }

  expression(): Expr {
    const c = this.binary(0);
    if (this.peek() !== '?') return c;
    this.next();
    const a = this.expression();
    this.expect(':');
    return { op: 'select', c, a, b: this.expression() };
  }

  private binary(level: number): Expr {
    if (level === PRECEDENCE.length) return this.unary();
    let a = this.binary(level + 1);
    for (;;) {
      const found = PRECEDENCE[level].find(([token]) => token === this.peek());
      if (!found) return a;
      this.next();
      a = { op: found[1], a, b: this.binary(level + 1) };
    }
  }

  private unary(): Expr {
    const t = this.next();
    if (t === '~') return { op: 'xor', a: this.unary(), b: { op: 'const', value: -1n } };
    if (t === '-') {
      const v = this.unary();
      return v.op === 'const' ? { op: 'const', value: -v.value } : { op: 'sub', a: { op: 'const', value: 0n }, b: v };
    }
    if (t === '(') {
      const e = this.expression();
      this.expect(')');
      return e;
    }
    if (/^\d/.test(t)) return { op: 'const', value: BigInt.asIntN(64, BigInt(t)) };
    if (LEAVES.includes(t)) return { op: 'leaf', name: t as Leaf };
    if (!(t in FUNCTIONS)) throw new Error(`semantics "${this.text}": unknown name "${t}"`);
    return { op: 'call', name: t, args: this.arguments() };
  }

  arguments(): Expr[] {
    this.expect('(');
    const args = [this.expression()];
    while (this.peek() === ',') {
      this.next();
      args.push(this.expression());
    }
    this.expect(')');
    return args;
  }
}

/** Parses one row's semantics. @throws Error naming the text and the place. */
export function parseSemantics(text: string): Statement {
  const p = new Parser(text);
  const head = p.next();
  let s: Statement;
  const store = /^store(8|16|32|64)$/.exec(head);
  if (head === 'rd' || head === 'fd') {
    p.expect('=');
    const load = /^load(8|16|32|64)([su]?)$/.exec(p.peek());
    if (load) {
      p.next();
      s = {
        kind: 'load',
        to: head,
        width: Number(load[1]) as MemoryWidth,
        signed: load[2] === 's',
        address: p.arguments()[0],
      };
    } else s = { kind: head, value: p.expression() };
  } else if (store) {
    const [address, value] = p.arguments();
    s = { kind: 'store', width: Number(store[1]) as MemoryWidth, address, value };
  } else if (head === 'branch') s = { kind: 'branch', condition: p.expression() };
  else if (head === 'jump') s = { kind: 'jump', target: p.expression() };
  else if (head === 'amo32' || head === 'amo64')
    s = { kind: 'amo', width: head === 'amo32' ? 32 : 64, value: p.expression() };
  else if (head === 'call') s = { kind: 'call', name: p.next() };
  else throw new Error(`semantics "${text}": unknown statement "${head}"`);
  p.end();
  return s;
}

/** The leaves an expression uses. */
export function leavesOf(e: Expr, into: Set<Leaf> = new Set()): Set<Leaf> {
  switch (e.op) {
    case 'const':
      break;
    case 'leaf':
      into.add(e.name);
      break;
    case 'select':
      leavesOf(e.c, into);
      leavesOf(e.a, into);
      leavesOf(e.b, into);
      break;
    case 'call':
      for (const a of e.args) leavesOf(a, into);
      break;
    default:
      leavesOf(e.a, into);
      leavesOf(e.b, into);
  }
  return into;
}
