import type { Abbreviation } from './abbreviations.ts';
import { AT, CPLUSPLUS, FORM, LANGUAGE, TAG } from './constants.ts';
import type { DebugInfo } from './debug-info.ts';
import { DebugEntry } from './entry.ts';
import { type AddressRange, readRanges } from './lists.ts';
import { DwarfReader } from './reader.ts';

/** What a unit is about, as its header says (DWARF 5, section 7.5.1). */
export interface UnitHeader {
  readonly offset: number;
  readonly end: number;
  readonly wide: boolean;
  readonly version: number;
  readonly abbreviationsAt: number;
  /** Where its first entry is. */
  readonly first: number;
  /** Of type units. */
  readonly signature?: bigint;
  readonly typeAt?: number;
}

const UNIT_TYPE = { type: 2, skeleton: 4, splitCompile: 5, splitType: 6 } as const;

/** Reads a unit's header. @returns undefined for one of a version that is not known; `end` then tells where the next begins */
export function readUnitHeader(r: DwarfReader): UnitHeader | { readonly end: number; readonly version: undefined } {
  const offset = r.at;
  const { end, wide } = r.initialLength();
  const version = r.u16();
  if (version < 2 || version > 5) return { end, version: undefined };
  let kind = 0;
  let addressSize: number;
  let abbreviationsAt: number;
  if (version === 5) {
    kind = r.u8();
    addressSize = r.u8();
    abbreviationsAt = r.offsetOf(wide);
  } else {
    abbreviationsAt = r.offsetOf(wide);
    addressSize = r.u8();
  }
  if (addressSize !== 8) return { end, version: undefined };
  if (kind === UNIT_TYPE.skeleton || kind === UNIT_TYPE.splitCompile) r.skip(8);
  const ofType = kind === UNIT_TYPE.type || kind === UNIT_TYPE.splitType;
  const signature = ofType ? r.u64() : undefined;
  const typeAt = ofType ? offset + r.offsetOf(wide) : undefined;
  return {
    offset,
    end,
    wide,
    version,
    abbreviationsAt,
    first: r.at,
    ...(signature !== undefined && { signature, typeAt }),
  };
}

/** What a unit defines, by name and by address. */
interface UnitIndex {
  /** Variables, functions and types outside functions, by their own name. */
  readonly names: ReadonlyMap<string, readonly number[]>;
  readonly functions: readonly { readonly offset: number; readonly ranges: readonly AddressRange[] }[];
  /** What encloses an entry that is in a namespace or a type. */
  readonly parents: ReadonlyMap<number, number>;
}

/** Tags whose children are looked through for names. */
const CONTAINERS: ReadonlySet<number> = new Set([
  TAG.namespace,
  TAG.structureType,
  TAG.classType,
  TAG.unionType,
  TAG.enumerationType,
]);
const NAMED: ReadonlySet<number> = new Set([
  TAG.variable,
  TAG.subprogram,
  TAG.baseType,
  TAG.typedef,
  TAG.structureType,
  TAG.classType,
  TAG.unionType,
  TAG.enumerationType,
  TAG.enumerator,
]);
const KEPT = 50_000;

/** A unit of debug information: what one source file was compiled to. */
export class Unit {
  readonly info: DebugInfo;
  readonly offset: number;
  readonly end: number;
  readonly wide: boolean;
  readonly version: number;
  readonly typeAt: number | undefined;
  private readonly header: UnitHeader;
  private readonly entries = new Map<number, DebugEntry>();
  private indexed: UnitIndex | undefined;
  private first: DebugEntry | undefined;
  private table: ReadonlyMap<number, Abbreviation> | undefined;

  constructor(info: DebugInfo, header: UnitHeader) {
    this.info = info;
    this.header = header;
    this.offset = header.offset;
    this.end = header.end;
    this.wide = header.wide;
    this.version = header.version;
    this.typeAt = header.typeAt;
  }

  get abbreviations(): ReadonlyMap<number, Abbreviation> {
    return (this.table ??= this.info.abbreviations(this.header.abbreviationsAt));
  }

  /** @throws RangeError when the offset is outside of the unit */
  reader(offset: number): DwarfReader {
    if (!(offset >= this.header.first && offset < this.end))
      throw new RangeError(`.debug_info: offset ${offset} is not in the unit at ${this.offset}`);
    return new DwarfReader(this.info.sections.info.subarray(0, this.end), '.debug_info', offset);
  }

