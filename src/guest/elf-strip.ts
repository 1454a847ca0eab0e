/**
 * Makes a kernel module small and quick to load: the type information (.BTF), debug sections,
 * comments and every symbol no relocation needs go away, and so does the signature appended
 * to the object. RISC-V objects carry one local label per relaxable instruction; those
 * labels are nine tenths of a module, and the kernel would read them all.
 *
 * Function names stay, so that kernel backtraces and debuggers keep speaking of them.
 */
import { EHDR_SIZE, type ElfSection, readSections, SHDR_SIZE, SHT, stringAt } from './elf-sections.ts';

const SYM_SIZE = 24;
const RELA_SIZE = 24;
const STB_LOCAL = 0;
const STT_FUNC = 2;
const STT_SECTION = 3;
const SHN_LORESERVE = 0xff00;
const SHF_INFO_LINK = 0x40n;

const DROPPED = /^\.(rela?\.)?(BTF.*|debug_.*|comment|note\.GNU-stack|riscv\.attributes|llvm_addrsig)$/;

const latin1Bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** A string table under construction; equal strings are kept once. */
class StringTable {
  private readonly offsets = new Map<string, number>([['', 0]]);
  private readonly parts: Uint8Array[] = [new Uint8Array(1)];
  private size = 1;

  add(text: string): number {
    const known = this.offsets.get(text);
    if (known !== undefined) return known;
    const at = this.size;
    this.offsets.set(text, at);
    this.parts.push(latin1Bytes(`${text}\0`));
    this.size += text.length + 1;
    return at;
  }

  bytes(): Uint8Array {
    return concat(this.parts, this.size);
  }
}

