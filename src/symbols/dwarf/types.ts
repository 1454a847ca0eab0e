import { AT, ENCODING, TAG } from './constants.ts';
import type { DebugEntry } from './entry.ts';

/** A type of a program. */
export type Type = BaseType | PointerType | StructType | ArrayType | EnumType | AliasType | FunctionType | VoidType;

export interface VoidType {
  readonly kind: 'void';
  readonly name: string;
  readonly size: 0;
}

export interface BaseType {
  readonly kind: 'base';
  readonly name: string;
  readonly size: number;
  readonly encoding: number;
}

export interface PointerType {
  readonly kind: 'pointer';
  readonly size: number;
  /** `&` and `&&` for C++'s references. */
  readonly sign: '*' | '&' | '&&';
  readonly target: Type;
  /** Its own name, where it has one (Rust). */
  readonly name?: string;
}

export interface Member {
  /** Undefined for a part whose own members are meant (anonymous unions and structures). */
  readonly name: string | undefined;
  readonly type: Type;
  /** Offset in bytes; an expression that gets the object's address where it is not constant. */
  readonly offset: number | Uint8Array;
  /** Of bit fields: the lowest bit, counted from the offset, and their number. */
  readonly bits?: { readonly from: number; readonly count: number };
  /** A base class. */
  readonly base: boolean;
  /** Made by the compiler. */
  readonly artificial: boolean;
  /** A static member: an object of its own. */
  readonly entry?: DebugEntry;
}

/** What a structure holds depending on a discriminant (Rust's enumerations; DWARF 5, section 5.7.10). */
export interface Variants {
  readonly discriminant: Member | undefined;
  readonly cases: readonly { readonly value: bigint | undefined; readonly members: readonly Member[] }[];
}

export interface StructType {
  readonly kind: 'struct';
  readonly word: 'struct' | 'class' | 'union';
  readonly name: string | undefined;
  readonly size: number;
  readonly members: readonly Member[];
  readonly variants: Variants | undefined;
  /** Of a language whose types have no such word before their names. */
  readonly plain: boolean;
  readonly rust: boolean;
  readonly declaration: boolean;
}

export interface ArrayType {
  readonly kind: 'array';
  readonly element: Type;
  /** Undefined where it is not stated (a flexible array); an entry or expression where only the running program knows. */
  readonly count: number | undefined;
  readonly bound?: { readonly entry?: DebugEntry; readonly expression?: Uint8Array; readonly isCount: boolean };
  readonly size: number;
}

export interface EnumType {
  readonly kind: 'enum';
  readonly name: string | undefined;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
  readonly plain: boolean;
  /** Names are written with the type's before them. */
  readonly scoped: boolean;
}

/** A type under another name, or qualified. */
export interface AliasType {
  readonly kind: 'alias';
  /** `const`, `volatile`, … where it only qualifies. */
  readonly qualifier?: string;
  readonly name?: string;
  readonly size: number;
  readonly target: Type;
}

export interface FunctionType {
  readonly kind: 'function';
  readonly size: 1;
  readonly result: Type;
  readonly parameters: readonly Type[];
}

const VOID: VoidType = { kind: 'void', name: 'void', size: 0 };
const QUALIFIERS: Readonly<Record<number, string>> = {
  [TAG.constType]: 'const',
  [TAG.volatileType]: 'volatile',
  [TAG.restrictType]: 'restrict',
  [TAG.atomicType]: '_Atomic',
};
const WORDS: Readonly<Record<number, StructType['word']>> = {
  [TAG.structureType]: 'struct',
  [TAG.classType]: 'class',
  [TAG.unionType]: 'union',
};
const DEEPEST = 64;
const MOST_DIMENSIONS = 32;

/** Types of one file, each made once. What a type is made of is looked up when it is asked for: types may contain themselves. */
export class Types {
  private readonly made = new Map<DebugEntry, Type>();
  private readonly byOffset = new Map<string, Type>();
  /** Finds the definition of a type that is only declared in a unit. */
  private readonly define: (entry: DebugEntry) => DebugEntry | undefined;
  private readonly nameOf: (entry: DebugEntry) => string | undefined;

  constructor(
    nameOf: (entry: DebugEntry) => string | undefined,
    define: (entry: DebugEntry) => DebugEntry | undefined,
  ) {
    this.nameOf = nameOf;
    this.define = define;
  }

  /** The type that an entry's attribute names; void when it names none. */
  ofAttribute(entry: DebugEntry, attribute: number = AT.type): Type {
    const target = entry.inherited((e) => e.reference(attribute));
    return target === undefined ? VOID : this.of(target);
  }

  of(entry: DebugEntry): Type {
    const key = `${entry.unit.info.id}:${entry.offset}`;
    let type = this.made.get(entry) ?? this.byOffset.get(key);
    if (type === undefined) {
      type = this.make(entry);
      this.byOffset.set(key, type);
    }
    this.made.set(entry, type);
    return type;
  }

