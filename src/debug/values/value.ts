import { ENCODING } from '../../symbols/dwarf/constants.ts';
import { evaluateNumber, type Location, LocationError } from '../../symbols/dwarf/expression.ts';
import { type Member, sizeOf, stripped, type Type, typeName } from '../../symbols/dwarf/types.ts';
import { DebugError } from '../target.ts';

/** What values are read from: memory as a thread sees it, and registers of a frame. */
export interface ValueSource {
  /** Shorter where nothing more is mapped. */
  readonly read: (address: bigint, length: number) => Uint8Array;
  /** By DWARF's number. */
  readonly register: (number: number) => bigint | undefined;
  /** `name+0x10` of an address, where there is one. */
  readonly symbol: (address: bigint) => string | undefined;
}

/** Where a value can be written to. */
export type ValuePlace =
  | { readonly kind: 'memory'; readonly address: bigint }
  | { readonly kind: 'register'; readonly number: number };

/** Largest object that is read at once. */
const LARGEST = 16 << 20;
const MISSING = 'optimized out';

interface Parts {
  readonly place?: ValuePlace;
  readonly bytes?: Uint8Array;
  /** Bytes that are not known, where not all are. */
  readonly unknown?: Uint8Array;
  /** Why there is no value. */
  readonly missing?: string;
  readonly bits?: { readonly from: number; readonly count: number };
}

/** An object of a program, or a value without a place. Memory is read when it is asked for. */
export class TypedValue {
  readonly type: Type;
  readonly source: ValueSource;
  readonly place: ValuePlace | undefined;
  readonly bits: { readonly from: number; readonly count: number } | undefined;
  /** Why there is no value. */
  readonly missing: string | undefined;
  private readonly unknown: Uint8Array | undefined;
  private held: Uint8Array | undefined;

  constructor(source: ValueSource, type: Type, { place, bytes, unknown, missing, bits }: Parts) {
    this.source = source;
    this.type = type;
    this.place = place;
    this.held = bytes;
    this.unknown = unknown;
    this.missing = missing;
    this.bits = bits;
  }

  /** The object at an address. */
  static at(source: ValueSource, type: Type, address: bigint): TypedValue {
    return new TypedValue(source, type, { place: { kind: 'memory', address: BigInt.asUintN(64, address) } });
  }

  /** A number of a type. */
  static of(source: ValueSource, type: Type, number: bigint): TypedValue {
    return new TypedValue(source, type, { bytes: numberBytes(number, Math.max(1, sizeOf(type))) });
  }

  static missing(source: ValueSource, type: Type, missing: string): TypedValue {
    return new TypedValue(source, type, { missing });
  }

  /** What a location leads to. */
  static located(source: ValueSource, type: Type, location: Location): TypedValue {
    const size = sizeOf(type);
    switch (location.kind) {
      case 'memory':
        return TypedValue.at(source, type, location.address);
      case 'register': {
        const v = source.register(location.number);
        if (v === undefined) return TypedValue.missing(source, type, 'not saved');
        return new TypedValue(source, type, { place: location, bytes: numberBytes(v, Math.max(1, size)) });
      }
      case 'value':
        return new TypedValue(source, type, { bytes: numberBytes(location.value, Math.max(1, size)) });
      case 'bytes': {
        const bytes = new Uint8Array(size);
        bytes.set(location.bytes.subarray(0, size));
        return new TypedValue(source, type, { bytes });
      }
      case 'pieces':
        return assembled(source, type, size, location.pieces);
      default:
        return TypedValue.missing(source, type, location.why ?? MISSING);
    }
  }

  get size(): number {
    return sizeOf(this.type);
  }

  get address(): bigint | undefined {
    return this.place?.kind === 'memory' ? this.place.address : undefined;
  }

  /** @throws DebugError when memory cannot be read, or there is no value */
  get bytes(): Uint8Array {
    if (this.missing !== undefined) throw new DebugError(this.missing);
    if (this.held !== undefined) return this.held;
    const { size } = this;
    const address = this.address ?? 0n;
    if (size > LARGEST) throw new DebugError(`an object of ${size} bytes is too large to be shown`);
    const bytes = this.source.read(address, size);
    if (bytes.length < size)
      throw new DebugError(`Cannot access memory at address 0x${(address + BigInt(bytes.length)).toString(16)}`);
    this.held = bytes;
    return bytes;
  }

  /** Whether its bytes are known. */
  get known(): boolean {
    return this.missing === undefined && (this.unknown === undefined || this.unknown.every((b) => b === 0));
  }

  /** Its bits as an unsigned number. @throws DebugError as {@link bytes} */
  get raw(): bigint {
    const { bits } = this;
    const v = number(this.bits ? this.storage(bits!) : this.bytes);
    return bits ? BigInt.asUintN(bits.count, v >> BigInt(bits.from)) : v;
  }

  /** The bytes around a bit field. */
  private storage({ from, count }: { from: number; count: number }): Uint8Array {
    const length = Math.ceil((from + count) / 8);
    if (this.held !== undefined) return this.held;
    const bytes = this.source.read(this.address ?? 0n, length);
    if (bytes.length < length) throw new DebugError(`Cannot access memory at address 0x${this.address?.toString(16)}`);
    return bytes;
  }

  /** A scalar as a number, with the sign its type has. @throws DebugError when it is none */
  get number(): bigint {
    const type = stripped(this.type);
    const bits = this.bits?.count ?? 8 * this.size;
    if (isSigned(type)) return BigInt.asIntN(bits, this.raw);
    if (type.kind === 'array' || type.kind === 'function') return this.address ?? 0n;
    if (type.kind === 'struct') throw new DebugError(`a ${typeName(this.type)} is no number`);
    return this.raw;
  }

