import type { LinuxKernel } from '../linux/kernel.ts';
import { memoryAreas } from '../linux/maps.ts';
import { PageCache } from '../linux/page-cache.ts';
import type { Task } from '../linux/tasks.ts';
import { readElf } from '../symbols/elf.ts';
import type { GuestInfo } from './guest-info.ts';
import { SymbolFile } from './symbol-file.ts';

/** First byte of an ELF file. */
const ELF_MAGIC = 0x7f;

/** Symbols and lines of a process's program and libraries, as far as the guest's memory holds their files. */
export function processSymbols(kernel: LinuxKernel, task: Task): SymbolFile[] {
  const cache = new PageCache(kernel);
  const files = new Map<string, SymbolFile>();
  for (const { name, file, start, offset } of memoryAreas(kernel, task)) {
    if (file === 0n || files.has(name)) continue;
    const bytes = cache.read(file);
    if (bytes?.[0] !== ELF_MAGIC) continue;
    try {
      const isProgram = files.size === 0;
      files.set(name, new SymbolFile(readElf(bytes, name), name, { loadedAt: start - offset, isProgram }));
    } catch (e) {
      // Not every file that looks like one is whole.
      if (!(e instanceof RangeError)) throw e;
    }
  }
  return [...files.values()];
}

/** What is known of a guest, with the symbols of the process that a hart runs if it executes that process's own code. */
export function guestOnHart(guest: GuestInfo, hart: number): GuestInfo {
  const kernel = guest.kernel();
  const task = guest.current(hart);
  if (kernel === undefined || task === undefined || task.mm === 0n) return guest;
  return guest.withProcessFiles(processSymbols(kernel, task));
}
