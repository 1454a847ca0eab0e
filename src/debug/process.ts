import { concat } from '../bytes/concat.ts';
import { CurrentTasks } from '../linux/current-tasks.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { executablePath, memoryAreas } from '../linux/maps.ts';
import { PageCache } from '../linux/page-cache.ts';
import { findTask, isLeader, type Task, threadsOf } from '../linux/tasks.ts';
import { hartOf, type Registers, savedRegisterAt, savedRegistersAt, userRegisters } from '../linux/threads.ts';
import { type MachineView, PRV, type RegisterId } from '../machine/view/machine-view.ts';
import { PTE, readThrough } from '../machine/view/page-table.ts';
import { compareInstants, type Instant } from '../record/door.ts';
import type { Breakpoint } from '../timeline/breakpoints.ts';
import type { StackFrame } from './backtrace.ts';
import type { GuestInfo } from './guest-info.ts';
import type { Inferior, InferiorMove, InferiorStop, ThreadNote } from './inferior.ts';
import { ProcessMoves } from './process-moves.ts';
import { DebugError, type DebugTarget } from './target.ts';

const SATP = 0x180;
/** Of task_struct.flags, PF_EXITING (Linux include/linux/sched.h). */
const EXITING = 4n;
/** First address that is not a program's own. */
export const USER_END = 1n << 63n;

/**
 * One process of the guest's Linux, debugged as if the kernel were not there. Its threads are gdb's; those that wait or are in the kernel show the
 * registers they entered it with.
 */
export class Process implements Inferior {
  pid: number;
  readonly kernel: LinuxKernel;
  readonly current: CurrentTasks;
  readonly target: DebugTarget;
  private readonly guestInfo: GuestInfo;
  private readonly moves: ProcessMoves;
  private lastThread: number;
  /** Where its leader's task_struct was last. */
  private leader: bigint;
  /** What {@link loadSymbols} found mapped. */
  private mappedThen = '';
  private listed: { readonly at: Instant; readonly threads: readonly Task[] } | undefined;

  /**
   * Finds a process and loads its symbols.
   * @param followChild whether a fork is followed into the child @throws DebugError when there is no such process
   */
  static async open(
    target: DebugTarget,
    guestInfo: GuestInfo,
    pid: number,
    followChild: () => boolean = () => false,
  ): Promise<Process> {
    const process = new Process(target, guestInfo, pid, followChild);
    await process.loadSymbols();
    return process;
  }

  private constructor(target: DebugTarget, guestInfo: GuestInfo, pid: number, followChild: () => boolean) {
    const kernel = guestInfo.kernel();
    if (!kernel)
      throw new DebugError('no Linux kernel with kallsyms and BTF is in memory at this instant: seek to a later one');
    const task = findTask(kernel, pid);
    if (!task) throw new DebugError(`there is no process ${pid} at this instant: monitor ps lists them`);
    if (task.mm === 0n) throw new DebugError(`${task.name} (${pid}) has no memory of its own: it is a kernel thread`);
    this.target = target;
    this.guestInfo = guestInfo;
    this.kernel = kernel;
    this.pid = task.tgid;
    this.lastThread = pid;
    this.leader = task.address;
    this.current = new CurrentTasks(kernel);
    this.moves = new ProcessMoves(this, followChild);
  }

  /** The process's threads at this instant, its leader first; empty where it does not exist. */
  tasks(): readonly Task[] {
    const { instant: at } = this.target;
    if (this.listed === undefined || compareInstants(this.listed.at, at) !== 0)
      this.listed = { at, threads: this.list() };
    return this.listed.threads;
  }

  /** Symbols and lines of its program and libraries. */
  private async loadSymbols(): Promise<void> {
    const [task] = this.tasks();
    if (task === undefined) return;
    this.mappedThen = this.mapped();
    this.guestInfo.setProcessFiles((await this.guestInfo.programs()?.of(task)) ?? []);
  }

  private list(): Task[] {
    const { kernel, pid } = this;
    if (!isLeader(kernel, this.leader, pid)) this.leader = findTask(kernel, pid)?.address ?? this.leader;
    return isLeader(kernel, this.leader, pid) ? threadsOf(kernel, this.leader) : [];
  }

  /** @throws DebugError when the process has no such thread here */
  task(thread: number): Task {
    const task = this.tasks().find((t) => t.pid === thread);
    if (!task) throw new DebugError(`process ${this.pid} has no thread ${thread} at this instant`);
    return task;
  }

  /** The user-space registers of a thread. */
  registers(thread: number): Registers {
    return userRegisters(this.kernel, this.task(thread));
  }

