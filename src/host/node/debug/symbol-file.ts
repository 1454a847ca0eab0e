import { readFile } from 'node:fs/promises';
import { SymbolFile } from '../../../debug/symbol-file.ts';
import { readElf, readSystemMap } from '../../../symbols/elf.ts';

/**
 * Reads symbols of an ELF file or a System.map.
 * @param where the file's name, or NAME@ADDRESS for a file that was loaded at an address
 * @throws RangeError naming the file and what is wrong
 */
export async function loadSymbolFile(where: string): Promise<SymbolFile> {
  const m = /^(.*)@(0x[0-9a-fA-F]{1,16})$/.exec(where);
  const name = m ? m[1] : where;
  let bytes: Buffer;
  try {
    bytes = await readFile(name);
  } catch (e) {
    throw new RangeError(
      `${name}: cannot be read (${(e as NodeJS.ErrnoException).code}): give an ELF file or a System.map, or NAME@ADDRESS`,
    );
  }
  if (bytes[0] === 0x7f) return new SymbolFile(readElf(bytes, name), name, { ...(m && { loadedAt: BigInt(m[2]) }) });
  return SymbolFile.ofSymbols(readSystemMap(bytes.toString('latin1'), name), name);
}
