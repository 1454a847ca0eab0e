import type { GuestInfo } from '../debug/guest-info.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { readSyscalls } from '../linux/syscalls.ts';
import { currentTask, TaskNames } from '../linux/tasks.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { PRV, X } from '../machine/view/machine-view.ts';
import type { Breakpoint, Hit } from '../timeline/breakpoints.ts';
import type { Attachment } from './attach.ts';
import { ScriptState } from './compile-expression.ts';
import { MachineContext } from './context.ts';
import { type Output, printMap } from './output.ts';
import { type Action, compileScript } from './program.ts';
import { ProgramSymbols } from './program-symbols.ts';
import type { ProbeBlock } from './syntax.ts';
import { Tallies } from './tallies.ts';
import { type UserAction, UserProbes } from './user-probes.ts';

/** What scripts take besides their text. */
export interface ScriptOptions {
  /** What `$1`, `$2` … stand for. */
  readonly parameters?: readonly string[];
  /** Most entries of a map; default 100,000. */
  readonly mapLimit?: number;
  /** Most bytes that str() and buf() read; default 4096. */
  readonly stringLimit?: number;
}

const RA = 1;
const SP = 2;

/** A call that is under way: where it returns to, the stack pointer it will have then, and whose stack that is. */
interface Call {
  readonly action: Action;
  readonly sp: bigint;
  /** Address of the task_struct; undefined in the kernel, where each task has a stack of its own. */
  readonly task: bigint | undefined;
}

/** A probe that is due again and again. */
interface Timer {
  readonly action: Action;
  readonly unit: 'nanoseconds' | 'instructions';
  readonly every: number;
  next: number;
}

/** The probes of a script on a machine: where they are, and what happens when one is met. Whoever runs the machine asks them. */
export class Probes {
  /** Hits that ran here, besides those that compiled blocks counted. */
  private ran = 0;
  private readonly tallies: Tallies;
  /** Compiled blocks. */
  private readonly compiled = new Map<ProbeBlock, CallableFunction>();
  /** Blocks that need what compiled ones have counted. */
  private readonly readers = new Set<ProbeBlock>();
  private readonly view: EngineView;
  private readonly guest: GuestInfo;
  private readonly kernel: LinuxKernel | undefined;
  private readonly symbols: ProgramSymbols | undefined;
  private readonly names: TaskNames | undefined;
  private readonly actions: readonly Action[];
  private readonly state: ScriptState;
  private readonly user: UserProbes | undefined;
  /** Actions by the address they are at. */
  private readonly entries = new Map<bigint, Action[]>();
  private readonly watched: { readonly point: Breakpoint; readonly action: Action }[] = [];
  /** Calls under way by the address they return to. An address stays when its calls are over: they come again. */
  private readonly returns = new Map<bigint, Call[]>();
  private timers: Timer[] = [];

  /** @throws ScriptError */
  constructor(view: EngineView, guest: GuestInfo, script: string, output: Output, options: ScriptOptions) {
    this.view = view;
    this.guest = guest;
    const kernel = guest.kernel();
    this.kernel = kernel;
    this.symbols = kernel && new ProgramSymbols(guest, kernel);
    this.names = kernel && new TaskNames(kernel);
    this.state = new ScriptState(output);
    const environment = {
      btf: kernel?.btf,
      kernelAddress: (name: string) => kernel?.symbols.find(name)?.address,
      mapLimit: options.mapLimit ?? 100_000,
      stringLimit: options.stringLimit ?? 4096,
    };
    const targets = {
      symbols: kernel?.symbols ?? [],
      btf: kernel?.btf,
      syscalls: kernel === undefined ? [] : readSyscalls(kernel),
    };
    this.actions = compileScript(script, options.parameters ?? [], targets, environment, this.state);
    const inPrograms = this.actions.filter((action): action is UserAction => action.attachment.kind === 'user');
    if (inPrograms.length > 0) this.user = new UserProbes(kernel, view, script, inPrograms);
    for (const action of this.actions) this.place(action);
    this.tallies = new Tallies(view.engine, kernel, environment);
  }

  /** How often probes were met. */
  get hits(): number {
    return this.ran + this.tallies.hits;
  }

  /** Compiles the blocks that only count, where the core has a use for that. */
  private compile(): void {
    if (this.view.engine.core.setActions === undefined) return;
    const tried = new Set<ProbeBlock>();
    for (const { attachment, block } of this.actions) {
      if (attachment.kind !== 'point' || tried.has(block)) continue;
      tried.add(block);
      const action = this.tallies.compile(block);
      if (action !== undefined) this.compiled.set(block, action);
    }
    const { maps } = this.tallies;
    for (const block of new Set(this.actions.map((action) => action.block)))
      if (mentions([block.predicate, block.body], maps)) this.readers.add(block);
  }

  private drain(): void {
    this.tallies.drain((name) => this.state.maps.get(name)!);
  }

  private place(action: Action): void {
    const { attachment } = action;
    if (attachment.kind === 'point' && (attachment.on !== 'execute' || attachment.end !== attachment.start + 1n)) {
      this.watched.push({ point: { kind: attachment.on, start: attachment.start, end: attachment.end }, action });
      return;
    }
    const address =
      attachment.kind === 'point' ? attachment.start : attachment.kind === 'return' ? attachment.address : undefined;
    if (address === undefined) return;
    const list = this.entries.get(address);
    if (list === undefined) this.entries.set(address, [action]);
    else list.push(action);
  }

  /** The script said exit(). */
  get exited(): boolean {
    return this.state.exited;
  }

  /** What the user should know besides the output. */
  get warnings(): readonly string[] {
    return this.user?.unmapped ?? [];
  }