  /** The program it executes, as it names it. */
  get path(): string | undefined {
    const [task] = this.tasks();
    return task && executablePath(this.kernel, task);
  }

  /** Whether some of its threads are ending already. */
  get isEnding(): boolean {
    return this.tasks().some(({ address }) => (this.kernel.get('task_struct', address, 'flags') & EXITING) !== 0n);
  }

  /** scause as a thread entered the kernel with. */
  savedCause(thread: number): bigint {
    const { kernel } = this;
    return kernel.get('pt_regs', savedRegistersAt(kernel, this.task(thread).address), 'cause');
  }

  /** What the kernel told the program about itself (getauxval(3)). */
  auxiliaryVector(): Uint8Array {
    const [task] = this.tasks();
    if (task === undefined) return new Uint8Array(0);
    const { offset, size } = this.kernel.field('mm_struct', 'saved_auxv');
    return this.kernel.read(task.mm + BigInt(offset), size);
  }

  threads(): ThreadNote[] {
    return this.tasks().map((task) => {
      const hart = hartOf(this.kernel, task.address);
      const where = hart === undefined ? `${task.state} in the kernel` : this.inUser(hart) ? 'runs' : 'in the kernel';
      return {
        id: task.pid,
        name: task.name,
        note: hart === undefined ? where : `${where} on hart ${hart}`,
        ...(hart !== undefined && { core: hart }),
      };
    });
  }

  activeThread(): number {
    const { target, current } = this;
    const on = (hart: number): number | undefined =>
      current.tgid(target, hart) === this.pid ? current.pid(target, hart) : undefined;
    const known = this.tasks();
    const ids = [on(target.activeHart()), this.lastThread, ...Array.from({ length: target.harts }, (_, h) => on(h))];
    return ids.find((id) => known.some(({ pid }) => pid === id)) ?? known[0]?.pid ?? this.lastThread;
  }

  hartOf(thread: number): number {
    return hartOf(this.kernel, this.task(thread).address) ?? this.target.activeHart();
  }

  view(thread: number): { readonly view: MachineView; readonly hart: number } {
    const { target } = this;
    const task = this.task(thread);
    const registers = userRegisters(this.kernel, task);
    const pgd = this.kernel.get('mm_struct', task.mm, 'pgd');
    const root = this.kernel.resolve(pgd) ?? 0n;
    const satp = this.kernel.mode() | (root >> 12n);
    const view: MachineView = {
      harts: 1,
      ram: target.ram,
      instant: target.instant,
      activeHart: () => 0,
      readRegister: (_, id) => (id.kind === 'csr' && id.number === SATP ? satp : registers(id)),
      translate: (_, address) => this.kernel.resolveUser(pgd, address)?.physical ?? -1n,
      readNumber: (physical, length) => target.readNumber(physical, length),
      readPhysical: (physical, length) => target.readPhysical(physical, length),
    };
    return { view, hart: 0 };
  }

  backtrace(thread: number, limit?: number): StackFrame[] {
    return this.guestInfo.taskBacktrace(this.task(thread)).user.slice(0, limit);
  }

  onlyOn(point: Breakpoint, thread: number): Breakpoint {
    const { current } = this;
    return {
      ...point,
      when: (view, hart) => current.pid(view, hart) === thread && (point.when?.(view, hart) ?? true),
    };
  }

  readRegister(thread: number, id: RegisterId): bigint | undefined {
    return this.registers(thread)(id);
  }

  writeRegister(thread: number, id: RegisterId, value: bigint): void {
    const task = this.task(thread);
    const hart = hartOf(this.kernel, task.address);
    if (hart !== undefined && this.inUser(hart)) {
      this.target.writeRegister(hart, id, value);
      return;
    }
    const at = savedRegisterAt(this.kernel, task, id);
    const physical = at === undefined ? undefined : this.kernel.resolve(at);
    if (physical === undefined) throw new DebugError('this register of a thread in the kernel cannot be written');
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
    this.target.writePhysical(physical, bytes);
  }

  readMemory(thread: number, address: bigint, length: number): Uint8Array {
    const [task] = this.tasks();
    if (task === undefined) return new Uint8Array(0);
    if (address >= USER_END) return this.kernel.read(address, length);
    const pgd = this.kernel.get('mm_struct', task.mm, 'pgd');
    const resolve = (a: bigint): bigint | undefined =>
      this.kernel.resolveUser(pgd, a)?.physical ?? this.untouched(task, a);
    const bytes = readThrough(this.target, resolve, address, length);
    if (bytes.length === length) return bytes;
    const next = address + BigInt(bytes.length);
    const onDisk = this.onDisk(task, next, Math.min(length - bytes.length, 4096 - Number(next & 0xfffn)));
    if (onDisk === undefined) return bytes;
    const rest = this.readMemory(thread, next + BigInt(onDisk.length), length - bytes.length - onDisk.length);
    return concat([bytes, onDisk, rest]);
  }

