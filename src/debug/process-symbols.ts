import { FILE_TYPE } from '../fs/file-system.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { memoryAreas } from '../linux/maps.ts';
import type { Task } from '../linux/tasks.ts';
import { type ElfFile, readElf } from '../symbols/elf.ts';
import type { GuestInfo } from './guest-info.ts';
import { type MountedFile, MountedFiles } from './mounted-files.ts';
import { SymbolFile } from './symbol-file.ts';

/** First byte of an ELF file. */
const ELF_MAGIC = 0x7f;
/** Symbol files kept. */
const KEPT = 256;

/** Finds the debug information that was split from a file, by the file's build-id in hexadecimal. */
export type DebugFileSource = (buildId: string) => Promise<Uint8Array | undefined>;

/** Symbols and lines of the guest's programs and libraries, from the files that they were loaded from. */
export class ProcessSymbols {
  readonly files: MountedFiles;
  private readonly kernel: LinuxKernel;
  private readonly split: DebugFileSource;
  /** By version of the file and where it is loaded, oldest use first. */
  private readonly kept = new Map<string, SymbolFile | undefined>();

  /** @param split where debug information is looked for before the guest's own /usr/lib/debug */
  constructor(kernel: LinuxKernel, split: DebugFileSource) {
    this.kernel = kernel;
    this.files = new MountedFiles(kernel);
    this.split = split;
  }

  /** Those of one process, its program first. */
  async of(task: Task): Promise<SymbolFile[]> {
    const found = new Map<string, SymbolFile>();
    for (const { name, file, start, offset } of memoryAreas(this.kernel, task)) {
      if (file === 0n || found.has(name)) continue;
      const contents = await this.files.opened(file);
      if (contents?.bytes[0] !== ELF_MAGIC) continue;
      const options = { loadedAt: start - offset, isProgram: found.size === 0 };
      const key = `${contents.version} ${name} ${options.loadedAt}`;
      if (!this.kept.has(key)) {
        const elf = readWhole(contents.bytes, name);
        this.keep(key, elf && new SymbolFile(elf, name, { ...options, separate: await this.splitFrom(task, elf) }));
      }
      const symbols = this.kept.get(key);
      if (symbols !== undefined) found.set(name, symbols);
    }
    return [...found.values()];
  }

  /** The same as far as the guest's memory holds their files, or they were read before. */
  inMemory(task: Task): SymbolFile[] {
    const found = new Map<string, SymbolFile>();
    for (const { name, file, start, offset } of memoryAreas(this.kernel, task)) {
      if (file === 0n || found.has(name)) continue;
      const contents = this.files.openedNow(file);
      if (contents?.bytes[0] !== ELF_MAGIC) continue;
      const options = { loadedAt: start - offset, isProgram: found.size === 0 };
      const known = this.kept.get(`${contents.version} ${name} ${options.loadedAt}`);
      const elf = known ? undefined : readWhole(contents.bytes, name);
      const symbols = known ?? (elf && new SymbolFile(elf, name, options));
      if (symbols !== undefined) found.set(name, symbols);
    }
    return [...found.values()];
  }

  private keep(key: string, symbols: SymbolFile | undefined): void {
    this.kept.set(key, symbols);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value!);
  }

  /**
   * A file by the path that a debugger knows it by: a process's own one may have been replaced since on the disk, and debug information may
   * be beside the guest.
   */
  async fileOf(task: Task, path: string): Promise<MountedFile | undefined> {
    const id = /\/\.build-id\/([0-9a-f]{2})\/([0-9a-f]+)\.debug$/.exec(path);
    const split = id && (await this.split(id[1] + id[2]));
    if (split) return { mode: FILE_TYPE.file | 0o444, size: split.length, modified: 0, read: async () => split };
    const area = memoryAreas(this.kernel, task).find(({ name, file }) => file !== 0n && name === path);
    return area === undefined ? this.files.find(task, path) : this.files.byFile(area.file);
  }

  /** The file that debug information was moved to. */
  private async splitFrom(task: Task, elf: ElfFile): Promise<ElfFile | undefined> {
    const { buildId } = elf;
    if (buildId === undefined || elf.section('.debug_info') !== undefined) return undefined;
    const path = debugPath(buildId);
    const bytes = (await this.split(buildId)) ?? (await (await this.files.find(task, path))?.read());
    return bytes && readWhole(bytes, path);
  }
}

/** Where debuggers look for the debug information of a build. */
const debugPath = (buildId: string): string =>
  `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;

/** Not every file that looks like one is an ELF file, or whole. */
function readWhole(bytes: Uint8Array, name: string): ElfFile | undefined {
  try {
    return readElf(bytes, name);
  } catch (e) {
    if (e instanceof RangeError) return undefined;
    throw e;
  }
}

/** What is known of a guest, with the symbols of the process that a hart runs if it executes that process's own code. */
export async function guestOnHart(guest: GuestInfo, hart: number): Promise<GuestInfo> {
  const task = guest.current(hart);
  return task === undefined ? guest : guestOfTask(guest, task);
}

/** The same at once, as far as the guest's memory holds that process's files. */
export function guestOnHartNow(guest: GuestInfo, hart: number): GuestInfo {
  const task = guest.current(hart);
  return task === undefined ? guest : guestOfTaskNow(guest, task);
}

/** What is known of a guest, with the symbols of a process. */
export async function guestOfTask(guest: GuestInfo, task: Task): Promise<GuestInfo> {
  const programs = guest.programs();
  return programs === undefined || task.mm === 0n ? guest : guest.withProcessFiles(await programs.of(task));
}

/** The same at once, as far as the guest's memory holds that process's files. */
export function guestOfTaskNow(guest: GuestInfo, task: Task): GuestInfo {
  const programs = guest.programs();
  return programs === undefined || task.mm === 0n ? guest : guest.withProcessFiles(programs.inMemory(task));
}
