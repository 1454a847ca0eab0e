/**
 * Reading the section table of a 64-bit little-endian ELF object (ELF gABI, chapter 4).
 */

/** One row of the section header table; offsets and sizes in bytes. */
export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
  /** The section's bytes; empty for SHT_NOBITS. */
  readonly data: Uint8Array;
}

/** Section types used here (gABI, figure 4-9). */
export const SHT = { NULL: 0, SYMTAB: 2, STRTAB: 3, RELA: 4, NOBITS: 8, REL: 9, GROUP: 17, SYMTAB_SHNDX: 18 } as const;

export const EHDR_SIZE = 64;
export const SHDR_SIZE = 64;
const ET_REL = 1;
const EM_RISCV = 243;

const latin1 = new TextDecoder('latin1');

/** The NUL-terminated string at `offset` of a string table. */
export function stringAt(table: Uint8Array, offset: number): string {
  const end = table.indexOf(0, offset);
  return latin1.decode(table.subarray(offset, end < 0 ? table.length : end));
}

/**
 * The sections of a relocatable RISC-V object, in file order.
 *
 * @throws Error when the bytes are not such an object, or its tables leave the file.
 */
export function readSections(image: Uint8Array): ElfSection[] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < EHDR_SIZE || view.getUint32(0) !== 0x7f454c46 || image[4] !== 2 || image[5] !== 1) {
    throw new Error('elf: not a 64-bit little-endian ELF file');
  }
  if (view.getUint16(16, true) !== ET_REL || view.getUint16(18, true) !== EM_RISCV) {
    throw new Error('elf: not a relocatable RISC-V object');
  }
  const table = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const names = view.getUint16(62, true);
  if (table + count * SHDR_SIZE > image.length || names >= count) {
    throw new Error(`elf: section table at ${table} leaves the file of ${image.length} bytes`);
  }
  const raw = Array.from({ length: count }, (_, index) => {
    const at = table + index * SHDR_SIZE;
    const type = view.getUint32(at + 4, true);
    const offset = Number(view.getBigUint64(at + 24, true));
    const size = Number(view.getBigUint64(at + 32, true));
    const inFile = type === SHT.NOBITS || type === SHT.NULL ? 0 : size;
    if (offset + inFile > image.length && inFile > 0) throw new Error(`elf: section ${index} leaves the file`);
    return {
      index,
      type,
      offset,
      size,
      nameAt: view.getUint32(at, true),
      flags: view.getBigUint64(at + 8, true),
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
      align: Number(view.getBigUint64(at + 48, true)),
      entrySize: Number(view.getBigUint64(at + 56, true)),
      data: image.subarray(offset, offset + inFile),
    };
  });
  const nameTable = raw[names]!.data;
  return raw.map(({ nameAt, ...section }) => ({ ...section, name: stringAt(nameTable, nameAt) }));
}
