import { type Abbreviation, readAbbreviations } from './abbreviations.ts';
import { AT, FORM, TAG } from './constants.ts';
import type { DebugEntry } from './entry.ts';
import { evaluateLocation, evaluateNumber, type Location, LocationError, type LocationScope } from './expression.ts';
import { type AddressRange, locationAt } from './lists.ts';
import { DwarfReader } from './reader.ts';
import type { DwarfSections } from './sections.ts';
import { type Type, Types } from './types.ts';
import { readUnitHeader, Unit } from './unit.ts';

/** A function, or a copy of one within another, that an address is in. */
export interface FunctionInstance {
  /** A subprogram or an inlined subroutine. */
  readonly entry: DebugEntry;
  readonly name: string | undefined;
  /** Blocks around the address within it, the innermost first; the function itself is the last. */
  readonly blocks: readonly DebugEntry[];
  /** Where it was inlined: number of the file in the unit's line table, and line. */
  readonly call?: { readonly file: number; readonly line: number };
}

const TYPE_TAGS: ReadonlySet<number> = new Set([
  TAG.baseType,
  TAG.typedef,
  TAG.structureType,
  TAG.classType,
  TAG.unionType,
  TAG.enumerationType,
]);
const BLOCKS: ReadonlySet<number> = new Set([TAG.lexicalBlock, TAG.inlinedSubroutine, TAG.subprogram]);
const MOST_UNITS = 200_000;
/** Addresses whose functions are kept: conditions ask for the same again and again. */
const MOST_REMEMBERED = 4096;
let lastId = 0;

/** The debug information of one file (DWARF 2 to 5): read where it is asked for, so that a large file opens at once. */
export class DebugInfo {
  /** Tells files apart. */
  readonly id = ++lastId;
  readonly sections: DwarfSections;
  readonly types: Types;
  /** Of what dwz took out of several files. */
  readonly supplementary: DebugInfo | undefined;
  private readonly units: Unit[] = [];
  private readonly signatures = new Map<bigint, Unit>();
  private readonly tables = new Map<number, ReadonlyMap<number, Abbreviation>>();
  private readonly instances = new Map<bigint, readonly FunctionInstance[]>();
  private covered: { readonly low: bigint; readonly high: bigint; readonly unit: Unit }[] | undefined;

  /** Headers of units are read at once; one that is malformed ends that, and what comes after is left out. */
  constructor(sections: DwarfSections) {
    this.sections = sections;
    this.supplementary = sections.supplementary && new DebugInfo(sections.supplementary);
    this.types = new Types(
      (entry) => this.qualifiedName(entry),
      (entry) => this.definitionOf(entry),
    );
    const r = new DwarfReader(sections.info, '.debug_info');
    try {
      while (r.remaining > 11 && this.units.length < MOST_UNITS) {
        const header = readUnitHeader(r);
        r.at = header.end;
        if (header.version === undefined) continue;
        const unit = new Unit(this, header);
        this.units.push(unit);
        if (header.signature !== undefined) this.signatures.set(header.signature, unit);
      }
    } catch (e) {
      if (!(e instanceof RangeError)) throw e;
    }
  }

  abbreviations(offset: number): ReadonlyMap<number, Abbreviation> {
    let table = this.tables.get(offset);
    if (table === undefined) {
      table = readAbbreviations(this.sections.abbrev, offset);
      this.tables.set(offset, table);
    }
    return table;
  }

