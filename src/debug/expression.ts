import { CSR_NAMES, FLOAT_REGISTERS, INTEGER_REGISTERS } from '../isa/names.ts';
import { CSR, F, type MachineView, PC, PRV, type RegisterId, X } from '../machine/view/machine-view.ts';
import { readNumber } from '../machine/view/virtual-memory.ts';
import type { GuestInfo } from './guest-info.ts';
import { DebugError } from './target.ts';

/**
 * Expressions over a machine, for conditions, log points and hovers: C's operators on 64-bit values (comparisons, division and >>
 * signed), registers (`a0` or `$a0`, `x10`, `pc`, CSRs by name), symbols (their address), `*E` and `u8[E]` … `u64[E]`, `i8[E]` … `i32[E]` for
 * memory, `instant`, `hart`.
 */
export type Compiled = (view: MachineView, hart: number, loaded?: Loaded) => bigint;

/** Hears what memory an expression reads while it is evaluated. */
export type Loaded = (address: bigint, length: number) => void;

const NAMES: ReadonlyMap<string, RegisterId> = new Map<string, RegisterId>([
  ...INTEGER_REGISTERS.map((n, i) => [n, X(i)] as const),
  ...INTEGER_REGISTERS.map((_, i) => [`x${i}`, X(i)] as const),
  ['fp', X(8)],
  ...FLOAT_REGISTERS.map((n, i) => [n, F(i)] as const),
  ...[...CSR_NAMES].map(([n, name]) => [name, CSR(n)] as const),
  ['pc', PC],
  ['prv', PRV],
]);

/** The register of a name, with or without `$`. */
export const registerNamed = (name: string): RegisterId | undefined => NAMES.get(name.replace(/^\$/, ''));

const s = (v: bigint): bigint => BigInt.asIntN(64, v);
const u = (v: bigint): bigint => BigInt.asUintN(64, v);
const flag = (v: boolean): bigint => (v ? 1n : 0n);

type Operator = (a: bigint, b: bigint) => bigint;
/** Binary operators, loosest first. */
const LEVELS: readonly Readonly<Record<string, Operator>>[] = [
  { '||': (a, b) => flag(a !== 0n || b !== 0n) },
  { '&&': (a, b) => flag(a !== 0n && b !== 0n) },
  { '|': (a, b) => a | b },
  { '^': (a, b) => a ^ b },
  { '&': (a, b) => a & b },
  { '==': (a, b) => flag(a === b), '!=': (a, b) => flag(a !== b) },
  {
    '<=': (a, b) => flag(s(a) <= s(b)),
    '>=': (a, b) => flag(s(a) >= s(b)),
    '<': (a, b) => flag(s(a) < s(b)),
    '>': (a, b) => flag(s(a) > s(b)),
  },
  { '<<': (a, b) => u(a << (b & 63n)), '>>': (a, b) => u(s(a) >> (b & 63n)) },
  { '+': (a, b) => u(a + b), '-': (a, b) => u(a - b) },
  {
    '*': (a, b) => u(a * b),
    '/': (a, b) => (b === 0n ? u(-1n) : u(s(a) / s(b))),
    '%': (a, b) => (b === 0n ? a : u(s(a) % s(b))),
  },
];
const TOKEN = /\s*(0x[0-9a-fA-F]+|[0-9]+|\$?[A-Za-z_.][A-Za-z_0-9.$]*|\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^~!<>()[\]])/y;

function load(
  view: MachineView,
  hart: number,
  address: bigint,
  bits: number,
  signed: boolean,
  loaded: Loaded | undefined,
): bigint {
  loaded?.(address, bits / 8);
  const v = readNumber(view, hart, address, bits / 8);
  if (v === undefined) throw new DebugError(`memory at 0x${address.toString(16)} cannot be read`);
  return signed ? u(BigInt.asIntN(bits, v)) : v;
}

class Reader {
  private readonly tokens: string[] = [];
  private at = 0;
  /** What it reads is not in memory alone. */
  registers = false;
  private readonly text: string;
  private readonly guestInfo: GuestInfo | undefined;

