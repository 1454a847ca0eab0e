import { ACCESS } from '../core/core.ts';
import { MountedFiles } from '../debug/mounted-files.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { type FileMapping, fileMapping, mappingAt, memoryAreas } from '../linux/maps.ts';
import { pathOf, rootOf } from '../linux/path.ts';
import { currentTask, tasks } from '../linux/tasks.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { PC, PRV, X } from '../machine/view/machine-view.ts';
import { nextAccess } from '../machine/view/next-access.ts';
import { type ElfFile, readElf } from '../symbols/elf.ts';
import { type Attachment, patternOf } from './attach.ts';
import type { Action } from './program.ts';
import { ScriptError, suggestion } from './script-error.ts';

const A0 = 10;
const ELF_MAGIC = 0x7f;
/** Called by the kernel for each new mapping of a file (Linux kernel/events/uprobes.c); the other one where it has no uprobes. */
const MAPPED = ['uprobe_mmap', 'perf_event_mmap'];
/** Most functions of one file that a pattern may name. */
const PATTERN_LIMIT = 12_000;

/** A probe with its place in a program. */
export interface UserAction extends Action {
  readonly attachment: Extract<Attachment, { readonly kind: 'user' }>;
}

/** A probe in a file. */
interface FilePoint {
  /** Of its instruction in the file. */
  readonly offset: bigint;
  readonly action: UserAction;
}

/** A mapping that a probe may lie in, and whose. */
interface Mapped {
  readonly mapping: FileMapping;
  readonly inode: bigint;
  readonly path: string;
  readonly actions: readonly UserAction[];
}

/**
 * Probes in programs. As the kernel's own uprobes do, they belong to a file: wherever a process maps it, now or later. Symbols are those that the file
 * has when it is first mapped.
 */
export class UserProbes {
  /** Where the kernel notes a new mapping: {@link mapping} is to be called there. */
  readonly hook: bigint;
  private readonly kernel: LinuxKernel;
  private readonly view: EngineView;
  private readonly script: string;
  private readonly actions: readonly UserAction[];
  private readonly guestFiles: MountedFiles;
  /** By the identity of their files. */
  private readonly files = new Map<string, readonly FilePoint[]>();
  /** By virtual address; an address stays when its process is gone. */
  private readonly points = new Map<bigint, { readonly inode: bigint; readonly point: FilePoint }[]>();
  private readonly waiting: Mapped[] = [];
  private readonly found = new Set<UserAction>();
  private readonly paths = new Set<string>();

  /** @throws ScriptError when the kernel does not say what is mapped */
  constructor(kernel: LinuxKernel | undefined, view: EngineView, script: string, actions: readonly UserAction[]) {
    const { span } = actions[0]!.attachment;
    if (kernel === undefined)
      throw new ScriptError('the guest has no Linux kernel with symbols and type information', script, span);
    const hook = MAPPED.map((name) => kernel.symbols.find(name)?.address).find((address) => address !== undefined);
    if (hook === undefined) throw new ScriptError(`the kernel has no function ${MAPPED.join(' or ')}`, script, span);
    this.hook = hook;
    this.kernel = kernel;
    this.view = view;
    this.script = script;
    this.actions = actions;
    this.guestFiles = new MountedFiles(kernel);
  }

  /** Where probes are, as far as is known. */
  get addresses(): Iterable<bigint> {
    return this.points.keys();
  }

  isAt(address: bigint): boolean {
    return this.points.has(address);
  }

  /** Finds what is mapped already; {@link resolve} is to be called then. */
  begin(): void {
    const { kernel } = this;
    for (const task of tasks(kernel))
      for (const { name, file, start, end, offset, permissions } of memoryAreas(kernel, task))
        if (file !== 0n && permissions.includes('x')) this.add({ start, end, offset, file, executable: true }, name);
  }

  /** Called at {@link hook}. @returns whether {@link resolve} is to be called */
  mapping(hart: number): boolean {
    const { kernel, view } = this;
    const mapping = fileMapping(kernel, view.readRegister(hart, X(A0)) ?? 0n);
    if (mapping.file === 0n || !mapping.executable) return false;
    const path = pathOf(kernel, kernel.at('file', mapping.file, 'f_path'), rootOf(kernel, currentTask(view, hart)));
    return this.add(mapping, path);
  }

  private add(mapping: FileMapping, path: string): boolean {
    this.paths.add(path);
    const actions = this.actions.filter(({ attachment }) => isCalled(path, attachment.file));
    if (actions.length === 0) return false;
    const inode = this.kernel.get('file', mapping.file, 'f_inode');
    this.waiting.push({ mapping, inode, path, actions });
    return true;
  }

  /** Puts the probes where the new mappings have them. @throws ScriptError when a file has no such function */
  async resolve(): Promise<void> {
    for (const mapped of this.waiting.splice(0)) {
      const { mapping, inode } = mapped;
      for (const point of await this.pointsOf(mapped)) {
        const address = mapping.start + point.offset - mapping.offset;
        if (address < mapping.start || address >= mapping.end) continue;
        const known = this.points.get(address);
        if (known === undefined) this.points.set(address, [{ inode, point }]);
        else if (!known.some((other) => other.inode === inode && other.point === point)) known.push({ inode, point });
      }
    }
  }

