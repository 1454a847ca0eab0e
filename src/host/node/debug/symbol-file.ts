import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DebugFileSource } from '../../../debug/process-symbols.ts';
import { SymbolFile } from '../../../debug/symbol-file.ts';
import { readElf, readSystemMap } from '../../../symbols/elf.ts';

/** Reads a file for its symbols. @throws RangeError naming the file and why it cannot be read */
export async function readSymbols(name: string): Promise<Buffer> {
  try {
    return await readFile(name);
  } catch (e) {
    throw new RangeError(
      `${name}: cannot be read (${(e as NodeJS.ErrnoException).code}): give an ELF file or a System.map, NAME@ADDRESS, or a folder of debug information`,
    );
  }
}

/**
 * Reads symbols of an ELF file or a System.map.
 * @param where the file's name, or NAME@ADDRESS for a file that was loaded at an address
 * @throws RangeError naming the file and what is wrong
 */
async function loadSymbolFile(where: string): Promise<SymbolFile> {
  const m = /^(.*)@(0x[0-9a-fA-F]{1,16})$/.exec(where);
  const name = m ? m[1] : where;
  const bytes = await readSymbols(name);
  if (bytes[0] === 0x7f) return new SymbolFile(readElf(bytes, name), name, { ...(m && { loadedAt: BigInt(m[2]) }) });
  return SymbolFile.ofSymbols(readSystemMap(bytes.toString('latin1'), name), name);
}

/** Where in a folder the debug information of a build is: as packages unpack it, as /usr/lib/debug holds it, or as its .build-id does. */
const LAYOUTS = ['usr/lib/debug/.build-id', '.build-id', ''];

/**
 * What `--symbols` names: files, and folders that debug information of any program is looked for in, by its build-id.
 * @throws RangeError as {@link readSymbols}
 */
export async function openSymbols(
  names: readonly string[],
): Promise<{ readonly files: readonly SymbolFile[]; readonly split: DebugFileSource }> {
  const files: SymbolFile[] = [];
  const folders: string[] = [];
  for (const name of names) {
    const isFolder = await stat(name).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isFolder) folders.push(name);
    else files.push(await loadSymbolFile(name));
  }
  const split: DebugFileSource = async (buildId) => {
    for (const folder of folders)
      for (const layout of LAYOUTS) {
        const bytes = await readFile(join(folder, layout, buildId.slice(0, 2), `${buildId.slice(2)}.debug`)).catch(
          () => undefined,
        );
        if (bytes !== undefined) return bytes;
      }
    return undefined;
  };
  return { files, split };
}