  private make(entry: DebugEntry): Type {
    const types = this;
    const size = entry.small(AT.byteSize);
    const qualifier = QUALIFIERS[entry.tag];
    if (qualifier !== undefined || entry.tag === TAG.typedef)
      return {
        kind: 'alias',
        ...(qualifier === undefined ? { name: this.nameOf(entry) ?? '?' } : { qualifier }),
        get target(): Type {
          return types.ofAttribute(entry);
        },
        get size(): number {
          return sizeOf(this.target);
        },
      };
    const word = WORDS[entry.tag];
    if (word !== undefined) return this.struct(entry, word);
    switch (entry.tag) {
      case TAG.baseType:
        return {
          kind: 'base',
          name: entry.name ?? '?',
          size: size ?? 0,
          encoding: entry.small(AT.encoding) ?? ENCODING.unsigned,
        };
      case TAG.pointerType:
      case TAG.referenceType:
      case TAG.rvalueReferenceType:
      case TAG.ptrToMemberType: {
        const name = entry.unit.isRust ? entry.name : undefined;
        return {
          kind: 'pointer',
          size: size ?? 8,
          sign: entry.tag === TAG.referenceType ? '&' : entry.tag === TAG.rvalueReferenceType ? '&&' : '*',
          get target(): Type {
            return types.ofAttribute(entry);
          },
          ...(name !== undefined && { name }),
        };
      }
      case TAG.arrayType:
        return this.array(entry);
      case TAG.enumerationType:
        return this.enumeration(entry);
      case TAG.subroutineType:
      case TAG.subprogram:
        return {
          kind: 'function',
          size: 1,
          get result(): Type {
            return types.ofAttribute(entry);
          },
          get parameters(): readonly Type[] {
            return entry.children.filter((c) => c.tag === TAG.formalParameter).map((c) => types.ofAttribute(c));
          },
        };
      default:
        // `decltype(nullptr)` and the like.
        return { kind: 'base', name: entry.name ?? '?', size: size ?? 8, encoding: ENCODING.unsigned };
    }
  }

  private struct(written: DebugEntry, word: StructType['word']): StructType {
    const definition = written.flag(AT.declaration) ? this.define(written) : undefined;
    const entry = definition ?? written;
    const types = this;
    let members: readonly Member[] | undefined;
    let variants: Variants | undefined | null = null;
    return {
      kind: 'struct',
      word,
      name: this.nameOf(entry),
      size: entry.small(AT.byteSize) ?? 0,
      plain: entry.unit.isCPlusPlus || entry.unit.isRust,
      rust: entry.unit.isRust,
      declaration: entry.flag(AT.declaration),
      get members(): readonly Member[] {
        return (members ??= types.members(entry));
      },
      get variants(): Variants | undefined {
        if (variants === null) variants = types.variants(entry);
        return variants;
      },
    };
  }

  private members(entry: DebugEntry): Member[] {
    return entry.children.flatMap((child): Member[] => {
      const isStatic =
        child.flag(AT.external) ||
        (child.tag === TAG.variable && child.unit.version >= 5 && child.flag(AT.declaration));
      if (child.tag === TAG.inheritance || (child.tag === TAG.member && !isStatic)) return [this.member(child)];
      return [];
    });
  }

  private member(entry: DebugEntry): Member {
    const types = this;
    const bits = bitsOf(entry);
    return {
      name: entry.name,
      get type(): Type {
        return types.ofAttribute(entry);
      },
      offset: bits?.offset ?? entry.block(AT.dataMemberLocation) ?? entry.small(AT.dataMemberLocation) ?? 0,
      ...(bits && { bits: { from: bits.from, count: bits.count } }),
      base: entry.tag === TAG.inheritance,
      artificial: entry.flag(AT.artificial),
    };
  }

  private variants(entry: DebugEntry): Variants | undefined {
    const part = entry.children.find((c) => c.tag === TAG.variantPart);
    if (part === undefined) return undefined;
    const discriminant = part.reference(AT.discr);
    return {
      discriminant: discriminant && this.member(discriminant),
      cases: part.children
        .filter((c) => c.tag === TAG.variant)
        .map((c) => ({ value: c.number(AT.discrValue), members: this.members(c) })),
    };
  }

