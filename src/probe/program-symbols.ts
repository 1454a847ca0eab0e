import type { GuestInfo } from '../debug/guest-info.ts';
import { processSymbols } from '../debug/process-symbols.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import type { Task } from '../linux/tasks.ts';

/** Processes whose symbols are kept. */
const MOST_KEPT = 64;

/** The guest with the symbols of one process at a time. Files are read once for as long as a process has the same mappings. */
export class ProgramSymbols {
  private readonly guest: GuestInfo;
  private readonly kernel: LinuxKernel;
  private readonly known = new Map<string, GuestInfo>();

  constructor(guest: GuestInfo, kernel: LinuxKernel) {
    this.guest = guest;
    this.kernel = kernel;
  }

  of(task: Task): GuestInfo {
    const { guest, kernel, known } = this;
    if (task.mm === 0n) return guest;
    const mm = (path: string): bigint => kernel.get('mm_struct', task.mm, path);
    const key = `${task.mm} ${task.tgid} ${mm('exe_file')} ${mm('map_count')}`;
    let info = known.get(key);
    if (info === undefined) {
      if (known.size >= MOST_KEPT) known.delete(known.keys().next().value!);
      known.set(key, (info = guest.withProcessFiles(processSymbols(kernel, task))));
    }
    return info;
  }
}