  /** A member. @param owner the structure that it is a member of */
  member({ type, offset, bits }: Member): TypedValue {
    const { source, missing } = this;
    if (missing !== undefined) return TypedValue.missing(source, type, missing);
    const at = typeof offset === 'number' ? offset : this.dynamicOffset(offset);
    if (this.address !== undefined)
      return new TypedValue(source, type, {
        place: { kind: 'memory', address: this.address + BigInt(at) },
        ...(bits && { bits }),
      });
    const length = bits ? Math.ceil((bits.from + bits.count) / 8) : sizeOf(type);
    return this.slice(type, at, length, bits);
  }

  /** The part of a value at an offset. */
  slice(type: Type, at: number, length: number, bits?: Parts['bits']): TypedValue {
    const { source } = this;
    if (this.address !== undefined) return TypedValue.at(source, type, this.address + BigInt(at));
    const unknown = this.unknown?.subarray(at, at + length);
    if (unknown?.some((b) => b !== 0)) return TypedValue.missing(source, type, MISSING);
    // A part of what is in one register is written with the register.
    return new TypedValue(source, type, { bytes: this.bytes.subarray(at, at + length), ...(bits && { bits }) });
  }

  private dynamicOffset(expression: Uint8Array): number {
    const address = this.address ?? 0n;
    try {
      const at = evaluateNumber(expression, undefined, { bias: 0n, read: this.source.read }, address);
      return Number(BigInt.asIntN(64, at - address));
    } catch (e) {
      if (e instanceof LocationError) throw new DebugError(e.message);
      throw e;
    }
  }

  /** An element of an array, or the object that a pointer leads to when it is moved by `index` objects. @throws DebugError when it is neither */
  element(index: bigint): TypedValue {
    const type = stripped(this.type);
    if (type.kind === 'array') {
      const size = sizeOf(type.element);
      if (this.missing !== undefined) return TypedValue.missing(this.source, type.element, this.missing);
      if (this.address !== undefined)
        return TypedValue.at(this.source, type.element, this.address + index * BigInt(size));
      return this.slice(type.element, Number(index) * size, size);
    }
    if (type.kind !== 'pointer') throw new DebugError(`a ${typeName(this.type)} has no elements`);
    return TypedValue.at(this.source, type.target, this.raw + index * BigInt(Math.max(1, sizeOf(type.target))));
  }

  /** What a pointer or reference leads to. @throws DebugError when it is neither */
  get target(): TypedValue {
    const type = stripped(this.type);
    if (type.kind === 'array') return this.element(0n);
    if (type.kind !== 'pointer') throw new DebugError(`a ${typeName(this.type)} points to nothing`);
    if (stripped(type.target).kind === 'void') throw new DebugError('a void * must be cast before it is followed');
    return TypedValue.at(this.source, type.target, this.raw);
  }

  /** The object itself where this is a reference to it. */
  get referred(): TypedValue {
    const type = stripped(this.type);
    return type.kind === 'pointer' && type.sign !== '*' ? this.target : this;
  }

  /** The same bytes as another type. */
  as(type: Type): TypedValue {
    const { source, place, missing, unknown } = this;
    if (missing !== undefined) return TypedValue.missing(source, type, missing);
    return new TypedValue(source, type, { ...(place && { place }), ...(this.held && { bytes: this.held }), unknown });
  }
}

export const isSigned = (type: Type): boolean => {
  const t = stripped(type);
  return (
    (t.kind === 'base' && (t.encoding === ENCODING.signed || t.encoding === ENCODING.signedChar)) ||
    (t.kind === 'enum' && t.signed)
  );
};

export const isFloat = (type: Type): boolean => {
  const t = stripped(type);
  return t.kind === 'base' && t.encoding === ENCODING.float;
};

/** A number's bytes, cut to `size`. */
export function numberBytes(value: bigint, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let v = BigInt.asUintN(8 * size, value);
  for (let i = 0; i < size && v !== 0n; i++, v >>= 8n) out[i] = Number(v & 0xffn);
  return out;
}

function number(bytes: Uint8Array): bigint {
  let v = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) v = (v << 8n) | BigInt(bytes[i]);
  return v;
}

/** A value put together from where its parts are. */
function assembled(
  source: ValueSource,
  type: Type,
  size: number,
  pieces: Extract<Location, { kind: 'pieces' }>['pieces'],
): TypedValue {
  let whole = 0n;
  let unknown = 0n;
  let at = 0;
  const [first] = pieces;
  if (pieces.length === 1 && first.location.kind === 'none' && first.location.why)
    return TypedValue.missing(source, type, first.location.why);
  for (const { bits, from, location } of pieces) {
    if (at >= 8 * size || bits > 8 * LARGEST) break;
    const mask = ((1n << BigInt(bits)) - 1n) << BigInt(at);
    let part: bigint | undefined;
    if (location.kind === 'memory') {
      const bytes = source.read(location.address, Math.ceil((from + bits) / 8));
      if (bytes.length * 8 >= from + bits) part = number(bytes);
    } else if (location.kind === 'register') part = source.register(location.number);
    else if (location.kind === 'value') part = location.value;
    else if (location.kind === 'bytes') part = number(location.bytes);
    if (part === undefined) unknown |= mask;
    else whole |= (BigInt.asUintN(bits, part >> BigInt(from)) << BigInt(at)) & mask;
    at += bits;
  }
  if (at < 8 * size) unknown |= ((1n << BigInt(8 * size - at)) - 1n) << BigInt(at);
  const bytes = numberBytes(whole, size);
  if (unknown === 0n) return new TypedValue(source, type, { bytes });
  const mask = numberBytes(unknown, size);
  return mask.every((b) => b !== 0)
    ? TypedValue.missing(source, type, MISSING)
    : new TypedValue(source, type, { bytes, unknown: mask });
}
