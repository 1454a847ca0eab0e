/**
 * The BPF Type Format (Linux documentation, "BPF Type Format (BTF)"): the kernel's own description of its types.
 */

const MAGIC = 0xeb9f;
/** Kinds of types. */
export const KIND = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

/** Bytes after the 12 of a type, by kind and number of members. */
function extra(kind: number, vlen: number): number {
  switch (kind) {
    case KIND.INT:
    case KIND.VAR:
    case KIND.DECL_TAG:
      return 4;
    case KIND.ARRAY:
      return 12;
    case KIND.STRUCT:
    case KIND.UNION:
    case KIND.DATASEC:
    case KIND.ENUM64:
      return 12 * vlen;
    case KIND.ENUM:
    case KIND.FUNC_PROTO:
      return 8 * vlen;
    default:
      return 0;
  }
}

/** A type as it is stored (`struct btf_type`); what follows it depends on its kind. */
export interface TypeRecord {
  /** One of {@link KIND}; 0 for void. */
  readonly kind: number;
  /** Offset of its name in the string table. */
  readonly name: number;
  /** Members, values or parameters. */
  readonly count: number;
  readonly flag: boolean;
  /** Bytes, or the number of the type it refers to. */
  readonly value: number;
  /** The words that follow. */
  readonly word: (index: number) => number;
}

/** Where a member lies. */
export interface Field {
  /** Bytes from the beginning of the outermost structure. */
  readonly offset: number;
  /** Bytes; for bit fields, of the unit they are read from. */
  readonly size: number;
  /** Type number. */
  readonly type: number;
  /** For bit fields: first bit within the unit, and how many. */
  readonly bits?: { readonly from: number; readonly count: number };
}

/** What a type is, typedefs and qualifiers looked through. */
export type TypeShape =
  | { readonly kind: 'integer'; readonly size: number; readonly signed: boolean }
  | { readonly kind: 'pointer'; readonly to: number }
  | { readonly kind: 'array'; readonly of: number; readonly count: number }
  | { readonly kind: 'structure'; readonly name: string; readonly size: number }
  | { readonly kind: 'other' };

/** Names of C's own integer types that kernels write in another order, or that BTF leaves out. */
const SPELLINGS: Readonly<Record<string, string>> = {
  unsigned: 'unsigned int',
  'unsigned long': 'long unsigned int',
  'unsigned short': 'short unsigned int',
  'long long': 'long long int',
  'unsigned long long': 'long long unsigned int',
  long: 'long int',
  short: 'short int',
  int8: 's8',
  int16: 's16',
  int32: 's32',
  int64: 's64',
  uint8: 'u8',
  uint16: 'u16',
  uint32: 'u32',
  uint64: 'u64',
};

/** Types of one kernel. */
export class Btf {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly strings: number;
  /** Offset of each type; number 0 is void. */
  private readonly types: Uint32Array;
  private readonly structs = new Map<string, number>();
  /** Integers and typedefs by name, and functions, and enumerators: found when first asked for. */
  private names:
    | {
        readonly types: Map<string, number>;
        readonly functions: Map<string, number>;
        readonly enumerators: Map<string, bigint>;
      }
    | undefined;

  /** @throws RangeError when it is no BTF */
  constructor(blob: Uint8Array) {
    this.bytes = blob;
    this.view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    if (blob.length < 24 || this.view.getUint16(0, true) !== MAGIC)
      throw new RangeError('no BTF: expected magic 0xeb9f at its beginning');
    const header = this.u32(4);
    const from = header + this.u32(8);
    const to = from + this.u32(12);
    this.strings = header + this.u32(16);
    if (to > blob.length || this.strings + this.u32(20) > blob.length)
      throw new RangeError('BTF is cut off: its header tells of more bytes than are there');
    const offsets: number[] = [0];
    for (let at = from; at < to; ) {
      const info = this.u32(at + 4);
      const kind = (info >>> 24) & 0x1f;
      if (kind === KIND.STRUCT || kind === KIND.UNION) {
        const name = this.name(this.u32(at));
        if (name !== '' && !this.structs.has(name)) this.structs.set(name, offsets.length);
      }
      offsets.push(at);
      at += 12 + extra(kind, info & 0xffff);
    }
    this.types = Uint32Array.from(offsets);
  }

