import { FORM } from './constants.ts';
import { DwarfReader } from './reader.ts';

/** How entries of one kind are written (DWARF 5, section 7.5.3). */
export interface Abbreviation {
  readonly tag: number;
  readonly children: boolean;
  /** Attributes, and the form of each. */
  readonly names: readonly number[];
  readonly forms: readonly number[];
  /** Values that stand here instead of in the entries (DW_FORM_implicit_const). */
  readonly implicit: ReadonlyMap<number, bigint>;
}

/** Most attributes of one abbreviation, and most abbreviations of one table. */
const MOST_ATTRIBUTES = 256;
const MOST = 100_000;

/** Reads one table of abbreviations. @throws RangeError when it is malformed */
export function readAbbreviations(section: Uint8Array, offset: number): ReadonlyMap<number, Abbreviation> {
  const r = new DwarfReader(section, '.debug_abbrev', offset);
  const out = new Map<number, Abbreviation>();
  for (let code = r.uleb(); code !== 0; code = r.uleb()) {
    const tag = r.uleb();
    const children = r.u8() !== 0;
    const names: number[] = [];
    const forms: number[] = [];
    const implicit = new Map<number, bigint>();
    for (;;) {
      const name = r.uleb();
      const form = r.uleb();
      const value = form === FORM.implicitConst ? r.sleb64() : undefined;
      if (name === 0 && form === 0) break;
      if (value !== undefined) implicit.set(names.length, value);
      names.push(name);
      forms.push(form);
      if (names.length > MOST_ATTRIBUTES)
        throw new RangeError(`.debug_abbrev: the abbreviation before offset ${r.at} has too many attributes`);
    }
    out.set(code, { tag, children, names, forms, implicit });
    if (out.size > MOST) throw new RangeError(`.debug_abbrev: the table at offset ${offset} is too long`);
  }
  return out;
}