  /** The entry at an offset of the section. @throws RangeError when there is none */
  entry(offset: number): DebugEntry {
    let entry = this.entries.get(offset);
    if (entry === undefined) {
      entry = DebugEntry.at(this, offset);
      if (entry === undefined) throw new RangeError(`.debug_info: there is no entry at offset ${offset}`);
      if (this.entries.size >= KEPT) this.entries.clear();
      this.entries.set(offset, entry);
    }
    return entry;
  }

  /** The entry of the unit itself. */
  get root(): DebugEntry {
    return (this.first ??= this.entry(this.header.first));
  }

  get isRust(): boolean {
    return this.root.small(AT.language) === LANGUAGE.rust;
  }

  get isCPlusPlus(): boolean {
    return CPLUSPLUS.has(this.root.small(AT.language) ?? 0);
  }

  /** The address that entries of lists are counted from. */
  get base(): bigint {
    return this.root.address(AT.lowPc) ?? 0n;
  }

  /** The addresses of an entry's code. */
  ranges(entry: DebugEntry): readonly AddressRange[] {
    const low = entry.address(AT.lowPc);
    if (entry.has(AT.ranges)) {
      const offset = entry.small(AT.ranges);
      return offset === undefined ? [] : readRanges(this, offset, entry.form(AT.ranges) === FORM.rnglistx);
    }
    if (low === undefined) return [];
    const high = entry.address(AT.highPc) ?? low + (entry.number(AT.highPc) ?? 1n);
    return high > low ? [[low, high]] : [];
  }

  addressAt(index: number): bigint {
    const at = (this.root.small(AT.addrBase) ?? 0) + 8 * index;
    return new DwarfReader(this.info.sections.addr, '.debug_addr', at).u64();
  }

  /** A string that is in a section of its own. */
  textOf(value: number, form: number): string | undefined {
    const { sections } = this.info;
    const read = (section: Uint8Array, name: string, at: number): string =>
      new DwarfReader(section, name, at).textToNul();
    switch (form) {
      case FORM.strp:
        return read(sections.str, '.debug_str', value);
      case FORM.lineStrp:
        return read(sections.lineStr, '.debug_line_str', value);
      case FORM.strpSup:
      case FORM.gnuStrpAlt:
        return sections.supplementary && read(sections.supplementary.str, '.debug_str', value);
      case FORM.strx:
      case FORM.strx1:
      case FORM.strx2:
      case FORM.strx3:
      case FORM.strx4: {
        const base = this.root.small(AT.strOffsetsBase) ?? (this.wide ? 16 : 8);
        const at = base + value * (this.wide ? 8 : 4);
        const offset = new DwarfReader(sections.strOffsets, '.debug_str_offsets', at).offsetOf(this.wide);
        return read(sections.str, '.debug_str', offset);
      }
      default:
        return undefined;
    }
  }

  get index(): UnitIndex {
    return (this.indexed ??= this.makeIndex());
  }

  private makeIndex(): UnitIndex {
    const names = new Map<string, number[]>();
    const functions: { offset: number; ranges: readonly AddressRange[] }[] = [];
    const parents = new Map<number, number>();
    const visit = (container: DebugEntry, depth: number): void => {
      for (const child of container.children) {
        if (container !== this.root) parents.set(child.offset, container.offset);
        if (child.tag === TAG.subprogram) {
          const ranges = this.ranges(child);
          if (ranges.length > 0) functions.push({ offset: child.offset, ranges });
        }
        if (NAMED.has(child.tag)) {
          const name = child.inherited((e) => e.name);
          if (name !== undefined) {
            const known = names.get(name);
            if (known) known.push(child.offset);
            else names.set(name, [child.offset]);
          }
        }
        if (CONTAINERS.has(child.tag) && depth < 64) visit(child, depth + 1);
      }
    };
    visit(this.root, 0);
    return { names, functions, parents };
  }

  /** The function whose code an address is in. */
  functionAt(address: bigint): DebugEntry | undefined {
    const found = this.index.functions.find(({ ranges }) =>
      ranges.some(([low, high]) => address >= low && address < high),
    );
    return found && this.entry(found.offset);
  }
}