  constructor(text: string, guestInfo: GuestInfo | undefined) {
    this.text = text;
    this.guestInfo = guestInfo;
    const whole = text.trimEnd();
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < whole.length) {
      const from = TOKEN.lastIndex;
      const m = TOKEN.exec(whole);
      if (!m) throw new DebugError(`"${text}": cannot read at column ${from + 1}`);
      this.tokens.push(m[1]);
    }
    if (this.tokens.length > 200) throw new DebugError('the expression is too long');
  }

  whole(): Compiled {
    const e = this.binary(0);
    if (this.at < this.tokens.length) throw new DebugError(`"${this.text}": unexpected "${this.tokens[this.at]}"`);
    return e;
  }

  private binary(level: number): Compiled {
    if (level === LEVELS.length) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const operator = Object.hasOwn(LEVELS[level], this.tokens[this.at] ?? '')
        ? LEVELS[level][this.tokens[this.at]]
        : undefined;
      if (!operator) return left;
      this.at++;
      const a = left;
      const b = this.binary(level + 1);
      left = (view, hart, loaded) => operator(a(view, hart, loaded), b(view, hart, loaded));
    }
  }

  private unary(): Compiled {
    const t = this.tokens[this.at++];
    if (t === undefined) throw new DebugError(`"${this.text}" ends too early`);
    if (t === '-') return this.apply((v) => u(-v));
    if (t === '~') return this.apply((v) => u(~v));
    if (t === '!') return this.apply((v) => flag(v === 0n));
    if (t === '&') return this.unary(); // a symbol already is its address
    if (t === '*') {
      const e = this.unary();
      return (view, hart, loaded) => load(view, hart, e(view, hart, loaded), 64, false, loaded);
    }
    if (t === '(') return this.closed(')');
    const sized = /^([ui])(8|16|32|64)$/.exec(t);
    if (sized && this.tokens[this.at] === '[') {
      this.at++;
      const e = this.closed(']');
      return (view, hart, loaded) =>
        load(view, hart, e(view, hart, loaded), Number(sized[2]), sized[1] === 'i', loaded);
    }
    if (/^[0-9]/.test(t)) {
      const v = u(BigInt(t));
      return () => v;
    }
    return this.named(t);
  }

  private apply(f: (v: bigint) => bigint): Compiled {
    const e = this.unary();
    return (view, hart, loaded) => f(e(view, hart, loaded));
  }

  private closed(end: string): Compiled {
    const e = this.binary(0);
    if (this.tokens[this.at++] !== end) throw new DebugError(`"${this.text}": "${end}" is missing`);
    return e;
  }

  private named(name: string): Compiled {
    if (name === 'instant' || name === 'hart') this.registers = true;
    if (name === 'instant') return (view) => BigInt(view.instant.instructions);
    if (name === 'hart') return (_, hart) => BigInt(hart);
    const register = registerNamed(name);
    if (register) {
      this.registers = true;
      return (view, hart) => view.readRegister(hart, register) ?? 0n;
    }
    const address = this.guestInfo?.address(name);
    if (address === undefined) throw new DebugError(`"${name}" is no register and no symbol that is known`);
    return () => address;
  }
}

/** Reads an expression. @throws DebugError telling what cannot be read */
export const compile = (text: string, guestInfo?: GuestInfo): Compiled => new Reader(text, guestInfo).whole();

/** Reads an expression, and tells whether it reads registers. @throws DebugError telling what cannot be read */
export function compileWatched(
  text: string,
  guestInfo?: GuestInfo,
): { readonly value: Compiled; readonly registers: boolean } {
  const reader = new Reader(text, guestInfo);
  return { value: reader.whole(), registers: reader.registers };
}

/** A condition for a debug point: true also when it cannot be evaluated, so that nothing is missed. */
export function condition(text: string, guestInfo?: GuestInfo): (view: MachineView, hart: number) => boolean {
  const e = compile(text, guestInfo);
  return (view, hart) => {
    try {
      return e(view, hart) !== 0n;
    } catch (error) {
      if (error instanceof DebugError) return true;
      throw error;
    }
  };
}

/** A log message: text with expressions in braces. */
export function logMessage(text: string, guestInfo?: GuestInfo): (view: MachineView, hart: number) => string {
  const parts = text.split(/\{([^{}]*)\}/).map((part, i) => (i % 2 === 0 ? part : compile(part, guestInfo)));
  return (view, hart) =>
    parts
      .map((part) => {
        if (typeof part === 'string') return part;
        try {
          return `0x${part(view, hart).toString(16)}`;
        } catch (error) {
          if (error instanceof DebugError) return `<${error.message}>`;
          throw error;
        }
      })
      .join('');
}
