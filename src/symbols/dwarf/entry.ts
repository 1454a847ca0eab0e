import type { Abbreviation } from './abbreviations.ts';
import { AT, FORM } from './constants.ts';
import type { DwarfReader } from './reader.ts';
import type { Unit } from './unit.ts';

/** A value as it is written: what it means is its form's to say. */
type Raw = number | bigint | string | Uint8Array;

/** Children of one entry that are read at most. */
const MOST_CHILDREN = 1_000_000;
/** Entries within entries. */
const DEEPEST = 512;

/** A debugging information entry (DWARF 5, section 2.1). Its children are read when they are asked for. */
export class DebugEntry {
  readonly unit: Unit;
  /** In the section. */
  readonly offset: number;
  readonly tag: number;
  private readonly abbreviation: Abbreviation;
  private readonly values: readonly Raw[];
  /** Where its children begin. */
  private readonly next: number;
  private read: readonly DebugEntry[] | undefined;

  private constructor(unit: Unit, offset: number, abbreviation: Abbreviation, values: readonly Raw[], next: number) {
    this.unit = unit;
    this.offset = offset;
    this.abbreviation = abbreviation;
    this.values = values;
    this.next = next;
    this.tag = abbreviation.tag;
  }

  /** Reads the entry at an offset of the section. @returns undefined for the null entry that ends a list @throws RangeError when it is malformed */
  static at(unit: Unit, offset: number): DebugEntry | undefined {
    const r = unit.reader(offset);
    const code = r.uleb();
    if (code === 0) return undefined;
    const abbreviation = unit.abbreviations.get(code);
    if (abbreviation === undefined)
      throw new RangeError(`.debug_info: the entry at offset ${offset} has abbreviation ${code}, which its unit lacks`);
    const { forms, implicit } = abbreviation;
    const values = forms.map((form, i) => readForm(r, form, unit, implicit.get(i)));
    return new DebugEntry(unit, offset, abbreviation, values, r.at);
  }

  get hasChildren(): boolean {
    return this.abbreviation.children;
  }

  /** @throws RangeError when they are malformed */
  get children(): readonly DebugEntry[] {
    if (this.read !== undefined) return this.read;
    const out: DebugEntry[] = [];
    if (this.hasChildren) {
      for (let at = this.next; ; ) {
        const child = DebugEntry.at(this.unit, at);
        if (child === undefined) break;
        out.push(child);
        if (out.length > MOST_CHILDREN)
          throw new RangeError(`.debug_info: the entry at offset ${this.offset} has too many children`);
        at = child.end();
      }
    }
    this.read = out;
    return out;
  }

  /** Where the next entry on its level begins. */
  end(): number {
    if (!this.hasChildren) return this.next;
    const sibling = this.value(AT.sibling);
    if (typeof sibling === 'number') {
      const at = this.unit.offset + sibling;
      // Onwards only: entries that lead back would never end.
      if (at >= this.next && at <= this.unit.end) return at;
    }
    let depth = 1;
    let at = this.next;
    while (depth > 0) {
      const child = DebugEntry.at(this.unit, at);
      if (child === undefined) {
        depth--;
        // A null entry is one byte.
        at++;
        continue;
      }
      at = child.next;
      if (child.hasChildren && ++depth > DEEPEST)
        throw new RangeError(`.debug_info: entries at offset ${at} are nested too deeply`);
    }
    return at;
  }

  has(name: number): boolean {
    return this.abbreviation.names.includes(name);
  }

  form(name: number): number | undefined {
    const i = this.abbreviation.names.indexOf(name);
    return i < 0 ? undefined : this.abbreviation.forms[i];
  }

  private value(name: number): Raw | undefined {
    const i = this.abbreviation.names.indexOf(name);
    return i < 0 ? undefined : this.values[i];
  }

  /** A number, a flag, an offset or an index; undefined when the attribute is missing or none of these. */
  number(name: number): bigint | undefined {
    const v = this.value(name);
    return typeof v === 'bigint' ? v : typeof v === 'number' ? BigInt(v) : undefined;
  }

  /** Like {@link number}, where the value is known to be small. */
  small(name: number): number | undefined {
    const v = this.value(name);
    return typeof v === 'bigint' ? Number(v) : typeof v === 'number' ? v : undefined;
  }

  flag(name: number): boolean {
    const v = this.value(name);
    return v !== undefined && v !== 0 && v !== 0n;
  }

