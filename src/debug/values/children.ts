import { type Member, stripped, typeName } from '../../symbols/dwarf/types.ts';
import { activeMembers } from './rust.ts';
import type { TypedValue } from './value.ts';

/** A part of a value, as a tree shows it. */
export interface Child {
  readonly name: string;
  readonly value: TypedValue;
  /** How the part is written, given how the whole is. */
  readonly expression: (whole: string) => string;
}

const simple = /^[A-Za-z_]\w*$/;
const inner = (whole: string): string => (/^[\w.[\]>-]+$/.test(whole) ? whole : `(${whole})`);

/** How many parts a value has, named or numbered. */
export function partsOf(written: TypedValue): { readonly named: number; readonly indexed: number } {
  const value = safely(() => written.referred) ?? written;
  const type = stripped(value.type);
  if (value.missing !== undefined) return { named: 0, indexed: 0 };
  if (type.kind === 'array') return { named: 0, indexed: type.count ?? 0 };
  if (type.kind === 'struct') return { named: membersOf(value).length, indexed: 0 };
  if (type.kind !== 'pointer') return { named: 0, indexed: 0 };
  const target = stripped(type.target);
  const leads = target.kind !== 'void' && target.kind !== 'function' && (safely(() => value.raw) ?? 0n) !== 0n;
  return { named: leads ? Math.max(1, target.kind === 'struct' ? target.members.length : 1) : 0, indexed: 0 };
}

/** Parts of a value: members, elements from `start` on, or what a pointer leads to. */
export function childrenOf(written: TypedValue, start = 0, count = Infinity): Child[] {
  const value = written.referred;
  const type = stripped(value.type);
  if (type.kind === 'array') {
    const end = Math.min(type.count ?? 0, start + count);
    return Array.from({ length: Math.max(0, end - start) }, (_, i) => ({
      name: `[${start + i}]`,
      value: value.element(BigInt(start + i)),
      expression: (whole) => `${inner(whole)}[${start + i}]`,
    }));
  }
  if (type.kind === 'struct') return membersOf(value).map((m) => memberChild(value, m, '.'));
  if (type.kind !== 'pointer') return [];
  const target = value.target;
  if (stripped(target.type).kind === 'struct') return membersOf(target).map((m) => memberChild(target, m, '->'));
  return [{ name: '*', value: target, expression: (whole) => `*${inner(whole)}` }];
}

function membersOf(value: TypedValue): readonly Member[] {
  const type = stripped(value.type);
  if (type.kind !== 'struct') return [];
  return (safely(() => activeMembers(value, type)) ?? type.members).filter((m) => m.name !== undefined || m.type);
}

function memberChild(owner: TypedValue, member: Member, sign: string): Child {
  const { name = `{${typeName(member.type)}}` } = member;
  return {
    name: member.base ? `<${typeName(member.type)}>` : name,
    value: owner.member(member),
    // Members of bases and anonymous parts are found by their own names.
    expression: (whole) => (simple.test(name) && !member.base ? `${inner(whole)}${sign}${name}` : whole),
  };
}

/** What cannot be read has no parts. */
function safely<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (e) {
    if (e instanceof Error && (e.name === 'DebugError' || e instanceof RangeError)) return undefined;
    throw e;
  }
}
