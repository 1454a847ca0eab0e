import { AT, ENCODING } from './constants.ts';
import type { DebugEntry } from './entry.ts';
import { DwarfReader } from './reader.ts';
import type { Unit } from './unit.ts';

/** Where an object is (DWARF 5, section 2.6). */
export type Location =
  | { readonly kind: 'memory'; readonly address: bigint }
  /** By DWARF's number (RISC-V ABIs Specification, "DWARF Register Numbers"): x0 to x31, then f0 to f31. */
  | { readonly kind: 'register'; readonly number: number }
  /** It has no place, but its value is known. */
  | { readonly kind: 'value'; readonly value: bigint }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'pieces'; readonly pieces: readonly LocationPiece[] }
  | { readonly kind: 'none'; readonly why?: string };

/** A part of an object; bits are counted from the part's own place. */
export interface LocationPiece {
  readonly bits: number;
  readonly from: number;
  readonly location: Location;
}

/** What expressions are evaluated in: a frame of a thread, or less. */
export interface LocationScope {
  /** What is added to addresses of the file to get the guest's. */
  readonly bias: bigint;
  /** Shorter where nothing more is mapped. */
  readonly read: (address: bigint, length: number) => Uint8Array;
  readonly register?: (number: number) => bigint | undefined;
  /** The canonical frame address: the stack pointer before the call. */
  readonly cfa?: () => bigint | undefined;
  readonly frameBase?: () => bigint | undefined;
  /** Address of a thread-local object at an offset of the file's own block. */
  readonly threadLocal?: (offset: bigint) => bigint | undefined;
  /** What an expression was worth when the function was entered. */
  readonly atEntry?: (expression: Uint8Array) => bigint | undefined;
}

/** An expression cannot be evaluated here; the message says why. */
export class LocationError extends Error {
  override readonly name = 'LocationError';
}

const MOST_STEPS = 10_000;
const MOST_STACK = 1024;
const NOWHERE: Location = { kind: 'none' };

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const s64 = (v: bigint): bigint => BigInt.asIntN(64, v);
const truth = (v: boolean): bigint => (v ? 1n : 0n);

/** Operations on the two topmost values: (below, top) (section 2.5.1.4). */
const BINARY: Readonly<Record<number, (a: bigint, b: bigint) => bigint>> = {
  26: (a, b) => a & b,
  27: (a, b) => (b === 0n ? 0n : s64(a) / s64(b)),
  28: (a, b) => a - b,
  29: (a, b) => (b === 0n ? 0n : a % b),
  30: (a, b) => a * b,
  33: (a, b) => a | b,
  34: (a, b) => a + b,
  36: (a, b) => (b > 63n ? 0n : a << b),
  37: (a, b) => (b > 63n ? 0n : a >> b),
  38: (a, b) => s64(a) >> (b > 63n ? 63n : b),
  39: (a, b) => a ^ b,
  41: (a, b) => truth(a === b),
  42: (a, b) => truth(s64(a) >= s64(b)),
  43: (a, b) => truth(s64(a) > s64(b)),
  44: (a, b) => truth(s64(a) <= s64(b)),
  45: (a, b) => truth(s64(a) < s64(b)),
  46: (a, b) => truth(a !== b),
};

const FLOAT = new DataView(new ArrayBuffer(8));

function floatOf(bits: bigint, size: number): number {
  FLOAT.setBigUint64(0, bits, true);
  if (size === 4) return FLOAT.getFloat32(0, true);
  if (size === 8) return FLOAT.getFloat64(0, true);
  throw new LocationError(`floating-point numbers of ${size} bytes are not computed with`);
}

function floatBits(value: number, size: number): bigint {
  FLOAT.setBigUint64(0, 0n, true);
  if (size === 4) FLOAT.setFloat32(0, value, true);
  else FLOAT.setFloat64(0, value, true);
  return FLOAT.getBigUint64(0, true);
}