function concat(parts: readonly Uint8Array[], size: number): Uint8Array {
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * The stripped form of a relocatable RISC-V object.
 *
 * @throws Error when the object is not one, has no or several symbol tables, or uses section groups or extended section
 * indices (no Debian kernel module does).
 */
export function stripModule(image: Uint8Array): Uint8Array {
  const sections = readSections(image);
  const tables = sections.filter((s) => s.type === SHT.SYMTAB);
  const symtab = tables[0];
  if (symtab === undefined || tables.length > 1)
    throw new Error(`elf: expected one symbol table, found ${tables.length}`);
  if (sections.some((s) => s.type === SHT.GROUP || s.type === SHT.SYMTAB_SHNDX)) {
    throw new Error('elf: section groups and extended section indices are not supported');
  }
  const strtab = sections[symtab.link]!;
  const shstrtab = sections[viewOf(image).getUint16(62, true)]!;

  const dropped = (s: ElfSection): boolean =>
    DROPPED.test(s.name) ||
    s === symtab ||
    s === strtab ||
    s === shstrtab ||
    ((s.type === SHT.RELA || s.type === SHT.REL) && DROPPED.test(sections[s.info]!.name));
  const kept = sections.filter((s) => !dropped(s));
  const newIndex = new Map(kept.map((s, i) => [s.index, i]));
  const symtabIndex = kept.length;
  newIndex.set(symtab.index, symtabIndex);

  const symbols = selectSymbols(symtab.data, strtab.data, kept, newIndex);
  const names = new StringTable();
  const bodies = kept.map((s) => (s.type === SHT.RELA ? renumber(s.data, symbols.newIndex) : s.data));
  const rows = [
    ...kept.map((s, i) => ({
      name: names.add(s.name),
      type: s.type,
      flags: s.flags,
      size: s.size,
      align: s.align,
      entrySize: s.entrySize,
      link: s.link === 0 ? 0 : (newIndex.get(s.link) ?? 0),
      info: s.type === SHT.RELA || (s.flags & SHF_INFO_LINK) !== 0n ? (newIndex.get(s.info) ?? 0) : s.info,
      data: bodies[i]!,
    })),
    {
      name: names.add('.symtab'),
      type: SHT.SYMTAB,
      flags: 0n,
      size: symbols.table.length,
      align: 8,
      entrySize: SYM_SIZE,
      link: symtabIndex + 1,
      info: symbols.locals,
      data: symbols.table,
    },
    {
      name: names.add('.strtab'),
      type: SHT.STRTAB,
      flags: 0n,
      size: symbols.names.length,
      align: 1,
      entrySize: 0,
      link: 0,
      info: 0,
      data: symbols.names,
    },
  ];
  const nameRow = names.add('.shstrtab');
  const nameBytes = names.bytes();
  rows.push({
    name: nameRow,
    type: SHT.STRTAB,
    flags: 0n,
    size: nameBytes.length,
    align: 1,
    entrySize: 0,
    link: 0,
    info: 0,
    data: nameBytes,
  });
  return layOut(image, rows);
}

interface Row {
  readonly name: number;
  readonly type: number;
  readonly flags: bigint;
  readonly size: number;
  readonly align: number;
  readonly entrySize: number;
  readonly link: number;
  readonly info: number;
  readonly data: Uint8Array;
}

/** Header, section bodies at their alignment, then the section table. */
function layOut(image: Uint8Array, rows: readonly Row[]): Uint8Array {
  let at = EHDR_SIZE;
  const offsets = rows.map((row) => {
    if (row.type === SHT.NULL) return 0;
    const align = Math.max(row.align, 1);
    at = Math.ceil(at / align) * align;
    const offset = at;
    if (row.type !== SHT.NOBITS) at += row.size;
    return offset;
  });
  const table = Math.ceil(at / 8) * 8;
  const out = new Uint8Array(table + rows.length * SHDR_SIZE);
  out.set(image.subarray(0, EHDR_SIZE));
  const view = viewOf(out);
  view.setBigUint64(40, BigInt(table), true);
  view.setUint16(60, rows.length, true);
  view.setUint16(62, rows.length - 1, true);
  rows.forEach((row, index) => {
    out.set(row.data, offsets[index]!);
    const header = table + index * SHDR_SIZE;
    view.setUint32(header, row.name, true);
    view.setUint32(header + 4, row.type, true);
    view.setBigUint64(header + 8, row.flags, true);
    view.setBigUint64(header + 24, BigInt(offsets[index]!), true);
    view.setBigUint64(header + 32, BigInt(row.size), true);
    view.setUint32(header + 40, row.link, true);
    view.setUint32(header + 44, row.info, true);
    view.setBigUint64(header + 48, BigInt(row.align), true);
    view.setBigUint64(header + 56, BigInt(row.entrySize), true);
  });
  return out;
}

interface Symbols {
  readonly table: Uint8Array;
  readonly names: Uint8Array;
  /** Old symbol index → new; symbols that went are absent. */
  readonly newIndex: ReadonlyMap<number, number>;
  /** Number of local symbols, which come first (sh_info of a symbol table). */
  readonly locals: number;
}

/** Keeps what relocations name, globals, functions and section symbols; drops the rest and what was in dropped sections. */
function selectSymbols(
  table: Uint8Array,
  names: Uint8Array,
  kept: readonly ElfSection[],
  sections: ReadonlyMap<number, number>,
): Symbols {
  const count = Math.floor(table.length / SYM_SIZE);
  const needed = new Uint8Array(count);
  for (const section of kept) {
    if (section.type !== SHT.RELA) continue;
    const view = viewOf(section.data);
    for (let at = 0; at + RELA_SIZE <= section.size; at += RELA_SIZE) needed[view.getUint32(at + 12, true)] = 1;
  }
  const view = viewOf(table);
  const newIndex = new Map<number, number>();
  const strings = new StringTable();
  const out = new Uint8Array(table.length);
  const outView = viewOf(out);
  let locals = 0;
  for (let index = 0; index < count; index++) {
    const at = index * SYM_SIZE;
    const info = table[at + 4]!;
    const home = view.getUint16(at + 6, true);
    const reserved = home === 0 || home >= SHN_LORESERVE;
    const newHome = reserved ? home : sections.get(home);
    const worthKeeping =
      index === 0 ||
      needed[index] === 1 ||
      info >> 4 !== STB_LOCAL ||
      (info & 15) === STT_FUNC ||
      (info & 15) === STT_SECTION;
    if (newHome === undefined || !worthKeeping) continue;
    const to = newIndex.size * SYM_SIZE;
    newIndex.set(index, newIndex.size);
    out.set(table.subarray(at, at + SYM_SIZE), to);
    outView.setUint32(to, strings.add(stringAt(names, view.getUint32(at, true))), true);
    outView.setUint16(to + 6, newHome, true);
    if (info >> 4 === STB_LOCAL) locals = newIndex.size;
  }
  return { table: out.slice(0, newIndex.size * SYM_SIZE), names: strings.bytes(), newIndex, locals };
}

/** A copy of relocations whose symbol numbers are the new ones. */
function renumber(relocations: Uint8Array, newIndex: ReadonlyMap<number, number>): Uint8Array {
  const out = relocations.slice();
  const view = viewOf(out);
  for (let at = 0; at + RELA_SIZE <= out.length; at += RELA_SIZE) {
    const symbol = newIndex.get(view.getUint32(at + 12, true));
    if (symbol === undefined) throw new Error('elf: a relocation names a symbol of a dropped section');
    view.setUint32(at + 12, symbol, true);
  }
  return out;
}