  /** The entry at an offset of `.debug_info`. @throws RangeError when there is none */
  entry(offset: number): DebugEntry {
    let low = 0;
    let high = this.units.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.units[middle].offset <= offset) low = middle + 1;
      else high = middle;
    }
    const unit = this.units[low - 1];
    if (unit === undefined) throw new RangeError(`.debug_info: offset ${offset} is in no unit`);
    return unit.entry(offset);
  }

  /** The type of a type unit. */
  typeUnit(signature: bigint): DebugEntry | undefined {
    const unit = this.signatures.get(signature);
    return unit?.typeAt === undefined ? undefined : unit.entry(unit.typeAt);
  }

  /** The units whose code an address of the file is in: what the assembler says of its own may reach too far after the linker's relaxation. */
  private unitsAt(pc: bigint): Unit[] {
    this.covered ??= this.units.flatMap((unit) => {
      return this.rangesOf(unit).map(([low, high]) => ({ low, high, unit }));
    });
    return this.covered.filter(({ low, high }) => pc >= low && pc < high).map(({ unit }) => unit);
  }

  private rangesOf(unit: Unit): readonly AddressRange[] {
    try {
      if (unit.root.tag !== TAG.compileUnit) return [];
      const own = unit.ranges(unit.root);
      return own.length > 0 ? own : unit.index.functions.flatMap(({ ranges }) => ranges);
    } catch (e) {
      if (e instanceof RangeError) return [];
      throw e;
    }
  }

  /** The functions that an address of the file is in, the innermost first: copies that were inlined, and the one that has a frame. */
  functionsAt(pc: bigint): readonly FunctionInstance[] {
    let found = this.instances.get(pc);
    if (found === undefined) {
      if (this.instances.size >= MOST_REMEMBERED) this.instances.clear();
      found = this.findFunctions(pc);
      this.instances.set(pc, found);
    }
    return found;
  }

  private findFunctions(pc: bigint): FunctionInstance[] {
    const outermost = this.unitsAt(pc)
      .map((unit) => unit.functionAt(pc))
      .find((entry) => entry !== undefined);
    if (outermost === undefined) return [];
    const { unit } = outermost;
    const out: FunctionInstance[] = [];
    let blocks: DebugEntry[] = [outermost];
    let entry: DebugEntry = outermost;
    const close = (instance: DebugEntry): void => {
      const call = instance.small(AT.callLine);
      out.unshift({
        entry: instance,
        name: this.functionName(instance),
        blocks: blocks.toReversed(),
        ...(call !== undefined && { call: { line: call, file: instance.small(AT.callFile) ?? 0 } }),
      });
    };
    let instance = outermost;
    for (let depth = 0; depth < 256; depth++) {
      const inner = entry.children.find(
        (c) => BLOCKS.has(c.tag) && unit.ranges(c).some(([low, high]) => pc >= low && pc < high),
      );
      if (inner === undefined) break;
      if (inner.tag !== TAG.lexicalBlock) {
        close(instance);
        instance = inner;
        blocks = [];
      }
      blocks.push(inner);
      entry = inner;
    }
    close(instance);
    return out;
  }

  /** A function's name, with the namespaces and classes it is in. */
  functionName(entry: DebugEntry): string | undefined {
    const abstract = entry.reference(AT.abstractOrigin) ?? entry;
    const declared = abstract.reference(AT.specification) ?? abstract;
    return this.qualifiedName(declared) ?? declared.text(AT.linkageName);
  }

  /** A name with those of the namespaces and types around it. */
  qualifiedName(entry: DebugEntry): string | undefined {
    const { name, unit } = entry;
    if (name === undefined) return undefined;
    if (!unit.isCPlusPlus && !unit.isRust) return name;
    const names = [name];
    const { parents } = unit.index;
    let at = parents.get(entry.offset);
    for (let depth = 0; at !== undefined && depth < 64; depth++) {
      const parent = unit.entry(at);
      names.unshift(parent.name ?? (parent.tag === TAG.namespace ? '(anonymous namespace)' : '{...}'));
      at = parents.get(at);
    }
    return names.join('::');
  }

  /**
   * A global variable, function or enumerator, or with `types` a type, by its name. @param name with or without namespaces
   * @param near a unit whose own is preferred
   */
  global(name: string, near?: Unit, types = false): DebugEntry | undefined {
    const last = /[^:]+$/.exec(name)?.[0] ?? name;
    let declared: DebugEntry | undefined;
    const look = (unit: Unit): DebugEntry | undefined => {
      let found: readonly number[] | undefined;
      try {
        found = unit.index.names.get(last);
      } catch (e) {
        // A unit that cannot be read has no names; others may.
        if (e instanceof RangeError) return undefined;
        throw e;
      }
      for (const offset of found ?? []) {
        const entry = unit.entry(offset);
        if (TYPE_TAGS.has(entry.tag) !== types) continue;
        if (name !== last && !this.inheritedName(entry)?.endsWith(name)) continue;
        if (!entry.flag(AT.declaration)) return entry;
        declared ??= entry;
      }
      return undefined;
    };
    const own = near && near.info === this ? look(near) : undefined;
    if (own !== undefined) return own;
    for (const unit of this.units) {
      const entry = unit === near ? undefined : look(unit);
      if (entry !== undefined) return entry;
    }
    return declared ?? this.supplementary?.global(name, undefined, types);
  }

  /** Names of globals that begin with a text. @param most how many at most */
  globalsWith(prefix: string, most: number): string[] {
    const out = new Set<string>();
    for (const unit of this.units) {
      for (const name of unit.index.names.keys()) if (name.startsWith(prefix)) out.add(name);
      if (out.size >= most) break;
    }
    return [...out].slice(0, most);
  }

  private inheritedName(entry: DebugEntry): string | undefined {
    return this.qualifiedName(entry.reference(AT.specification) ?? entry);
  }

  private definitionOf(entry: DebugEntry): DebugEntry | undefined {
    const signature = entry.reference(AT.signature);
    if (signature !== undefined) return signature;
    const name = this.qualifiedName(entry);
    const found = name === undefined ? undefined : this.global(name, undefined, true);
    return found?.flag(AT.declaration) ? undefined : found;
  }

  /**
   * Where a variable or parameter is.
   * @param pc an address of the file within its function, where it may be in different places
   * @throws LocationError when it cannot be told here
   */
  locate(entry: DebugEntry, pc: bigint | undefined, scope: LocationScope): Location {
    const constant = entry.inherited((e) => (e.has(AT.constValue) ? e : undefined));
    const holder = entry.inherited((e) => (e.has(AT.location) ? e : undefined));
    if (holder === undefined) {
      if (constant === undefined) return { kind: 'none' };
      const bytes = constant.block(AT.constValue);
      if (bytes !== undefined) return { kind: 'bytes', bytes };
      const text = constant.form(AT.constValue) === FORM.string ? constant.text(AT.constValue) : undefined;
      if (text !== undefined) return { kind: 'bytes', bytes: new TextEncoder().encode(`${text}\0`) };
      return { kind: 'value', value: BigInt.asUintN(64, constant.number(AT.constValue) ?? 0n) };
    }
    const { unit } = holder;
    const block = holder.block(AT.location);
    const offset = holder.small(AT.location);
    const list = (): Uint8Array | undefined =>
      offset === undefined || pc === undefined
        ? undefined
        : locationAt(unit, offset, holder.form(AT.location) === FORM.loclistx, pc);
    const expression = block ?? list();
    return expression === undefined ? { kind: 'none' } : evaluateLocation(expression, unit, scope);
  }

  /** The frame base of a function at a pc, which its locals are counted from. */
  frameBase(subprogram: DebugEntry, pc: bigint, scope: LocationScope): bigint | undefined {
    const { unit } = subprogram;
    const block = subprogram.block(AT.frameBase);
    const offset = subprogram.small(AT.frameBase);
    const expression =
      block ??
      (offset === undefined
        ? undefined
        : locationAt(unit, offset, subprogram.form(AT.frameBase) === FORM.loclistx, pc));
    if (expression === undefined) return undefined;
    try {
      return evaluateNumber(expression, unit, scope);
    } catch (e) {
      if (e instanceof LocationError) return undefined;
      throw e;
    }
  }

  /** The type of a variable. */
  typeOf(entry: DebugEntry): Type {
    return this.types.ofAttribute(entry);
  }
}