/** Arithmetic on floating-point numbers (section 2.5.1.4: on values of one type). */
function floatResult(op: number, a: bigint, b: bigint, size: number): bigint {
  const [x, y] = [floatOf(a, size), floatOf(b, size)];
  switch (op) {
    case 0x1b:
      return floatBits(x / y, size);
    case 0x1c:
      return floatBits(x - y, size);
    case 0x1e:
      return floatBits(x * y, size);
    case 0x22:
      return floatBits(x + y, size);
    case 0x29:
      return truth(x === y);
    case 0x2a:
      return truth(x >= y);
    case 0x2b:
      return truth(x > y);
    case 0x2c:
      return truth(x <= y);
    case 0x2d:
      return truth(x < y);
    case 0x2e:
      return truth(x !== y);
    default:
      throw new LocationError(`operation 0x${op.toString(16)} is not for floating-point numbers`);
  }
}

/** A number of another kind: sizes of floating-point numbers, 0 for an integer. */
function convertedFloat(value: bigint, from: number, to: number): bigint {
  const number = from === 0 ? Number(s64(value)) : floatOf(value, from);
  if (to !== 0) return floatBits(number, to);
  if (!Number.isFinite(number)) throw new LocationError('a number without an integer value');
  return u64(BigInt(Math.trunc(number)));
}

/** The stack that expressions work on. */
class Stack {
  readonly values: bigint[] = [];

  push(value: bigint): void {
    if (this.values.length >= MOST_STACK) throw new LocationError('the expression needs too much room');
    this.values.push(u64(value));
  }

  pop(): bigint {
    const v = this.values.pop();
    if (v === undefined) throw new LocationError('the expression takes a value that is not there');
    return v;
  }

  pick(depth: number): bigint {
    const v = this.values[this.values.length - 1 - depth];
    if (v === undefined) throw new LocationError('the expression takes a value that is not there');
    return v;
  }
}

/** Follows an expression. */
class Evaluation {
  private readonly r: DwarfReader;
  private readonly stack = new Stack();
  private readonly pieces: LocationPiece[] = [];
  private found: Location | undefined;
  /** Bytes of the floating-point numbers that are computed with; 0 while it is integers. */
  private float = 0;
  private readonly size: number;
  private readonly unit: Unit | undefined;
  private readonly scope: LocationScope;

  constructor(expression: Uint8Array, unit: Unit | undefined, scope: LocationScope) {
    this.r = new DwarfReader(expression, 'a location expression');
    this.size = expression.length;
    this.unit = unit;
    this.scope = scope;
  }

  push(value: bigint): void {
    this.stack.push(value);
  }

  location(): Location {
    this.run();
    if (this.pieces.length > 0) return { kind: 'pieces', pieces: this.pieces };
    return this.place();
  }

  value(): bigint {
    this.run();
    if (this.found?.kind === 'value') return this.found.value;
    if (this.found?.kind === 'register') return this.register(this.found.number);
    return this.stack.pop();
  }

  /** What the operations so far lead to. */
  private place(): Location {
    const { found, stack } = this;
    this.found = undefined;
    if (found !== undefined) return found;
    return stack.values.length === 0 ? NOWHERE : { kind: 'memory', address: stack.pop() };
  }

  private run(): void {
    for (let steps = 0; this.r.at < this.size; steps++) {
      if (steps > MOST_STEPS) throw new LocationError('the expression does not end');
      this.operation(this.r.u8());
    }
  }

  private register(number: number): bigint {
    const v = this.scope.register?.(number);
    if (v === undefined) throw new LocationError(`register ${number} is not known here`);
    return v;
  }

  private load(address: bigint, size: number): bigint {
    const bytes = this.scope.read(address, size);
    if (bytes.length < size) throw new LocationError(`memory at 0x${address.toString(16)} cannot be read`);
    let v = 0n;
    for (let i = size - 1; i >= 0; i--) v = (v << 8n) | BigInt(bytes[i]);
    return v;
  }

  private frameBase(): bigint {
    const v = this.scope.frameBase?.();
    if (v === undefined) throw new LocationError('the frame is not known');
    return v;
  }

