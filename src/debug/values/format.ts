import { ENCODING } from '../../symbols/dwarf/constants.ts';
import {
  type ArrayType,
  type EnumType,
  type Member,
  type StructType,
  sizeOf,
  stripped,
  type Type,
  typeName,
} from '../../symbols/dwarf/types.ts';
import { DebugError } from '../target.ts';
import { floatText } from './float.ts';
import { rustText } from './rust.ts';
import { characterText, ELEMENTS, REPEATS, stringText } from './text.ts';
import type { TypedValue } from './value.ts';

/** Structures within structures that are shown. */
const DEEPEST = 20;

/** A value as gdb's `print` shows it, without the type that gdb writes before pointers. @param hex integers in hexadecimal */
export function valueText(value: TypedValue, hex = false, depth = 0): string {
  if (value.missing !== undefined) return `<${value.missing}>`;
  if (!value.known && isScalar(value.type)) return '<optimized out>';
  try {
    return textOf(value, hex, depth);
  } catch (e) {
    if (e instanceof DebugError) return `<error: ${e.message}>`;
    throw e;
  }
}

const isScalar = (type: Type): boolean => !['struct', 'array'].includes(stripped(type).kind);

function textOf(value: TypedValue, hex: boolean, depth: number): string {
  const type = stripped(value.type);
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'base':
      return hex && type.encoding !== ENCODING.float && type.encoding !== ENCODING.complexFloat
        ? `0x${value.raw.toString(16)}`
        : baseText(value, type.encoding, type.size, type.name);
    case 'enum':
      return enumText(type, value.number);
    case 'pointer':
      return type.sign === '*' ? pointerText(value, type.target) : referenceText(value, hex, depth);
    case 'function': {
      const address = value.address ?? 0n;
      return `{${typeName(type)}} 0x${address.toString(16)}${symbolText(value, address)}`;
    }
    case 'array':
      return arrayText(value, type, hex, depth);
    default:
      if (depth > DEEPEST) return '{...}';
      // Memory that is not there is told once, not for each member.
      if (value.known) void value.bytes;
      return type.rust
        ? rustText(value, type, (v) => valueText(v, hex, depth + 1))
        : structText(value, type, hex, depth);
  }
}

function baseText(value: TypedValue, encoding: number, size: number, name: string): string {
  switch (encoding) {
    case ENCODING.boolean: {
      const v = value.raw;
      return v === 0n ? 'false' : v === 1n ? 'true' : v.toString();
    }
    case ENCODING.float:
      return floatText(value.raw, size) ?? `<a number of ${size} bytes>`;
    case ENCODING.complexFloat: {
      const half = size / 2;
      const text = (at: number): string => floatText(value.slice(value.type, at, half).raw, half) ?? '?';
      const [real, imaginary] = [text(0), text(half)];
      return `${real}${imaginary.startsWith('-') ? ' - ' : ' + '}${imaginary.replace('-', '')}i`;
    }
    case ENCODING.signedChar:
    case ENCODING.unsignedChar:
      return size === 1 && name !== 'u8' && name !== 'i8' ? characterText(value.number) : value.number.toString();
    case ENCODING.utf:
      // Of C's and C++'s types none has this name and size: it is Rust's, whose characters are no numbers.
      if (size === 4 && name === 'char') return characterText(value.number, 'U').replace(/^\d+ U/, '');
      return characterText(value.number, size === 2 ? 'u' : size === 4 ? 'U' : '');
    default:
      return value.number.toString();
  }
}

const symbolText = (value: TypedValue, address: bigint): string => {
  const name = value.source.symbol(address);
  return name === undefined ? '' : ` <${name}>`;
};

/** Whether a type's values are shown as characters of a string. */
const isCharacter = (type: Type): boolean => {
  const t = stripped(type);
  return (
    t.kind === 'base' &&
    t.size === 1 &&
    (t.encoding === ENCODING.signedChar || t.encoding === ENCODING.unsignedChar) &&
    t.name !== 'u8' &&
    t.name !== 'i8'
  );
};

function pointerText(value: TypedValue, target: Type): string {
  const address = value.raw;
  const plain = `0x${address.toString(16)}`;
  if (isCharacter(target)) {
    if (address === 0n) return plain;
    const bytes = value.source.read(address, ELEMENTS);
    const end = bytes.indexOf(0);
    if (bytes.length === 0) return `${plain} <error: Cannot access memory at address ${plain}>`;
    return `${plain}${symbolText(value, address)} ${stringText(end < 0 ? bytes : bytes.subarray(0, end), end < 0)}`;
  }
  return plain + symbolText(value, address);
}