  private array(entry: DebugEntry): Type {
    const dimensions = entry.children.filter((c) => c.tag === TAG.subrangeType || c.tag === TAG.enumerationType);
    const level = (i: number): Type => {
      if (i >= Math.min(dimensions.length, MOST_DIMENSIONS)) return this.ofAttribute(entry);
      const dimension = dimensions[i];
      const lower = dimension.small(AT.lowerBound) ?? 0;
      const isCount = dimension.has(AT.count);
      const attribute = isCount ? AT.count : AT.upperBound;
      const expression = dimension.block(attribute);
      const bound = expression === undefined ? dimension.reference(attribute) : undefined;
      const number = bound === undefined ? dimension.number(attribute) : undefined;
      // An upper bound of all ones is that of an array of no elements.
      const count =
        number === undefined ? undefined : Math.max(0, Number(BigInt.asIntN(64, number)) + (isCount ? 0 : 1 - lower));
      let element: Type | undefined;
      return {
        kind: 'array',
        get element(): Type {
          return (element ??= level(i + 1));
        },
        count,
        ...(expression || bound
          ? { bound: { isCount, ...(expression && { expression }), ...(bound && { entry: bound }) } }
          : {}),
        get size(): number {
          return (count ?? 0) * sizeOf(this.element);
        },
      };
    };
    return dimensions.length === 0
      ? { kind: 'array', element: this.ofAttribute(entry), count: undefined, size: 0 }
      : level(0);
  }

  private enumeration(entry: DebugEntry): EnumType {
    const values = entry.children
      .filter((c) => c.tag === 0x28)
      .map((c) => ({ name: c.name ?? '?', value: c.number(AT.constValue) ?? 0n }));
    const underlying = entry.reference(AT.type);
    const encoding = underlying?.small(AT.encoding);
    return {
      kind: 'enum',
      name: this.nameOf(entry),
      size: entry.small(AT.byteSize) ?? underlying?.small(AT.byteSize) ?? 4,
      signed: encoding === undefined ? values.some(({ value }) => value < 0n) : encoding === ENCODING.signed,
      values,
      plain: entry.unit.isCPlusPlus || entry.unit.isRust,
      scoped: entry.flag(AT.enumClass) || entry.unit.isRust,
    };
  }
}

/** A bit field's place, from either way of stating it (DWARF 5, section 5.7.6; DWARF 3's DW_AT_bit_offset counts from the top). */
function bitsOf(entry: DebugEntry): { offset: number; from: number; count: number } | undefined {
  const count = entry.small(AT.bitSize);
  if (count === undefined) return undefined;
  const data = entry.small(AT.dataBitOffset);
  if (data !== undefined) {
    const offset = (entry.small(AT.dataMemberLocation) ?? 0) + Math.floor(data / 8);
    return { offset, from: data % 8, count };
  }
  const storage = 8 * (entry.small(AT.byteSize) ?? entry.reference(AT.type)?.small(AT.byteSize) ?? 4);
  const from = storage - (entry.small(AT.bitOffset) ?? 0) - count;
  return { offset: entry.small(AT.dataMemberLocation) ?? 0, from, count };
}

/** A type without names and qualifiers around it. */
export function stripped(type: Type): Exclude<Type, AliasType> {
  let t = type;
  for (let depth = 0; t.kind === 'alias'; depth++) {
    if (depth > DEEPEST) return VOID;
    t = t.target;
  }
  return t;
}

/** Bytes of an object of a type. */
export const sizeOf = (type: Type): number => stripped(type).size;

/** A type as its language writes it. */
export function typeName(type: Type): string {
  return declared(type, '', 0).trim();
}

/** A declaration of `inner` with a type, as C reads: from the name outwards. */
function declared(type: Type, inner: string, depth: number): string {
  if (depth > DEEPEST) return '…';
  const spaced = inner === '' || /^[ [(]/.test(inner) ? inner : ` ${inner}`;
  switch (type.kind) {
    case 'void':
    case 'base':
      return `${type.name}${spaced}`;
    case 'enum':
      return `${type.plain ? '' : 'enum '}${type.name ?? '{...}'}${spaced}`;
    case 'struct':
      return `${type.plain && type.name !== undefined ? '' : `${type.word} `}${type.name ?? '{...}'}${spaced}`;
    case 'alias': {
      if (type.qualifier === undefined) return `${type.name}${spaced}`;
      const target = type.target;
      // What qualifies a pointer is written after its sign.
      if (target.kind === 'pointer' && target.name === undefined)
        return declared(target, ` ${type.qualifier}${inner === '' ? '' : ` ${inner.trim()}`}`, depth + 1);
      return `${type.qualifier} ${declared(target, inner, depth + 1)}`;
    }
    case 'pointer': {
      if (type.name !== undefined) return `${type.name}${spaced}`;
      const { target } = type;
      const wrapped = target.kind === 'array' || target.kind === 'function';
      const name = `${type.sign}${inner}`;
      return wrapped ? declared(target, ` (${name})`.replace(/^ /, ''), depth + 1) : declared(target, name, depth + 1);
    }
    case 'array': {
      const dimension = `[${type.count ?? ''}]`;
      const own = inner === '' ? ` ${dimension}` : `${inner}${dimension}`;
      return declared(type.element, /^[ ([]/.test(own) || inner !== '' ? own : ` ${own}`, depth + 1);
    }
    case 'function':
      return declared(
        type.result,
        `${inner === '' ? ' ' : inner}(${type.parameters.length === 0 ? 'void' : type.parameters.map(typeName).join(', ')})`,
        depth + 1,
      );
  }
}
