import { CSR, type MachineView, PC, PRV, X } from '../machine/view/machine-view.ts';
import type { Breakpoint } from '../timeline/breakpoints.ts';
import type { MoveResult, Mover } from '../timeline/mover.ts';
import { type InferiorMove, type InferiorStop, original } from './inferior.ts';
import type { Process } from './process.ts';

const [SSTATUS, SEPC, SCAUSE] = [0x100, 0x141, 0x142];
/** sstatus: the privilege before the trap was S. */
const SPP = 0x100n;
/** Exception code of `ecall` from U-mode (privileged ISA, "Supervisor Cause Register"). */
const ECALL = 8n;
const SRET = 0x1020_0073;
/** Bytes of the kernel's trap code looked through for its returns. */
const TRAP_CODE = 2048;
/** System call numbers (Linux include/uapi/asm-generic/unistd.h). */
const RT_SIGRETURN = 139n;
const [SP, RA, A0, A7] = [2, 1, 10, 17];
/** Of signal_struct.flags: the process ends, and why is known (Linux include/linux/sched/signal.h). */
const GROUP_EXIT = 4n;
/** Signals that the kernel makes of exceptions: SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV. */
const FAULTS: ReadonlySet<number> = new Set([4, 5, 7, 8, 11]);
/** Bytes of the vDSO's code, which signal handlers return to. */
const VDSO = 8192n;

/** How a thread came into the kernel. */
interface Entry {
  readonly hart: number;
  readonly interrupt: boolean;
  readonly cause: bigint;
  /** Where its own code goes on, or the instruction that trapped. */
  readonly pc: bigint;
}

/**
 * Moves of one process: an instruction of a thread is made when the thread is about to execute the one after it. What the kernel does for it in between
 * (faults of pages, interrupts, system calls), other processes and handlers of signals are gone over, in both directions.
 */
export class ProcessMoves {
  private readonly process: Process;
  private readonly followChild: () => boolean;
  private readonly mover: Mover;
  private readonly trapEntry: bigint;
  private readonly returns: readonly bigint[];

  constructor(process: Process, followChild: () => boolean) {
    this.process = process;
    this.followChild = followChild;
    this.mover = process.target.mover;
    const { kernel } = process;
    this.trapEntry = kernel.address('handle_exception');
    const from = kernel.symbols.find('ret_from_exception')?.address ?? this.trapEntry;
    const code = kernel.read(from, TRAP_CODE);
    const view = new DataView(code.buffer, code.byteOffset, code.length);
    const returns: bigint[] = [];
    for (let at = 0; at + 4 <= code.length; at += 2)
      if (view.getUint32(at, true) === SRET) returns.push(from + BigInt(at));
    this.returns = returns;
  }

  async step(thread: number, move: InferiorMove): Promise<InferiorStop> {
    const { range } = move;
    const own = this.process.restricted(move.points);
    const options = {
      signal: move.signal,
      points: own,
      ...(move.watch && { watch: move.watch }),
      ...(range && { range }),
    };
    const here = (): bigint => this.register(thread, PC);
    const inRange = (): boolean => range !== undefined && here() >= range[0] && here() < range[1];
    if (this.userHart(thread) === undefined) {
      const called = this.enteredBy(thread) === ECALL;
      const stop = await this.toUser(thread, own, move);
      if (stop || (called && !inRange())) return stop ?? { reason: 'there', thread };
    }
    for (;;) {
      const hart = this.userHart(thread);
      if (hart === undefined) return { reason: 'there', thread };
      const end = await this.mover.step(1, { ...options, hart });
      if (end.reason !== 'there') return this.stopOf(end, thread, own, move);
      if (this.userHart(thread) !== undefined) {
        if (inRange()) continue;
        return { reason: 'there', thread };
      }
      const entry = this.entryOn(hart);
      const sp = this.process.target.readRegister(hart, X(SP))!;
      const stop = (await this.toUser(thread, own, move)) ?? (await this.overHandler(thread, entry, sp, own, move));
      if (stop) return stop;
      const retried = !entry.interrupt && entry.cause !== ECALL && here() === entry.pc;
      if (!retried && !inRange()) return { reason: 'there', thread };
    }
  }

  async reverseStep(thread: number, move: InferiorMove): Promise<InferiorStop> {
    const from = this.mover.at;
    const own = this.process.restricted(move.points);
    const { range } = move;
    for (;;) {
      const stop = await this.back(thread, own, move);
      const pc = stop.reason === 'there' ? this.register(thread, PC) : undefined;
      if (stop.reason === 'interrupted') await this.mover.seek(from);
      if (pc === undefined || range === undefined || pc < range[0] || pc >= range[1]) return stop;
    }
  }

  async continue(move: InferiorMove): Promise<InferiorStop> {
    const own = this.process.restricted(move.points);
    const events = this.events();
    const end = await this.mover.continue([...own, ...events.keys()], move);
    const thread = this.process.current.pid(this.process.target, end.hart) ?? this.process.pid;
    const event = end.hit && events.get(end.hit.point);
    return event && end.hit ? event(end.hit.hart, move) : this.stopOf(end, thread, own, move);
  }