  /** Number of types. */
  get count(): number {
    return this.types.length - 1;
  }

  /** Names, each ended by NUL. */
  get stringTable(): Uint8Array {
    return this.bytes.subarray(this.strings, this.strings + this.u32(20));
  }

  /** A type as it is stored. */
  record(type: number): TypeRecord {
    const at = this.types[type];
    const info = type === 0 ? 0 : this.u32(at + 4);
    return {
      kind: (info >>> 24) & 0x1f,
      name: type === 0 ? 0 : this.u32(at),
      count: info & 0xffff,
      flag: info >>> 31 === 1,
      value: type === 0 ? 0 : this.u32(at + 8),
      word: (index) => this.u32(at + 12 + 4 * index),
    };
  }

  /** Type number of a structure or union. @throws RangeError when there is none of that name */
  struct(name: string): number {
    const type = this.structs.get(name);
    if (type === undefined) throw new RangeError(`the kernel's type information has no struct ${name}`);
    return type;
  }

  /** Bytes of a type. */
  sizeOf(type: number): number {
    const t = this.resolve(type);
    const at = this.types[t];
    switch (this.kind(t)) {
      case KIND.PTR:
        return 8;
      case KIND.ARRAY:
        return this.sizeOf(this.u32(at + 12)) * this.u32(at + 20);
      default:
        return this.u32(at + 8);
    }
  }

  /**
   * A member by its path, e.g. `mm`, `thread.sp`, `comm`; members of unnamed structures count as the outer one's.
   * @returns undefined when there is none
   */
  field(struct: number, path: string): Field | undefined {
    let type = struct;
    let found: Field | undefined;
    let offset = 0;
    for (const name of path.split('.')) {
      found = this.member(this.resolve(type), name, 0);
      if (!found) return undefined;
      offset += found.offset;
      type = found.type;
    }
    return found && { ...found, offset };
  }

  /** Names of a structure's members, in order; unnamed ones are empty. */
  members(struct: number): { name: string; type: number; offset: number }[] {
    const at = this.types[this.resolve(struct)];
    const info = this.u32(at + 4);
    return Array.from({ length: info & 0xffff }, (_, i) => {
      const m = at + 12 + 12 * i;
      const bits = this.u32(m + 8);
      return {
        name: this.name(this.u32(m)),
        type: this.u32(m + 4),
        offset: (info >>> 31 ? bits & 0xff_ffff : bits) >>> 3,
      };
    });
  }

  /** What a type is. */
  describe(type: number): TypeShape {
    const t = this.resolve(type);
    const at = this.types[t];
    switch (this.kind(t)) {
      case KIND.INT:
        return { kind: 'integer', size: this.u32(at + 8), signed: (this.u32(at + 12) & 0x0100_0000) !== 0 };
      case KIND.ENUM:
      case KIND.ENUM64:
        return { kind: 'integer', size: this.u32(at + 8), signed: this.u32(at + 4) >>> 31 === 1 };
      case KIND.PTR:
        return { kind: 'pointer', to: this.u32(at + 8) };
      case KIND.ARRAY:
        return { kind: 'array', of: this.u32(at + 12), count: this.u32(at + 20) };
      case KIND.STRUCT:
      case KIND.UNION:
        return { kind: 'structure', name: this.name(this.u32(at)), size: this.u32(at + 8) };
      default:
        return { kind: 'other' };
    }
  }

  /** Type number of a structure, union, integer type or typedef by its name in C; undefined when there is none. */
  named(name: string): number | undefined {
    const { types } = this.index();
    return this.structs.get(name) ?? types.get(SPELLINGS[name] ?? name) ?? types.get(name);
  }

  /** Names of structures and types, to suggest one. */
  typeNames(): Iterable<string> {
    return [...this.structs.keys(), ...this.index().types.keys()];
  }