  private operation(op: number): void {
    const { r, stack, scope } = this;
    const binary = BINARY[op];
    if (binary !== undefined) {
      const b = stack.pop();
      const a = stack.pop();
      stack.push(this.float === 0 ? binary(a, b) : floatResult(op, a, b, this.float));
      // What comparisons say is an integer.
      if (op >= 0x29 && op <= 0x2e) this.float = 0;
    } else if (op >= 0x30 && op <= 0x4f) stack.push(BigInt(op - 0x30));
    else if (op >= 0x50 && op <= 0x6f) this.found = { kind: 'register', number: op - 0x50 };
    else if (op >= 0x70 && op <= 0x8f) stack.push(this.register(op - 0x70) + r.sleb64());
    else if (!this.constant(op) && !this.shuffle(op)) this.special(op, scope);
  }

  /** Operations that push what they carry. @returns whether it is one */
  private constant(op: number): boolean {
    const { r, stack, scope } = this;
    switch (op) {
      case 0x03: // addr
        stack.push(r.u64() + scope.bias);
        return true;
      case 0x08:
        stack.push(BigInt(r.u8()));
        return true;
      case 0x09:
        stack.push(BigInt(r.i8()));
        return true;
      case 0x0a:
        stack.push(BigInt(r.u16()));
        return true;
      case 0x0b:
        stack.push(BigInt.asIntN(16, BigInt(r.u16())));
        return true;
      case 0x0c:
        stack.push(BigInt(r.u32()));
        return true;
      case 0x0d:
        stack.push(BigInt.asIntN(32, BigInt(r.u32())));
        return true;
      case 0x0e:
      case 0x0f:
        stack.push(r.u64());
        return true;
      case 0x10:
        stack.push(r.uleb64());
        return true;
      case 0x11:
        stack.push(r.sleb64());
        return true;
      case 0xa1: // addrx
        stack.push(this.addressAt(r.uleb()) + scope.bias);
        return true;
      case 0xa2: // constx
        stack.push(this.addressAt(r.uleb()));
        return true;
      default:
        return false;
    }
  }

  private addressAt(index: number): bigint {
    if (this.unit === undefined) throw new LocationError('an index without a unit');
    return this.unit.addressAt(index);
  }

  /** Operations that move or change values on the stack, and branches. @returns whether it is one */
  private shuffle(op: number): boolean {
    const { r, stack } = this;
    switch (op) {
      case 0x06: // deref
        stack.push(this.load(stack.pop(), 8));
        return true;
      case 0x94: // deref_size
        stack.push(this.load(stack.pop(), Math.min(8, r.u8())));
        return true;
      case 0x12: // dup
        stack.push(stack.pick(0));
        return true;
      case 0x13: // drop
        stack.pop();
        return true;
      case 0x14: // over
        stack.push(stack.pick(1));
        return true;
      case 0x15: // pick
        stack.push(stack.pick(r.u8()));
        return true;
      case 0x16: {
        const [b, a] = [stack.pop(), stack.pop()];
        stack.push(b);
        stack.push(a);
        return true;
      }
      case 0x17: {
        const [c, b, a] = [stack.pop(), stack.pop(), stack.pop()];
        stack.push(c);
        stack.push(a);
        stack.push(b);
        return true;
      }
      case 0x19: {
        const v = s64(stack.pop());
        stack.push(v < 0n ? -v : v);
        return true;
      }
      case 0x1f:
        stack.push(-stack.pop());
        return true;
      case 0x20:
        stack.push(~stack.pop());
        return true;
      case 0x23: // plus_uconst
        stack.push(stack.pop() + r.uleb64());
        return true;
      case 0x28:
      case 0x2f: {
        const to = BigInt.asIntN(16, BigInt(r.u16()));
        if (op === 0x2f || stack.pop() !== 0n) r.at += Number(to);
        return true;
      }
      case 0x96: // nop
        return true;
      default:
        return false;
    }
  }

