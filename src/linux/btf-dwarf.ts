import { concat } from '../bytes/concat.ts';
import { ByteWriter } from '../bytes/writer.ts';
import { AT, ENCODING, FORM, TAG } from '../symbols/dwarf/constants.ts';
import { type Btf, KIND, type TypeRecord } from './btf.ts';

/** A function or variable that types are known of. */
export interface TypedSymbol {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  /** Number of its BTF type: a prototype for functions. */
  readonly type: number;
  /** Its name, or the offset of that in the string table of the BTF. */
  readonly name: number | string;
}

/** What a kernel's types are turned into. */
export type WrittenDwarf = Readonly<Record<'.debug_info' | '.debug_abbrev' | '.debug_str', Uint8Array>>;

const VERSION = 4;
const LANGUAGE_C99 = 0x0c;
/** Bits of an integer's encoding in BTF. */
const INT = { signed: 1, char: 2, boolean: 4 } as const;
const OP_ADDR = 3;

type Attributes = readonly (readonly [attribute: number, form: number])[];

const NAME = [AT.name, FORM.strp] as const;
const TYPE = [AT.type, FORM.ref4] as const;
const SIZE = [AT.byteSize, FORM.data4] as const;
const PLACE = [AT.dataMemberLocation, FORM.data4] as const;
const BITS = [
  [AT.bitSize, FORM.data1],
  [AT.dataBitOffset, FORM.data4],
] as const;
const CODE = [
  [AT.lowPc, FORM.addr],
  [AT.highPc, FORM.data8],
  [AT.prototyped, FORM.flagPresent],
] as const;

/** The table of abbreviations as it fills. */
class Abbreviations {
  private readonly writer = new ByteWriter();
  private readonly codes = new Map<string, number>();

  /** The code of a kind of entry. */
  code(tag: number, children: boolean, attributes: Attributes): number {
    const key = `${tag} ${children} ${attributes.join()}`;
    let code = this.codes.get(key);
    if (code !== undefined) return code;
    code = this.codes.size + 1;
    this.codes.set(key, code);
    this.writer.varint(code);
    this.writer.varint(tag);
    this.writer.bool(children);
    for (const [attribute, form] of [...attributes, [0, 0]]) {
      this.writer.varint(attribute);
      this.writer.varint(form);
    }
    return code;
  }

  finish(): Uint8Array {
    this.writer.u8(0);
    return this.writer.finish();
  }
}

/** Turns BTF into DWARF 4: one unit of all types, with the functions and variables that have an address. */
export function btfToDwarf(
  btf: Btf,
  functions: readonly TypedSymbol[],
  variables: readonly TypedSymbol[],
  range: { readonly start: bigint; readonly end: bigint },
): WrittenDwarf {
  return new Writer(btf).write(functions, variables, range);
}

class Writer {
  private readonly btf: Btf;
  private readonly info = new ByteWriter(16 << 20);
  private readonly abbreviations = new Abbreviations();
  private readonly strings = new ByteWriter();
  /** Offset of the entry of each type. */
  private readonly offsets: Uint32Array;
  /** Where references are, and to which types. */
  private readonly references: number[] = [];

  constructor(btf: Btf) {
    this.btf = btf;
    this.offsets = new Uint32Array(btf.count + 1);
  }

