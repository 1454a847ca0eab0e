import { LinuxKernel } from '../linux/kernel.ts';
import { memoryAreas } from '../linux/maps.ts';
import { moduleSymbols, modules } from '../linux/modules.ts';
import { currentOn, findTask, type Task, tasks } from '../linux/tasks.ts';
import { kernelContext, userRegisters } from '../linux/threads.ts';
import { F, type MachineView, PC, type RegisterId, X } from '../machine/view/machine-view.ts';
import { type Resolve, readThrough } from '../machine/view/page-table.ts';
import { readVirtual } from '../machine/view/virtual-memory.ts';
import { compareInstants, type Instant } from '../record/door.ts';
import type { FunctionInstance } from '../symbols/dwarf/debug-info.ts';
import type { SourceLine } from '../symbols/dwarf-lines.ts';
import { type Near, nearText, type SymbolTable } from '../symbols/table.ts';
import { backtrace, type StackFrame, type Unwinding } from './backtrace.ts';
import { type DebugFileSource, ProcessSymbols } from './process-symbols.ts';
import type { SymbolFile } from './symbol-file.ts';

/** DWARF's number of f0. */
const FLOATS = 32;

/** What can be said about the guest's programs: symbols, lines, and Linux's own structures. */
export class GuestInfo {
  readonly view: MachineView;
  private readonly given: SymbolFile[] = [];
  private processFiles: readonly SymbolFile[] = [];
  private kernelFound: LinuxKernel | undefined;
  private programsFound: ProcessSymbols | undefined;
  private readonly split: DebugFileSource;
  private modulesAt: Instant = { instructions: -1, sequence: 0 };
  private moduleTables: {
    readonly name: string;
    readonly start: bigint;
    readonly end: bigint;
    readonly table: () => SymbolTable;
  }[] = [];

  /** @param split where debug information that was split from programs is looked for; in the guest only if not given */
  constructor(view: MachineView, split: DebugFileSource = () => Promise.resolve(undefined)) {
    this.view = view;
    this.split = split;
  }

  /** The guest's Linux, once it is there. */
  kernel(): LinuxKernel | undefined {
    return (this.kernelFound ??= LinuxKernel.find(this.view));
  }

  /** Files and symbols of the guest's programs, once its Linux is there. */
  programs(): ProcessSymbols | undefined {
    const kernel = this.kernel();
    return (this.programsFound ??= kernel && new ProcessSymbols(kernel, this.split));
  }

  /** The processes of the guest's Linux, or all its threads, by number; none before it is up. */
  processes(threads = false): Task[] {
    const kernel = this.kernel();
    return kernel === undefined ? [] : tasks(kernel, threads);
  }

  addFile(file: SymbolFile): void {
    this.given.unshift(file);
  }

  /** The files of the process that is looked at, in place of those of the one before. What the user gave comes first. */
  setProcessFiles(files: readonly SymbolFile[]): void {
    this.processFiles = files;
  }

  /** The same guest with other files of a process. */
  withProcessFiles(files: readonly SymbolFile[]): GuestInfo {
    const other = new GuestInfo(this.view, this.split);
    other.kernelFound = this.kernelFound;
    other.programsFound = this.programsFound;
    other.given.push(...this.given);
    other.processFiles = files;
    return other;
  }

  /** The files of the process that is looked at. */
  get loadedFiles(): readonly SymbolFile[] {
    return this.processFiles;
  }

  /** Every file with symbols, those first that the user gave. */
  get files(): readonly SymbolFile[] {
    return this.processFiles.length === 0 ? this.given : [...this.given, ...this.processFiles];
  }

  /** The symbol an address lies in, and the file or module it is of. */
  near(address: bigint): (Near & { readonly module?: string }) | undefined {
    for (const file of this.files) {
      if (address < file.start || address >= file.end) continue;
      const near = file.symbols.near(address - file.bias);
      if (near) return { ...near, start: near.start + file.bias };
    }
    if (address >> 63n === 0n) return undefined;
    const kernel = this.kernel();
    if (!kernel) return undefined;
    for (const m of this.loadedModules(kernel)) {
      if (address < m.start || address >= m.end) continue;
      const near = m.table().near(address);
      return near && { ...near, module: m.name };
    }
    return kernel.symbols.near(address);
  }