  /** Parameters of a function and its result's type; undefined when there is none of that name. */
  functionType(
    name: string,
  ):
    | { readonly parameters: readonly { readonly name: string; readonly type: number }[]; readonly result: number }
    | undefined {
    const prototype = this.index().functions.get(name);
    if (prototype === undefined) return undefined;
    const at = this.types[prototype];
    const count = this.u32(at + 4) & 0xffff;
    const parameters = Array.from({ length: count }, (_, i) => ({
      name: this.name(this.u32(at + 12 + 8 * i)),
      type: this.u32(at + 16 + 8 * i),
    }));
    return { parameters, result: this.u32(at + 8) };
  }

  /** Value of an enumerator. */
  enumerator(name: string): bigint | undefined {
    return this.index().enumerators.get(name);
  }

  private index(): NonNullable<typeof this.names> {
    if (this.names !== undefined) return this.names;
    const types = new Map<string, number>();
    const functions = new Map<string, number>();
    const enumerators = new Map<string, bigint>();
    for (let type = 1; type < this.types.length; type++) {
      const at = this.types[type];
      const kind = this.kind(type);
      const count = this.u32(at + 4) & 0xffff;
      if (kind === KIND.INT || kind === KIND.TYPEDEF || kind === KIND.ENUM || kind === KIND.ENUM64) {
        const name = this.name(this.u32(at));
        if (name !== '' && !types.has(name)) types.set(name, type);
      } else if (kind === KIND.FUNC) functions.set(this.name(this.u32(at)), this.u32(at + 8));
      if (kind === KIND.ENUM) {
        for (let m = at + 12; m < at + 12 + 8 * count; m += 8)
          enumerators.set(this.name(this.u32(m)), BigInt(this.view.getInt32(m + 4, true)));
      } else if (kind === KIND.ENUM64) {
        for (let m = at + 12; m < at + 12 + 12 * count; m += 12)
          enumerators.set(this.name(this.u32(m)), this.view.getBigInt64(m + 4, true));
      }
    }
    this.names = { types, functions, enumerators };
    return this.names;
  }

  private member(struct: number, wanted: string, base: number): Field | undefined {
    const kind = this.kind(struct);
    if (kind !== KIND.STRUCT && kind !== KIND.UNION) return undefined;
    const at = this.types[struct];
    const info = this.u32(at + 4);
    const bitfields = info >>> 31 === 1;
    for (let i = 0; i < (info & 0xffff); i++) {
      const m = at + 12 + 12 * i;
      const name = this.name(this.u32(m));
      const type = this.u32(m + 4);
      const where = this.u32(m + 8);
      const bit = bitfields ? where & 0xff_ffff : where;
      const count = bitfields ? where >>> 24 : 0;
      if (name === wanted) {
        const size = this.sizeOf(type);
        if (count === 0) return { offset: base + (bit >>> 3), size, type };
        const unit = Math.floor(bit / (size * 8)) * size;
        return { offset: base + unit, size, type, bits: { from: bit - unit * 8, count } };
      }
      if (name === '') {
        const inner = this.member(this.resolve(type), wanted, base + (bit >>> 3));
        if (inner) return inner;
      }
    }
    return undefined;
  }

  /** Through typedefs and qualifiers. */
  private resolve(type: number): number {
    for (let t = type, depth = 0; depth < 64; depth++) {
      const kind = this.kind(t);
      if (
        kind !== KIND.TYPEDEF &&
        kind !== KIND.VOLATILE &&
        kind !== KIND.CONST &&
        kind !== KIND.RESTRICT &&
        kind !== KIND.TYPE_TAG
      )
        return t;
      t = this.u32(this.types[t] + 8);
    }
    throw new RangeError(`BTF type ${type} refers to itself`);
  }

  private kind(type: number): number {
    return type === 0 || type >= this.types.length ? 0 : (this.u32(this.types[type] + 4) >>> 24) & 0x1f;
  }

  /** A name by its offset in the string table. */
  name(offset: number): string {
    const start = this.strings + offset;
    let end = start;
    while (this.bytes[end] !== 0) end++;
    return end === start ? '' : String.fromCharCode(...this.bytes.subarray(start, end));
  }

  private u32(at: number): number {
    return this.view.getUint32(at, true);
  }
}