  write(
    functions: readonly TypedSymbol[],
    variables: readonly TypedSymbol[],
    { start, end }: { readonly start: bigint; readonly end: bigint },
  ): WrittenDwarf {
    const { btf, info } = this;
    const strings = btf.stringTable;
    info.u32(0);
    info.u16(VERSION);
    info.u32(0);
    info.u8(8);
    this.begin(TAG.compileUnit, true, [
      [AT.producer, FORM.strp],
      [AT.language, FORM.data1],
      NAME,
      [AT.lowPc, FORM.addr],
      [AT.highPc, FORM.data8],
    ]);
    info.u32(this.string('hindsight, from kallsyms and BTF'));
    info.u8(LANGUAGE_C99);
    info.u32(this.string('vmlinux'));
    info.u64(start);
    info.u64(end - start);
    for (let type = 1; type <= btf.count; type++) {
      this.offsets[type] = info.length;
      this.type(btf.record(type));
    }
    for (const symbol of functions) this.function(symbol);
    for (const symbol of variables) this.variable(symbol);
    info.u8(0);
    const bytes = info.finish();
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length - 4, true);
    for (let i = 0; i < this.references.length; i += 2)
      view.setUint32(this.references[i], this.offsets[this.references[i + 1]], true);
    return {
      '.debug_info': bytes,
      '.debug_abbrev': this.abbreviations.finish(),
      '.debug_str': concat([strings, this.strings.finish()]),
    };
  }

  /** Offset of a text after the names of the BTF. */
  private string(text: string): number {
    const at = this.btf.stringTable.length + this.strings.length;
    this.strings.raw(new TextEncoder().encode(`${text}\0`));
    return at;
  }

  private begin(tag: number, children: boolean, attributes: Attributes): void {
    this.info.varint(this.abbreviations.code(tag, children, attributes));
  }

  /** The type that a number leads to: tags are no types of DWARF's. */
  private target(type: number): number {
    let at = type;
    for (let depth = 0; depth < 64; depth++) {
      const { kind, value } = this.btf.record(at);
      if (kind !== KIND.TYPE_TAG) return at;
      at = value;
    }
    return 0;
  }

  private reference(target: number): void {
    this.references.push(this.info.length, target);
    this.info.u32(0);
  }

  /** An entry of a name, if it has one, and of a type, if that is not void. */
  private named(tag: number, children: boolean, name: number, type: number, more: Attributes = []): void {
    const target = this.target(type);
    this.begin(tag, children, [...(name === 0 ? [] : [NAME]), ...(target === 0 ? [] : [TYPE]), ...more]);
    if (name !== 0) this.info.u32(name);
    if (target !== 0) this.reference(target);
  }

  private type(record: TypeRecord): void {
    const { info } = this;
    const { kind, name, flag, value, word } = record;
    switch (kind) {
      case KIND.INT:
        return this.base(name, value, integerEncoding((word(0) >>> 24) & 15, value));
      case KIND.FLOAT:
        return this.base(name, value, ENCODING.float);
      case KIND.PTR:
        return this.named(TAG.pointerType, false, 0, value);
      case KIND.TYPEDEF:
        return this.named(TAG.typedef, false, name, value);
      case KIND.CONST:
        return this.named(TAG.constType, false, 0, value);
      case KIND.VOLATILE:
        return this.named(TAG.volatileType, false, 0, value);
      case KIND.RESTRICT:
        return this.named(TAG.restrictType, false, 0, value);
      case KIND.ARRAY:
        this.named(TAG.arrayType, true, 0, word(0));
        this.named(TAG.subrangeType, false, 0, word(1), [[AT.count, FORM.data4]]);
        info.u32(word(2));
        return info.u8(0);
      case KIND.STRUCT:
      case KIND.UNION:
        return this.structure(record);
      case KIND.FWD:
        return this.named(flag ? TAG.unionType : TAG.structureType, false, name, 0, [
          [AT.declaration, FORM.flagPresent],
        ]);
      case KIND.ENUM:
      case KIND.ENUM64:
        return this.enumeration(record);
      case KIND.FUNC_PROTO:
        this.named(TAG.subroutineType, true, 0, value, [[AT.prototyped, FORM.flagPresent]]);
        return this.parameters(record);
      default:
    }
  }

  private base(name: number, size: number, encoding: number): void {
    this.named(TAG.baseType, false, name, 0, [SIZE, [AT.encoding, FORM.data1]]);
    this.info.u32(size);
    this.info.u8(encoding);
  }

  private structure({ kind, name, flag, value, count, word }: TypeRecord): void {
    const { info } = this;
    this.named(kind === KIND.STRUCT ? TAG.structureType : TAG.unionType, true, name, 0, [SIZE]);
    info.u32(value);
    for (let i = 0; i < count; i++) {
      const place = word(3 * i + 2);
      const bits = flag ? place >>> 24 : 0;
      const bit = flag ? place & 0xff_ffff : place;
      this.named(TAG.member, false, word(3 * i), word(3 * i + 1), bits === 0 ? [PLACE] : BITS);
      if (bits === 0) info.u32(bit >>> 3);
      else {
        info.u8(bits);
        info.u32(bit);
      }
    }
    info.u8(0);
  }

  private enumeration({ kind, name, flag, value, count, word }: TypeRecord): void {
    const { info } = this;
    this.named(TAG.enumerationType, true, name, 0, [SIZE]);
    info.u32(value);
    const wide = kind === KIND.ENUM64;
    for (let i = 0; i < count; i++) {
      const at = (wide ? 3 : 2) * i;
      const bits = BigInt(word(at + 1)) | (wide ? BigInt(word(at + 2)) << 32n : 0n);
      this.named(TAG.enumerator, false, word(at), 0, [[AT.constValue, FORM.sdata]]);
      info.sleb128(flag ? BigInt.asIntN(wide ? 64 : 32, bits) : bits);
    }
    info.u8(0);
  }

  private parameters({ count, word }: TypeRecord): void {
    for (let i = 0; i < count; i++) {
      const type = word(2 * i + 1);
      // The last one of a function with any number of them.
      if (type === 0) this.begin(TAG.unspecifiedParameters, false, []);
      else this.named(TAG.formalParameter, false, word(2 * i), type);
    }
    this.info.u8(0);
  }

  private function({ address, size, type, name }: TypedSymbol): void {
    const prototype = this.btf.record(type);
    this.named(TAG.subprogram, true, typeof name === 'string' ? this.string(name) : name, prototype.value, CODE);
    this.info.u64(address);
    this.info.u64(BigInt(size));
    this.parameters(prototype);
  }

  private variable({ address, type, name }: TypedSymbol): void {
    this.named(TAG.variable, false, typeof name === 'string' ? this.string(name) : name, type, [
      [AT.location, FORM.exprloc],
    ]);
    this.info.u8(9);
    this.info.u8(OP_ADDR);
    this.info.u64(address);
  }
}

/** @param size bytes: BTF does not say which of one byte are characters, and in C all are */
function integerEncoding(bits: number, size: number): number {
  if ((bits & INT.boolean) !== 0) return ENCODING.boolean;
  const signed = (bits & INT.signed) !== 0;
  if ((bits & INT.char) !== 0 || size === 1) return signed ? ENCODING.signedChar : ENCODING.unsignedChar;
  return signed ? ENCODING.signed : ENCODING.unsigned;
}
