import { readFile } from 'node:fs/promises';
import { type SymbolFile, symbolFile } from '../../../debug/guest-info.ts';
import { readElf, readSystemMap } from '../../../symbols/elf.ts';
import { SymbolTable } from '../../../symbols/table.ts';

const ALL = 0xffff_ffff_ffff_ffffn;

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
  if (bytes[0] === 0x7f) return symbolFile(readElf(bytes, name), name, m ? BigInt(m[2]) : undefined);
  return {
    name,
    symbols: new SymbolTable(readSystemMap(bytes.toString('latin1'), name)),
    start: 0n,
    end: ALL,
    bias: 0n,
  };
}