  /** `name+0x10 [module]`, or undefined. */
  name(address: bigint): string | undefined {
    const near = this.near(address);
    return near && nearText(near) + (near.module === undefined ? '' : ` [${near.module}]`);
  }

  /** Hexadecimal, with the name where there is one. */
  describe(address: bigint): string {
    const name = this.name(address);
    const line = this.line(address);
    return `0x${address.toString(16)}${name === undefined ? '' : ` <${name}>`}${line ? ` at ${line.file}:${line.line}` : ''}`;
  }

  /** Address of a symbol or `file:line`. */
  address(text: string): bigint | undefined {
    const place = /^(.+):(\d+)$/.exec(text);
    for (const file of this.files) {
      if (place) {
        const found = file.lines?.address(place[1], Number(place[2]));
        if (found) return found.address + file.bias;
      }
      const s = file.symbols.find(text);
      if (s) return s.address + file.bias;
    }
    const kernel = this.kernel();
    const s = kernel?.symbols.find(text);
    if (s || !kernel) return s?.address;
    for (const m of this.loadedModules(kernel)) {
      const found = m.table().find(text);
      if (found) return found.address;
    }
    return undefined;
  }

  /** Where the code of a source line lies. */
  place(file: string, line: number): { readonly address: bigint; readonly line: number } | undefined {
    for (const f of this.files) {
      const found = f.lines?.address(file, line) ?? f.lines?.address(file.replace(/^.*\//, ''), line);
      if (found) return { address: found.address + f.bias, line: found.line };
    }
    return undefined;
  }

  /** The addresses around one that were made from the same line. */
  lineRange(address: bigint): readonly [bigint, bigint] | undefined {
    const file = this.fileAt(address);
    const range = file?.lines?.range(address - file.bias);
    return range && file && [range[0] + file.bias, range[1] + file.bias];
  }

  line(address: bigint): SourceLine | undefined {
    const file = this.fileAt(address);
    return file?.lines?.at(address - file.bias);
  }

  /** A frame's place: hexadecimal, with the name of what it executes and its line. */
  describeFrame({ pc, at }: StackFrame): string {
    const name = this.frameName({ pc, at });
    const line = this.line(at);
    return `0x${pc.toString(16)}${name === undefined ? '' : ` <${name}>`}${line ? ` at ${line.file}:${line.line}` : ''}`;
  }

  /** `name+0x10 [module]` of what a frame executes; a caller is named by its call, which may be its function's last instruction. */
  frameName({ pc, at }: Pick<StackFrame, 'pc' | 'at'>): string | undefined {
    const near = this.near(at);
    if (!near) return undefined;
    const text = nearText({ ...near, offset: near.offset + Number(pc - at) });
    return text + (near.module === undefined ? '' : ` [${near.module}]`);
  }

  /** The call stack of a hart. */
  backtrace(hart: number, limit?: number): StackFrame[] {
    return this.unwind(
      (id) => this.view.readRegister(hart, id),
      (a, n) => readVirtual(this.view, hart, a, n),
      limit,
    );
  }

  /** The call stacks of a task, wherever it is: through the kernel if that does something for it, and through its own code if it has any. */
  taskBacktrace(task: Task): { readonly kernel: StackFrame[]; readonly user: StackFrame[] } {
    const kernel = this.kernel()!;
    const context = kernelContext(kernel, task);
    return {
      // Its own code's frames follow the kernel's on the way out: they are found from where it entered.
      kernel:
        context === undefined
          ? []
          : this.unwind(context, (a, n) => kernel.read(a, n)).filter(({ pc }) => pc >> 63n === 1n),
      user:
        task.mm === 0n
          ? []
          : this.unwind(userRegisters(kernel, task), (a, n) =>
              readThrough(this.view, this.userAddresses(kernel, task), a, n),
            ),
    };
  }

  /** How a task's user-space addresses lead to physical ones. */
  userAddresses(kernel: LinuxKernel, task: Task): Resolve {
    const pgd = kernel.get('mm_struct', task.mm, 'pgd');
    return (address) => kernel.resolveUser(pgd, address)?.physical;
  }

  private unwind(
    read: (id: RegisterId) => bigint | undefined,
    memory: (address: bigint, length: number) => Uint8Array,
    limit?: number,
  ): StackFrame[] {
    return backtrace(this.unwinding(memory), read(PC) ?? 0n, (n) => read(n < FLOATS ? X(n) : F(n - FLOATS)), limit);
  }

  private unwinding(read: (address: bigint, length: number) => Uint8Array): Unwinding {
    return {
      read,
      functionStart: (a) => this.near(a)?.start,
      isData: (a) => this.near(a)?.within === false,
      frameInformation: (a) => {
        const file = this.fileAt(a);
        return file?.callFrames && { frames: file.callFrames, bias: file.bias };
      },
    };
  }

  /** The functions that an address is in, the innermost first; none where there is no debug information. */
  functionsAt(address: bigint): readonly FunctionInstance[] {
    const file = this.fileAt(address);
    try {
      return file?.debugInfo?.functionsAt(address - file.bias) ?? [];
    } catch (e) {
      // Malformed debug information is none.
      if (e instanceof RangeError) return [];
      throw e;
    }
  }

  /** The caller of a frame. */
  callerOf(frame: StackFrame, memory: (address: bigint, length: number) => Uint8Array): StackFrame | undefined {
    return backtrace(this.unwinding(memory), frame.pc, frame.register, 2)[1];
  }

  /** `name+16` of an address in a program's code or data, as values are shown. */
  dataName(address: bigint): string | undefined {
    if (address === 0n) return undefined;
    const near = this.near(address);
    // What has no size says nothing of what lies after it.
    return near?.within ? (near.offset === 0 ? near.name : `${near.name}+${near.offset}`) : undefined;
  }

  /** The file whose code or data is at an address. */
  fileAt(address: bigint): SymbolFile | undefined {
    return this.files.find(({ start, end }) => address >= start && address < end);
  }

  /** Reads a process's memory although it may not be current; undefined when there is no such process. */
  readProcess(pid: number, address: bigint, length: number): Uint8Array | undefined {
    const kernel = this.kernel();
    const task = kernel && findTask(kernel, pid);
    return kernel && task && task.mm !== 0n ? this.readTask(kernel, task, address, length) : undefined;
  }

  /** Reads a task's own memory. */
  readTask(kernel: LinuxKernel, task: Task, address: bigint, length: number): Uint8Array {
    return readThrough(this.view, this.userAddresses(kernel, task), address, length);
  }

  /** The task a hart runs. */
  current(hart: number): Task | undefined {
    const kernel = this.kernel();
    return kernel && currentOn(kernel, hart);
  }

  /** For thread lists: what runs on a hart. */
  hartNote(hart: number): string {
    const task = this.current(hart);
    return task ? `${task.name} (${task.pid})` : '';
  }

  /** Where each file of a process is loaded, ready to paste into gdb. */
  addSymbolAdvice(pid: number): string[] {
    const kernel = this.kernel();
    const task = kernel && findTask(kernel, pid);
    if (!kernel || !task || task.mm === 0n) return [];
    const first = new Map<string, bigint>();
    for (const area of memoryAreas(kernel, task)) {
      if (area.name.startsWith('/') && !first.has(area.name)) first.set(area.name, area.start - area.offset);
    }
    return [...first].map(
      ([name, start]) =>
        `add-symbol-file ${name.slice(1)} -o 0x${start.toString(16)}   # position-independent files; others without -o`,
    );
  }

  private loadedModules(kernel: LinuxKernel): typeof this.moduleTables {
    const now = this.view.instant;
    if (compareInstants(now, this.modulesAt) === 0) return this.moduleTables;
    this.modulesAt = now;
    this.moduleTables = modules(kernel).flatMap((m) => {
      let table: SymbolTable | undefined;
      return m.parts.map((p) => ({
        name: m.name,
        start: p.base,
        end: p.base + BigInt(p.size),
        table: () => (table ??= moduleSymbols(kernel, m)),
      }));
    });
    return this.moduleTables;
  }
}
