import type { GuestInfo } from '../debug/guest-info.ts';
import { guestOfTask, guestOfTaskNow } from '../debug/process-symbols.ts';
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

  /** From files that the guest's memory holds, or that were read before. */
  of(task: Task): GuestInfo {
    const key = this.key(task);
    return this.known.get(key) ?? this.keep(key, guestOfTaskNow(this.guest, task));
  }

  /** From the guest's disks, too. */
  async read(task: Task): Promise<GuestInfo> {
    const key = this.key(task);
    return this.known.get(key) ?? this.keep(key, await guestOfTask(this.guest, task));
  }

  private key(task: Task): string {
    if (task.mm === 0n) return '';
    const mm = (path: string): bigint => this.kernel.get('mm_struct', task.mm, path);
    return `${task.mm} ${task.tgid} ${mm('exe_file')} ${mm('map_count')}`;
  }

  private keep(key: string, info: GuestInfo): GuestInfo {
    const { known } = this;
    if (known.size >= MOST_KEPT) known.delete(known.keys().next().value!);
    known.set(key, info);
    return info;
  }
}