  /** A part of a page that the kernel would have to read from a disk, of a file whose symbols were read. */
  private onDisk(task: Task, address: bigint, length: number): Uint8Array | undefined {
    const area = memoryAreas(this.kernel, task).find(({ start, end }) => address >= start && address < end);
    if (area === undefined || area.file === 0n || !area.permissions.startsWith('r')) return undefined;
    const offset = Number(address - area.start + area.offset);
    const part = this.guestInfo.programs()?.files.keptPart(area.file, offset, length);
    return part?.length === 0 ? undefined : part;
  }

  /** Where the kernel would take a page from that the program has not touched yet: a file's, or the one of zeros. */
  private untouched(task: Task, address: bigint): bigint | undefined {
    const area = memoryAreas(this.kernel, task).find(({ start, end }) => address >= start && address < end);
    if (area === undefined || !area.permissions.startsWith('r')) return undefined;
    const within = address & 0xfffn;
    if (area.file === 0n) {
      const zeros = this.kernel.resolve(this.kernel.address('empty_zero_page'));
      return zeros === undefined ? undefined : zeros + within;
    }
    const mapping = this.kernel.get('file', area.file, 'f_mapping');
    const page = new PageCache(this.kernel).page(mapping, (address - area.start + area.offset) >> 12n);
    return page === undefined ? undefined : page + within;
  }

  writeMemory(_thread: number, address: bigint, bytes: Uint8Array): number {
    const [task] = this.tasks();
    if (task === undefined) return 0;
    const pgd = this.kernel.get('mm_struct', task.mm, 'pgd');
    let done = 0;
    while (done < bytes.length) {
      const at = address + BigInt(done);
      const mapping = this.kernel.resolveUser(pgd, at);
      if (mapping === undefined) break;
      if ((mapping.entry & PTE.W) === 0n)
        throw new DebugError(
          `the page at 0x${(at & ~0xfffn).toString(16)} is not the process's own: writing to it would change it for others too`,
        );
      const part = bytes.subarray(done, done + Math.min(bytes.length - done, 4096 - Number(at & 0xfffn)));
      done += this.target.writePhysical(mapping.physical, part);
    }
    return done;
  }

  step(thread: number, move: InferiorMove): Promise<InferiorStop> {
    return this.noted(this.moves.step(thread, move));
  }

  reverseStep(thread: number, move: InferiorMove): Promise<InferiorStop> {
    return this.noted(this.moves.reverseStep(thread, move));
  }

  continue(move: InferiorMove): Promise<InferiorStop> {
    return this.refreshed(this.moves.continue(move));
  }

  reverseContinue(move: InferiorMove): Promise<InferiorStop> {
    return this.refreshed(this.moves.reverseContinue(move));
  }

  /** Whether a hart executes a program's own code. */
  inUser(hart: number): boolean {
    return this.target.readRegister(hart, PRV) === 0n;
  }

  /** Points as they are set: met only by this process, execute points below {@link USER_END} only by its own code. */
  restricted(points: readonly Breakpoint[]): Breakpoint[] {
    const { current, pid } = this;
    return points.map((point) => ({
      ...point,
      when: (view, hart) =>
        (point.kind !== 'execute' || point.start >= USER_END || view.readRegister(hart, PRV) === 0n) &&
        current.tgid(view, hart) === pid &&
        (point.when?.(view, hart) ?? true),
    }));
  }

  private async noted(move: Promise<InferiorStop>): Promise<InferiorStop> {
    const stop = await move;
    this.lastThread = stop.thread;
    return stop;
  }

  /** After a longer way there may be another program, or libraries that were not there before. */
  private async refreshed(move: Promise<InferiorStop>): Promise<InferiorStop> {
    const stop = await this.noted(move);
    await this.refresh();
    return stop;
  }

  /** Loads symbols anew if other files are mapped than when they were loaded. */
  async refresh(): Promise<void> {
    if (this.mapped() !== this.mappedThen) await this.loadSymbols();
  }

  /** The files that are mapped, and where. */
  private mapped(): string {
    const [task] = this.tasks();
    if (task === undefined) return this.mappedThen;
    const files = memoryAreas(this.kernel, task).filter(({ file, offset }) => file !== 0n && offset === 0n);
    return files.map(({ file, start }) => `${file}:${start}`).join();
  }
}