  /** Runs BEGIN, and starts the timers. */
  async begin(): Promise<void> {
    this.compile();
    this.at('begin');
    this.drain();
    this.timers = this.actions.flatMap((action) => {
      const { attachment } = action;
      if (attachment.kind !== 'every') return [];
      const { unit, count } = attachment;
      return [{ action, unit, every: count, next: this.clock(unit) + count }];
    });
    this.user?.begin();
    await this.user?.resolve();
  }

  /** Runs END, and prints the maps. */
  end(): void {
    this.drain();
    this.at('end');
    for (const map of this.state.maps.values()) printMap(this.state.output, map, undefined);
  }

  /** Where the machine is to be looked at. Others from now on when {@link met} says so. */
  points(): Breakpoint[] {
    const { user } = this;
    const addresses = new Set([...this.entries.keys(), ...this.returns.keys()]);
    if (user !== undefined) for (const address of [user.hook, ...user.addresses]) addresses.add(address);
    return [
      ...[...addresses].map((start): Breakpoint => {
        const action = this.alone(start);
        return { kind: 'execute', start, end: start + 1n, ...(action && { action }) };
      }),
      ...this.watched.map(({ point }) => point),
    ];
  }

  /** What the core can do by itself at an address, because nothing else is to be done there. */
  private alone(address: bigint): CallableFunction | undefined {
    const { user } = this;
    const [action, ...more] = this.entries.get(address) ?? [];
    if (action === undefined || more.length > 0 || this.returns.has(address)) return undefined;
    if (user !== undefined && (user.hook === address || user.isAt(address))) return undefined;
    return this.compiled.get(action.block);
  }

  /**
   * Runs what belongs to a point; the machine is before the instruction.
   * @returns whether to go on without asking for {@link points} again; otherwise {@link renew} comes first
   */
  met(hit: Hit): boolean {
    const { user } = this;
    const known = this.returns.size;
    if (hit.point.kind !== 'execute' || hit.point.end !== hit.point.start + 1n) {
      for (const { point, action } of this.watched) if (point === hit.point) this.act(action, hit.hart);
      return !this.state.exited;
    }
    this.returned(hit);
    for (const action of this.entries.get(hit.pc) ?? []) {
      if (action.attachment.kind === 'return') this.called(action, hit.hart, undefined);
      else this.act(action, hit.hart);
    }
    let same = true;
    if (user !== undefined) {
      for (const action of user.at(hit.hart)) {
        if (action.attachment.returns) this.called(action, hit.hart, currentTask(this.view, hit.hart));
        else this.act(action, hit.hart);
      }
      if (hit.pc === user.hook) same = !user.mapping(hit.hart);
    }
    return same && !this.state.exited && this.returns.size === known;
  }

  /** Makes {@link points} those of the machine as it is. @throws ScriptError when a program has no such function */
  renew(): Promise<void> | undefined {
    return this.user?.resolve();
  }

  /** When the next timer is due. */
  get due(): { readonly instructions: number; readonly time: number } {
    const soonest = (unit: Timer['unit']): number =>
      Math.min(Infinity, ...this.timers.filter((timer) => timer.unit === unit).map(({ next }) => next));
    return { instructions: soonest('instructions'), time: soonest('nanoseconds') };
  }

  /** Runs the timers that are due. @param time guest time that has come, also where harts sleep beyond it @returns whether the script goes on */
  tick(time: number): boolean {
    for (const timer of this.timers) {
      const now = timer.unit === 'nanoseconds' ? Math.max(time, this.clock('nanoseconds')) : this.clock('instructions');
      for (; now >= timer.next && !this.state.exited; timer.next += timer.every)
        this.act(timer.action, this.view.activeHart());
    }
    return !this.state.exited;
  }

  private clock(unit: Timer['unit']): number {
    const { engine } = this.view;
    return unit === 'nanoseconds' ? engine.time : engine.instructions;
  }

  private register(hart: number, number: number): bigint {
    return this.view.readRegister(hart, X(number)) ?? 0n;
  }

  private called(action: Action, hart: number, task: bigint | undefined): void {
    const to = this.register(hart, RA);
    const call = { action, sp: this.register(hart, SP), task };
    const list = this.returns.get(to);
    if (list === undefined) this.returns.set(to, [call]);
    else list.push(call);
  }

  private returned({ pc, hart }: Hit): void {
    const calls = this.returns.get(pc);
    if (calls === undefined || calls.length === 0) return;
    // A task may have moved to another hart; its stack has not moved.
    const sp = this.register(hart, SP);
    const task = this.view.readRegister(hart, PRV) === 0n ? currentTask(this.view, hart) : undefined;
    for (let i = calls.length - 1; i >= 0; i--) {
      const call = calls[i]!;
      if (call.sp !== sp || call.task !== task) continue;
      calls.splice(i, 1);
      this.act(call.action, hart);
    }
  }

  private at(kind: Attachment['kind']): void {
    for (const action of this.actions) if (action.attachment.kind === kind) this.act(action, this.view.activeHart());
  }

  private act({ attachment, run, block }: Action, hart: number): void {
    if (this.state.exited && attachment.kind !== 'end') return;
    this.ran++;
    if (this.readers.has(block)) this.drain();
    run(new MachineContext(this.view, this.guest, this.kernel, this.symbols, this.names, attachment, hart));
  }
}

/** Whether a part of a script has one of the maps in it. */
function mentions(part: unknown, maps: ReadonlySet<string>): boolean {
  if (typeof part === 'string') return maps.has(part);
  return typeof part === 'object' && part !== null && Object.values(part).some((value) => mentions(value, maps));
}
