import { AT } from './constants.ts';
import { DwarfReader } from './reader.ts';
import type { Unit } from './unit.ts';

/** Addresses [low, high). */
export type AddressRange = readonly [bigint, bigint];

/** Entries of lists since DWARF 5 (sections 7.7.3 and 7.25). The numbers of both kinds agree but for the last three. */
const KIND = { end: 0, baseX: 1, startEndX: 2, startLengthX: 3, offsetPair: 4 } as const;
const RANGE = { base: 5, startEnd: 6, startLength: 7 } as const;
const LOCATION = { default: 5, base: 6, startEnd: 7, startLength: 8, viewPair: 9 } as const;
/** Most entries of one list. */
const MOST = 100_000;
const ALL = 0xffff_ffff_ffff_ffffn;

/** Where a list begins that an index names: the table of offsets is at the unit's base. */
function indexed(unit: Unit, section: Uint8Array, name: string, attribute: number, index: number): number {
  const header = unit.wide ? 20 : 12;
  const base = unit.root.small(attribute) ?? header;
  return base + new DwarfReader(section, name, base + index * (unit.wide ? 8 : 4)).offsetOf(unit.wide);
}

/** Reads a list of ranges (DWARF 5, section 2.17.3). @throws RangeError when it is malformed */
export function readRanges(unit: Unit, offset: number, isIndex: boolean): AddressRange[] {
  const { sections } = unit.info;
  const out: AddressRange[] = [];
  const add = (low: bigint, high: bigint): void => {
    if (high > low) out.push([low, high]);
  };
  let base = unit.base;
  if (unit.version < 5) {
    const r = new DwarfReader(sections.ranges, '.debug_ranges', offset);
    while (out.length < MOST) {
      const [low, high] = [r.u64(), r.u64()];
      if (low === 0n && high === 0n) break;
      if (low === ALL) base = high;
      else add(base + low, base + high);
    }
    return out;
  }
  const at = isIndex ? indexed(unit, sections.rnglists, '.debug_rnglists', AT.rnglistsBase, offset) : offset;
  const r = new DwarfReader(sections.rnglists, '.debug_rnglists', at);
  while (out.length < MOST) {
    const kind = r.u8();
    if (kind === KIND.end) break;
    if (kind === KIND.baseX) base = unit.addressAt(r.uleb());
    else if (kind === KIND.startEndX) add(unit.addressAt(r.uleb()), unit.addressAt(r.uleb()));
    else if (kind === KIND.startLengthX) {
      const low = unit.addressAt(r.uleb());
      add(low, low + r.uleb64());
    } else if (kind === KIND.offsetPair) add(base + r.uleb64(), base + r.uleb64());
    else if (kind === RANGE.base) base = r.u64();
    else if (kind === RANGE.startEnd) add(r.u64(), r.u64());
    else if (kind === RANGE.startLength) {
      const low = r.u64();
      add(low, low + r.uleb64());
    } else throw new RangeError(`.debug_rnglists: entry ${kind} before offset ${r.at} is not known`);
  }
  return out;
}

/** The expression that says where something is while the pc is at an address (DWARF 5, section 2.6.2); undefined where it is nowhere. */
export function locationAt(unit: Unit, offset: number, isIndex: boolean, pc: bigint): Uint8Array | undefined {
  const { sections } = unit.info;
  let base = unit.base;
  if (unit.version < 5) {
    const r = new DwarfReader(sections.loc, '.debug_loc', offset);
    for (let i = 0; i < MOST; i++) {
      const [low, high] = [r.u64(), r.u64()];
      if (low === 0n && high === 0n) return undefined;
      if (low === ALL) {
        base = high;
        continue;
      }
      const expression = r.view(r.u16());
      if (pc >= base + low && pc < base + high) return expression;
    }
    return undefined;
  }
  const at = isIndex ? indexed(unit, sections.loclists, '.debug_loclists', AT.loclistsBase, offset) : offset;
  const r = new DwarfReader(sections.loclists, '.debug_loclists', at);
  let otherwise: Uint8Array | undefined;
  for (let i = 0; i < MOST; i++) {
    const kind = r.u8();
    if (kind === KIND.end) break;
    if (kind === KIND.baseX) {
      base = unit.addressAt(r.uleb());
      continue;
    }
    if (kind === LOCATION.base) {
      base = r.u64();
      continue;
    }
    if (kind === LOCATION.viewPair) {
      r.uleb();
      r.uleb();
      continue;
    }
    if (kind === LOCATION.default) {
      otherwise = r.view(r.uleb());
      continue;
    }
    let low: bigint;
    let high: bigint;
    if (kind === KIND.startEndX) [low, high] = [unit.addressAt(r.uleb()), unit.addressAt(r.uleb())];
    else if (kind === KIND.startLengthX) {
      low = unit.addressAt(r.uleb());
      high = low + r.uleb64();
    } else if (kind === KIND.offsetPair) [low, high] = [base + r.uleb64(), base + r.uleb64()];
    else if (kind === LOCATION.startEnd) [low, high] = [r.u64(), r.u64()];
    else if (kind === LOCATION.startLength) {
      low = r.u64();
      high = low + r.uleb64();
    } else throw new RangeError(`.debug_loclists: entry ${kind} before offset ${r.at} is not known`);
    const expression = r.view(r.uleb());
    if (pc >= low && pc < high) return expression;
  }
  return otherwise;
}
