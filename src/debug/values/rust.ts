import { type Member, type StructType, stripped, typeName } from '../../symbols/dwarf/types.ts';
import { ELEMENTS, stringText } from './text.ts';
import type { TypedValue } from './value.ts';

/** Rust's tuples, enumerations and strings as Rust writes them. */
export function rustText(value: TypedValue, type: StructType, text: (value: TypedValue) => string): string {
  const string = stringOf(value, type);
  if (string !== undefined) return string;
  const active = activeMembers(value, type);
  if (active !== undefined) {
    const [member] = active;
    if (member === undefined) return typeName(type);
    const inner = stripped(member.type);
    if (inner.kind !== 'struct') return text(value.member(member));
    return body(`${typeName(type)}::${member.name ?? '?'}`, value.member(member), inner, text);
  }
  const name = typeName(type);
  return body(name.startsWith('(') ? '' : name, value, type, text);
}

/** The members that an enumeration's value has; undefined for a type that is none. */
export function activeMembers(value: TypedValue, { variants }: StructType): readonly Member[] | undefined {
  if (variants === undefined) return undefined;
  const { discriminant, cases } = variants;
  const tag = discriminant && value.member(discriminant).raw;
  const found =
    cases.find((c) => c.value !== undefined && tag !== undefined && sameBits(c.value, tag)) ??
    cases.find((c) => c.value === undefined);
  return found?.members ?? [];
}

/** Discriminants are written with or without their sign. */
const sameBits = (a: bigint, b: bigint): boolean => BigInt.asUintN(64, a) === BigInt.asUintN(64, b) || a === b;

function body(name: string, value: TypedValue, type: StructType, text: (value: TypedValue) => string): string {
  const { members } = type;
  if (members.length === 0) return name === '' ? '()' : name;
  const tuple = members.every((m) => m.name?.startsWith('__'));
  const parts = members.map((m) => (tuple ? '' : `${m.name}: `) + text(value.member(m)));
  return tuple ? `${name}(${parts.join(', ')})` : `${name}${name === '' ? '' : ' '}{${parts.join(', ')}}`;
}

/** A `&str`: a pointer and a length. */
function stringOf(value: TypedValue, { name, members }: StructType): string | undefined {
  if (name !== '&str' && name !== '&mut str') return undefined;
  const [data, length] = ['data_ptr', 'length'].map((n) => members.find((m) => m.name === n));
  if (!data || !length) return undefined;
  const count = Number(value.member(length).raw);
  const bytes = value.source.read(value.member(data).raw, Math.min(count, ELEMENTS));
  return stringText(bytes, count > ELEMENTS);
}