  /** The probes at what a hart is about to execute, if that is a program's. */
  at(hart: number): UserAction[] {
    const { kernel, view } = this;
    const pc = view.readRegister(hart, PC) ?? 0n;
    const candidates = this.points.get(pc);
    if (candidates === undefined || view.readRegister(hart, PRV) !== 0n || willFault(view, hart, pc)) return [];
    const mapping = mappingAt(kernel, kernel.get('task_struct', currentTask(view, hart), 'mm'), pc);
    if (mapping === undefined || mapping.file === 0n) return [];
    const inode = kernel.get('file', mapping.file, 'f_inode');
    const offset = pc - mapping.start + mapping.offset;
    return candidates
      .filter((candidate) => candidate.inode === inode && candidate.point.offset === offset)
      .map(({ point }) => point.action);
  }

  /** What to tell of probes whose files no process mapped. */
  get unmapped(): string[] {
    return this.actions
      .filter((action) => !this.found.has(action))
      .map(({ attachment: { probe, file } }) => {
        const names = file.startsWith('/') ? this.paths : [...this.paths].map((path) => path.replace(/^.*\//, ''));
        return `${probe}: no process mapped ${file}${suggestion(file, names)}`;
      });
  }

  private async pointsOf({ mapping: { file }, inode, path, actions }: Mapped): Promise<readonly FilePoint[]> {
    const { kernel } = this;
    const inodeField = (name: string): bigint => (kernel.has('inode', name) ? kernel.get('inode', inode, name) : 0n);
    // An inode's memory may be another file's later, and a file may be written again.
    const identity = ['i_ino', 'i_size', 'i_mtime_sec', 'i_mtime_nsec', 'i_sb'].map(inodeField);
    const key = `${inode} ${identity.join(' ')}`;
    let points = this.files.get(key);
    if (points === undefined) {
      const bytes = (await this.guestFiles.opened(file))?.bytes;
      points = bytes === undefined ? this.unreadable(path, actions) : this.find(bytes, path, actions);
      this.files.set(key, points);
    }
    return points;
  }

  private unreadable(path: string, [action]: readonly UserAction[]): never {
    const reason = `${path} is mapped, but not whole in the guest's memory and on none of its disks: its symbols cannot be read`;
    throw new ScriptError(reason, this.script, action!.attachment.span);
  }

  private find(bytes: Uint8Array, path: string, actions: readonly UserAction[]): FilePoint[] {
    let elf: ElfFile | undefined;
    try {
      if (bytes[0] === ELF_MAGIC) elf = readElf(bytes, path);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    // What is mapped and no program of this machine's has no code to probe.
    if (elf === undefined) return [];
    return actions.flatMap((action) => this.inFile(elf, path, action));
  }

  private inFile(elf: ElfFile, path: string, action: UserAction): FilePoint[] {
    const { attachment } = action;
    const { at, offset, span } = attachment;
    const fail = (reason: string): never => {
      throw new ScriptError(reason, this.script, span);
    };
    this.found.add(action);
    const place = (address: bigint, probe: string): FilePoint => {
      const inFile = elf.fileOffset(address + offset);
      if (inFile === undefined) return fail(`${path} has nothing at 0x${(address + offset).toString(16)}`);
      return { offset: inFile, action: { ...action, attachment: { ...attachment, probe } } };
    };
    if (typeof at === 'bigint') return [place(at, attachment.probe)];
    const code = elf.symbols.filter((symbol) => symbol.code);
    const expression = patternOf(at);
    const chosen = new Map(code.filter(({ name }) => expression.test(name)).map((symbol) => [symbol.address, symbol]));
    if (chosen.size > PATTERN_LIMIT)
      fail(`${chosen.size} functions of ${path} match ${at}; at most ${PATTERN_LIMIT} can be probed at once`);
    if (chosen.size === 0) {
      const names = code.map(({ name }) => name);
      const stripped =
        names.length === 0
          ? ' or any other: it has no symbols (stripped); an address such as 0x1234 can be probed'
          : '';
      fail(`${path} has no function ${at}${stripped || suggestion(at, names)}`);
    }
    const head = attachment.probe.slice(0, attachment.probe.lastIndexOf(':'));
    const tail = offset === 0n ? '' : `+${offset}`;
    return [...chosen.values()].map(({ address, name }) => place(address, `${head}:${name}${tail}`));
  }
}

/** Whether the kernel must bring in a page before the next instruction can be executed: then it is met again. */
function willFault(view: EngineView, hart: number, pc: bigint): boolean {
  if (view.translate(hart, pc, ACCESS.EXECUTE) < 0n) return true;
  const access = nextAccess(view, hart);
  if (access === undefined) return false;
  return view.translate(hart, access.address, access.writes ? ACCESS.WRITE : ACCESS.READ) < 0n;
}

/** Whether a script's name for a file means a path: that path, what /usr was merged from, or a library's or program's name without its version. */
function isCalled(path: string, name: string): boolean {
  if (name.startsWith('/')) return path === name || path === `/usr${name}`;
  const own = path.slice(path.lastIndexOf('/') + 1);
  return own === name || own.startsWith(`${name}.so`);
}