  /** A DWARF expression or another block. */
  block(name: number): Uint8Array | undefined {
    const v = this.value(name);
    return v instanceof Uint8Array ? v : undefined;
  }

  address(name: number): bigint | undefined {
    const v = this.value(name);
    const form = this.form(name);
    if (form === FORM.addr) return v as bigint;
    return typeof v === 'number' && isAddressIndex(form!) ? this.unit.addressAt(v) : undefined;
  }

  text(name: number): string | undefined {
    const v = this.value(name);
    if (typeof v === 'string') return v;
    return typeof v === 'number' ? this.unit.textOf(v, this.form(name)!) : undefined;
  }

  get name(): string | undefined {
    return this.text(AT.name);
  }

  /** The entry that an attribute refers to. */
  reference(name: number): DebugEntry | undefined {
    const v = this.value(name);
    if (v === undefined) return undefined;
    const form = this.form(name)!;
    if (form === FORM.refSig8) return this.unit.info.typeUnit(v as bigint);
    if (typeof v !== 'number') return undefined;
    switch (form) {
      case FORM.ref1:
      case FORM.ref2:
      case FORM.ref4:
      case FORM.ref8:
      case FORM.refUdata:
        return this.unit.entry(this.unit.offset + v);
      case FORM.refAddr:
        return this.unit.info.entry(v);
      case FORM.refSup4:
      case FORM.refSup8:
      case FORM.gnuRefAlt:
        return this.unit.info.supplementary?.entry(v);
      default:
        return undefined;
    }
  }

  /** An attribute of the entry, or of the one that it completes or is an instance of (sections 2.13.2, 3.3.8). */
  inherited<T>(get: (entry: DebugEntry) => T | undefined): T | undefined {
    let entry: DebugEntry | undefined = this;
    for (let depth = 0; entry !== undefined && depth < 8; depth++) {
      const found = get(entry);
      if (found !== undefined) return found;
      entry = entry.reference(AT.abstractOrigin) ?? entry.reference(AT.specification);
    }
    return undefined;
  }
}

const isAddressIndex = (form: number): boolean => form === FORM.addrx || (form >= FORM.addrx1 && form <= FORM.addrx4);

/** Reads a value (DWARF 5, section 7.5.5). @throws RangeError for a form that is not known: what follows cannot be read then */
function readForm(r: DwarfReader, form: number, unit: Unit, implicit: bigint | undefined): Raw {
  switch (form) {
    case FORM.addr:
      return r.u64();
    case FORM.data1:
    case FORM.flag:
    case FORM.ref1:
    case FORM.strx1:
    case FORM.addrx1:
      return r.u8();
    case FORM.data2:
    case FORM.ref2:
    case FORM.strx2:
    case FORM.addrx2:
      return r.u16();
    case FORM.strx3:
    case FORM.addrx3:
      return r.unsigned(3);
    case FORM.data4:
    case FORM.ref4:
    case FORM.strx4:
    case FORM.addrx4:
    case FORM.refSup4:
      return r.u32();
    case FORM.data8:
    case FORM.refSig8:
      return r.u64();
    case FORM.ref8:
    case FORM.refSup8:
      return Number(r.u64());
    case FORM.data16:
      return r.view(16);
    case FORM.string:
      return r.textToNul();
    case FORM.sdata:
      return r.sleb64();
    case FORM.udata:
      return r.uleb64();
    case FORM.refUdata:
    case FORM.strx:
    case FORM.addrx:
    case FORM.loclistx:
    case FORM.rnglistx:
      return r.uleb();
    case FORM.strp:
    case FORM.lineStrp:
    case FORM.strpSup:
    case FORM.secOffset:
    case FORM.gnuRefAlt:
    case FORM.gnuStrpAlt:
      return r.offsetOf(unit.wide);
    case FORM.refAddr:
      return unit.version === 2 ? Number(r.u64()) : r.offsetOf(unit.wide);
    case FORM.flagPresent:
      return 1;
    case FORM.implicitConst:
      return implicit ?? 0n;
    case FORM.block1:
      return r.view(r.u8());
    case FORM.block2:
      return r.view(r.u16());
    case FORM.block4:
      return r.view(r.u32());
    case FORM.block:
    case FORM.exprloc:
      return r.view(r.uleb());
    default:
      throw new RangeError(`.debug_info: form 0x${form.toString(16)} before offset ${r.at} is not known`);
  }
}