  private special(op: number, scope: LocationScope): void {
    const { r, stack } = this;
    switch (op) {
      case 0x90: // regx
        this.found = { kind: 'register', number: r.uleb() };
        break;
      case 0x91: // fbreg
        stack.push(this.frameBase() + r.sleb64());
        break;
      case 0x92: {
        const number = r.uleb();
        stack.push(this.register(number) + r.sleb64());
        break;
      }
      case 0x93: // piece
        this.piece(r.uleb() * 8, 0);
        break;
      case 0x9d: {
        const bits = r.uleb();
        this.piece(bits, r.uleb());
        break;
      }
      case 0x9b: // form_tls_address
      case 0xe0: {
        const address = scope.threadLocal?.(stack.pop());
        if (address === undefined) throw new LocationError('a thread-local object of a library cannot be found');
        stack.push(address);
        break;
      }
      case 0x9c: {
        const cfa = scope.cfa?.();
        if (cfa === undefined) throw new LocationError('the frame is not known');
        stack.push(cfa);
        break;
      }
      case 0x9e: // implicit_value
        this.found = { kind: 'bytes', bytes: r.raw(r.uleb()) };
        break;
      case 0x9f: // stack_value
        this.found = { kind: 'value', value: stack.pop() };
        break;
      case 0xa3: // entry_value
      case 0xf3: {
        const value = scope.atEntry?.(r.view(r.uleb()));
        if (value === undefined) throw new LocationError('what it was when the function was entered is not known');
        stack.push(value);
        break;
      }
      // Conversions between base types: all values are of 64 bits here.
      case 0xa8: // convert
      case 0xf7: {
        const from = this.float;
        const type = r.uleb();
        const value = this.converted(stack.pop(), type);
        stack.push(from === this.float ? value : convertedFloat(value, from, this.float));
        break;
      }
      case 0xa9: // reinterpret
      case 0xf9:
        stack.push(this.converted(stack.pop(), r.uleb()));
        break;
      case 0xa4: // const_type
      case 0xf4: {
        const type = r.uleb();
        const bytes = r.view(r.u8());
        let v = 0n;
        for (let i = Math.min(8, bytes.length) - 1; i >= 0; i--) v = (v << 8n) | BigInt(bytes[i]);
        stack.push(this.converted(v, type));
        break;
      }
      case 0xa5: // regval_type
      case 0xf5: {
        const value = this.register(r.uleb());
        stack.push(this.converted(value, r.uleb()));
        break;
      }
      case 0xa6: // deref_type
      case 0xf6: {
        const size = Math.min(8, r.u8());
        stack.push(this.converted(this.load(stack.pop(), size), r.uleb()));
        break;
      }
      case 0xa0: // implicit_pointer
      case 0xf2:
        r.offsetOf(this.unit?.wide ?? false);
        r.sleb64();
        this.found = { kind: 'none', why: 'synthetic pointer' };
        break;
      default:
        throw new LocationError(`operation 0x${op.toString(16)} of a location is not known`);
    }
  }

  /** A value cut and extended as its base type asks for. */
  private converted(value: bigint, type: number): bigint {
    this.float = 0;
    if (type === 0 || this.unit === undefined) return value;
    const entry: DebugEntry = this.unit.entry(this.unit.offset + type);
    const bits = 8 * Math.min(8, entry.small(AT.byteSize) ?? 8);
    const encoding = entry.small(AT.encoding) ?? ENCODING.unsigned;
    if (encoding === ENCODING.float) this.float = bits / 8;
    return encoding === ENCODING.signed || encoding === ENCODING.signedChar
      ? u64(BigInt.asIntN(bits, value))
      : BigInt.asUintN(bits, value);
  }

  private piece(bits: number, from: number): void {
    if (this.pieces.length >= MOST_STACK) throw new LocationError('the object is in too many pieces');
    this.pieces.push({ bits, from, location: this.place() });
  }
}

/**
 * Where an expression says that something is.
 * @param pushed what is on the stack at first, e.g. the address of the object that a member's location is in
 * @throws LocationError when it cannot be told here, RangeError when the expression is malformed
 */
export function evaluateLocation(
  expression: Uint8Array,
  unit: Unit | undefined,
  scope: LocationScope,
  pushed?: bigint,
): Location {
  const e = new Evaluation(expression, unit, scope);
  if (pushed !== undefined) e.push(pushed);
  return e.location();
}

/** What an expression is worth, as a number. @throws as {@link evaluateLocation} */
export function evaluateNumber(
  expression: Uint8Array,
  unit: Unit | undefined,
  scope: LocationScope,
  pushed?: bigint,
): bigint {
  const e = new Evaluation(expression, unit, scope);
  if (pushed !== undefined) e.push(pushed);
  return e.value();
}