function referenceText(value: TypedValue, hex: boolean, depth: number): string {
  const address = `@0x${value.raw.toString(16)}`;
  // A reference in a structure is not followed: it may lead back to it.
  if (depth > 0) return address;
  return `${address}: ${valueText(value.target, hex, depth + 1)}`;
}

function enumText({ values, scoped, name }: EnumType, v: bigint): string {
  const named = (text: string): string => (scoped && name !== undefined ? `${name}::${text}` : text);
  const exact = values.find(({ value }) => value === v);
  if (exact) return named(exact.name);
  // Values of one bit each, or of bits next to each other, are flags.
  const flags = values.every(({ value }) => value >= 0n) && disjoint(values.map(({ value }) => value));
  if (!flags) return v.toString();
  if (v === 0n) return '0';
  let rest = v;
  const set = values.filter(({ value }) => {
    const is = value !== 0n && (rest & value) === value;
    if (is) rest &= ~value;
    return is;
  });
  const parts = set.map((f) => named(f.name));
  if (rest !== 0n) parts.push(`unknown: 0x${rest.toString(16)}`);
  return `(${parts.join(' | ')})`;
}

function disjoint(values: readonly bigint[]): boolean {
  let seen = 0n;
  for (const v of values) {
    if ((seen & v) !== 0n) return false;
    seen |= v;
  }
  return true;
}

function arrayText(value: TypedValue, type: ArrayType, hex: boolean, depth: number): string {
  if (type.count === undefined) return `0x${(value.address ?? 0n).toString(16)}`;
  const { count } = type;
  if (isCharacter(type.element) && value.known) {
    const bytes = value.bytes;
    if (count === 0) return '""';
    const shown = bytes.subarray(0, Math.min(count, ELEMENTS));
    // The NUL at the end of a string is not part of what it says.
    const cut = shown.length < count;
    return stringText(!cut && shown[shown.length - 1] === 0 ? shown.subarray(0, -1) : shown, cut);
  }
  if (count === 0) return '{}';
  const size = sizeOf(type.element);
  const bytes = value.known ? value.bytes : undefined;
  const same = (a: number, b: number): boolean => {
    if (bytes === undefined) return false;
    for (let i = 0; i < size; i++) if (bytes[a * size + i] !== bytes[b * size + i]) return false;
    return true;
  };
  const out: string[] = [];
  let shown = 0;
  let i = 0;
  while (i < count && shown < ELEMENTS) {
    let run = 1;
    while (i + run < count && same(i, i + run)) run++;
    const element = value.element(BigInt(i));
    const text = valueText(element, hex, depth + 1);
    while (
      element.missing !== undefined &&
      i + run < count &&
      value.element(BigInt(i + run)).missing === element.missing
    )
      run++;
    if (run >= REPEATS) {
      out.push(`${text} <repeats ${run} times>`);
      shown += REPEATS;
      i += run;
    } else {
      out.push(text);
      shown++;
      i++;
    }
  }
  const [open, close] = isRust(type.element) ? '[]' : '{}';
  return `${open}${out.join(', ')}${i < count ? '...' : ''}${close}`;
}

const isRust = (type: Type): boolean => {
  const t = stripped(type);
  return (t.kind === 'struct' && t.rust) || (t.kind === 'base' && /^[iuf](8|16|32|64|128|size)$/.test(t.name));
};

function structText(value: TypedValue, type: StructType, hex: boolean, depth: number): string {
  if (type.declaration) return '<incomplete type>';
  if (type.members.length === 0) return '{<No data fields>}';
  const part = (m: Member): string => {
    const text = valueText(value.member(m), hex, depth + 1);
    if (m.base) return `<${typeName(m.type)}> = ${text}`;
    return m.name === undefined ? text : `${m.name} = ${text}`;
  };
  const bases = type.members.filter((m) => m.base).map(part);
  const fields = type.members.filter((m) => !m.base).map(part);
  const all = [...bases, ...fields].join(', ');
  return bases.length > 0 && fields.length === 0 ? `{${all}, <No data fields>}` : `{${all}}`;
}