  async reverseContinue(move: InferiorMove): Promise<InferiorStop> {
    const own = this.process.restricted(move.points);
    const born = this.beginnings(this.process.pid);
    const end = await this.mover.reverseContinue([...own, ...born], move);
    const thread = this.process.current.pid(this.process.target, end.hart) ?? this.process.pid;
    if (!end.hit || !born.includes(end.hit.point)) return this.stopOf(end, thread, own, move);
    await this.toUser(thread, [], { points: [], signal: move.signal });
    return { reason: 'begin', thread };
  }

  // --- back

  /** Back to the last instruction that a thread made. */
  private async back(thread: number, own: readonly Breakpoint[], move: InferiorMove): Promise<InferiorStop> {
    const { signal, watch } = move;
    const from = this.mover.at;
    const watches = own.filter(({ kind }) => kind !== 'execute');
    const [pc, sp] = [this.register(thread, PC), this.register(thread, X(SP))];
    const options = { signal, points: watches, ...(watch && { watch }) };
    let wanted: ((view: MachineView, hart: number) => boolean) | undefined;
    for (;;) {
      let hart = this.userHart(thread);
      if (hart !== undefined) {
        const end = await this.mover.reverseStep(1, { ...options, hart });
        if (end.reason !== 'there') return this.stopOf(end, thread, own, move);
        if (this.userHart(thread) === hart) return { reason: 'there', thread };
      }
      const born = this.beginnings(thread);
      const entered = this.entryPoint(thread, wanted);
      const end = await this.mover.reverseContinue([...watches, entered, ...born], { ...options, near: true });
      if (!end.hit || born.includes(end.hit.point)) {
        await this.mover.seek(from);
        return { reason: end.reason === 'interrupted' ? 'interrupted' : 'begin', thread };
      }
      if (end.hit.point !== entered) return this.stopOf(end, thread, own, move);
      wanted = undefined;
      ({ hart } = end.hit);
      const entry = this.entryOn(hart);
      const before = await this.mover.reverseStep(1, { ...options, hart });
      if (before.reason !== 'there') return this.stopOf(before, thread, own, move);
      if (this.userHart(thread) !== hart) continue;
      if (entry.interrupt) return { reason: 'there', thread };
      if (entry.cause === ECALL) {
        if (this.register(thread, X(A7)) !== RT_SIGRETURN) return { reason: 'there', thread };
        // Over the handler, to where the signal came in: what was interrupted is what it returned to.
        wanted = (view, h) => {
          const at = view.readRegister(h, CSR(SEPC))!;
          return view.readRegister(h, X(SP)) === sp && (at === pc || at + 4n === pc);
        };
        await this.mover.step(1, { hart });
      } else if (entry.pc !== pc) return { reason: 'there', thread };
    }
  }

  // --- over the kernel

  /** Runs until a thread is about to execute its own code. @returns what came before that */
  private async toUser(
    thread: number,
    own: readonly Breakpoint[],
    move: InferiorMove,
  ): Promise<InferiorStop | undefined> {
    const { current, target, kernel } = this.process;
    const leaving: Breakpoint[] = this.returns.map((start) => ({
      kind: 'execute',
      start,
      end: start + 1n,
      when: (view, h) => (view.readRegister(h, CSR(SSTATUS))! & SPP) === 0n && current.pid(view, h) === thread,
    }));
    const exit = this.at(kernel.address('do_exit'), (view, h) => current.pid(view, h) === thread);
    while (this.userHart(thread) === undefined) {
      const hart = target.activeHart();
      const pc = target.readRegister(hart, PC)!;
      const leaves = leaving.some(({ start, when }) => start === pc && when!(target, hart));
      if (!leaves) {
        const end = await this.mover.continue([...own, ...leaving, exit], move);
        if (!end.hit || !leaving.includes(end.hit.point)) {
          if (end.hit?.point === exit) return { reason: 'end', thread };
          return this.stopOf(end, thread, own, move);
        }
      }
      await this.mover.step(1);
    }
    return undefined;
  }

  /** Where a thread came back to the handler of a signal: to where that returns. @returns what came before that */
  private async overHandler(
    thread: number,
    entry: Entry,
    sp: bigint,
    own: readonly Breakpoint[],
    move: InferiorMove,
  ): Promise<InferiorStop | undefined> {
    const { kernel, current } = this.process;
    const vdso = kernel.get('mm_struct', this.process.task(thread).mm, 'context.vdso');
    const ra = this.register(thread, X(RA));
    if (this.register(thread, PC) === entry.pc || ra < vdso || ra >= vdso + VDSO) return undefined;
    if (this.register(thread, X(SP)) >= sp) return undefined;
    const back: Breakpoint = {
      kind: 'execute',
      start: entry.pc,
      end: entry.pc + 5n,
      when: (view, h) =>
        view.readRegister(h, PRV) === 0n && current.pid(view, h) === thread && view.readRegister(h, X(SP)) === sp,
    };
    const end = await this.mover.continue([...own, back], move);
    return end.hit?.point === back ? undefined : this.stopOf(end, thread, own, move);
  }

