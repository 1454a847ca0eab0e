import type { ElfFile } from '../elf.ts';

/** The sections that debug information is read from. Those that a file does not have are empty. */
export interface DwarfSections {
  /** For messages: the file. */
  readonly name: string;
  readonly info: Uint8Array;
  readonly abbrev: Uint8Array;
  readonly str: Uint8Array;
  readonly lineStr: Uint8Array;
  readonly strOffsets: Uint8Array;
  readonly addr: Uint8Array;
  readonly ranges: Uint8Array;
  readonly rnglists: Uint8Array;
  readonly loc: Uint8Array;
  readonly loclists: Uint8Array;
  /** Of the file that dwz made of what several files have in common (section 7.3.6). */
  readonly supplementary?: DwarfSections;
}

const NONE = new Uint8Array(0);

/** Finds a file's sections; undefined when it has no debug information. */
export function dwarfSections(elf: ElfFile, name: string, supplementary?: DwarfSections): DwarfSections | undefined {
  const section = (of: string): Uint8Array => elf.section(`.debug_${of}`) ?? NONE;
  const info = section('info');
  if (info.length === 0) return undefined;
  return {
    name,
    info,
    abbrev: section('abbrev'),
    str: section('str'),
    lineStr: section('line_str'),
    strOffsets: section('str_offsets'),
    addr: section('addr'),
    ranges: section('ranges'),
    rnglists: section('rnglists'),
    loc: section('loc'),
    loclists: section('loclists'),
    ...(supplementary && { supplementary }),
  };
}