  // --- points in the kernel

  private at(start: bigint, when: (view: MachineView, hart: number) => boolean): Breakpoint {
    return { kind: 'execute', start, end: start + 1n, when };
  }

  /** Where a thread's own code traps into the kernel. */
  private entryPoint(thread: number, when: (view: MachineView, hart: number) => boolean = () => true): Breakpoint {
    const { current } = this.process;
    return this.at(
      this.trapEntry,
      (view, h) =>
        (view.readRegister(h, CSR(SSTATUS))! & SPP) === 0n && current.pid(view, h) === thread && when(view, h),
    );
  }

  /** Where a thread begins: as a new one, or with a new program. */
  private beginnings(thread: number): Breakpoint[] {
    const { kernel, current } = this.process;
    const names = ['start_thread', 'ret_from_fork', 'ret_from_fork_asm'];
    return names.flatMap((name) => {
      const address = kernel.symbols.find(name)?.address;
      return address === undefined ? [] : [this.at(address, (view, h) => current.pid(view, h) === thread)];
    });
  }

  /** What ends a continue besides breakpoints, and how. */
  private events(): Map<Breakpoint, (hart: number, move: InferiorMove) => InferiorStop | Promise<InferiorStop>> {
    const { process } = this;
    const { kernel, current, target } = process;
    const out = new Map<Breakpoint, (hart: number, move: InferiorMove) => InferiorStop | Promise<InferiorStop>>();
    const add = (
      name: string,
      act: (hart: number, move: InferiorMove) => InferiorStop | Promise<InferiorStop>,
    ): void => {
      const address = kernel.symbols.find(name)?.address;
      if (address !== undefined)
        out.set(
          this.at(address, (view, h) => current.tgid(view, h) === process.pid),
          act,
        );
    };
    const thread = (hart: number): number => current.pid(target, hart) ?? process.pid;
    const argument = (hart: number): bigint => target.readRegister(hart, X(A0))!;
    add('force_sig_fault', (hart) => ({ reason: 'signal', thread: thread(hart), signal: Number(argument(hart)) }));
    add('do_group_exit', (hart) => {
      const id = thread(hart);
      const group = kernel.get('task_struct', process.task(id).address, 'signal');
      const ofGroup = (path: string): bigint => kernel.get('signal_struct', group, path);
      const code = ofGroup('flags') & GROUP_EXIT ? ofGroup('group_exit_code') : argument(hart);
      const signal = Number(code & 0x7fn);
      // A signal of a fault was reported where it was made; one that was sent, where the first thread heeds it.
      const reported = signal === 0 || FAULTS.has(signal) || process.isEnding;
      return reported ? { reason: 'end', thread: id } : { reason: 'signal', thread: id, signal };
    });
    add('start_thread', async (_, move) => {
      const stop = await this.toUser(process.pid, [], { points: [], signal: move.signal });
      const { path } = process;
      return stop ?? { reason: 'exec', thread: process.pid, ...(path !== undefined && { path }) };
    });
    if (this.followChild()) {
      const child = kernel.symbols.find('wake_up_new_task')?.address;
      const tgid = (task: bigint): number => Number(kernel.get('task_struct', task, 'tgid'));
      if (child !== undefined)
        out.set(
          this.at(child, (view, h) => current.tgid(view, h) === process.pid && tgid(argument(h)) !== process.pid),
          async (hart, move) => {
            process.pid = tgid(argument(hart));
            const stop = await this.toUser(process.pid, [], { points: [], signal: move.signal });
            return stop ?? { reason: 'fork', thread: process.pid };
          },
        );
    }
    return out;
  }

  // --- threads

  /** The hart that executes a thread's own code. */
  private userHart(thread: number): number | undefined {
    const { current, target } = this.process;
    for (let hart = 0; hart < target.harts; hart++)
      if (this.process.inUser(hart) && current.pid(target, hart) === thread) return hart;
    return undefined;
  }

  private register(thread: number, id: typeof PC): bigint {
    return this.process.readRegister(thread, id) ?? 0n;
  }

  /** scause as a thread entered the kernel. */
  private enteredBy(thread: number): bigint {
    return this.process.savedCause(thread);
  }

  /** How the trap came about at whose entry a hart is. */
  private entryOn(hart: number): Entry {
    const csr = (number: number): bigint => this.process.target.readRegister(hart, CSR(number))!;
    const cause = csr(SCAUSE);
    return { hart, interrupt: cause >> 63n === 1n, cause: cause & ((1n << 63n) - 1n), pc: csr(SEPC) };
  }

  private stopOf(end: MoveResult, thread: number, set: readonly Breakpoint[], move: InferiorMove): InferiorStop {
    const { reason, hit, hart } = end;
    const met = hit ? this.process.current.pid(this.process.target, hart) : undefined;
    return { reason, thread: met ?? thread, ...(hit && { hit: original(hit, set, move.points) }) };
  }
}
