import type { GuestInfo } from '../debug/guest-info.ts';
import { reachKernel } from '../history/kernel-start.ts';
import { readSyscalls } from '../linux/syscalls.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { X } from '../machine/view/machine-view.ts';
import type { Breakpoint, Hit } from '../timeline/breakpoints.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Mover } from '../timeline/mover.ts';
import type { Attachment } from './attach.ts';
import { ScriptState } from './compile-expression.ts';
import { MachineContext } from './context.ts';
import type { ScriptEnvironment } from './environment.ts';
import { type Output, printMap } from './output.ts';
import { type Action, compileScript } from './program.ts';

/** How scripts are run. */
export interface ProbeOptions extends MoveOptions {
  /** What `$1`, `$2` … stand for. */
  readonly parameters?: readonly string[];
  /** Most entries of a map; default 100,000. */
  readonly mapLimit?: number;
  /** Most bytes that str() and buf() read; default 4096. */
  readonly stringLimit?: number;
}

/** How a script ended. */
export interface ProbeResult {
  /** `end` of the recording · `exit()` of the script · `interrupted` by the signal: what was found so far is printed. */
  readonly reason: 'end' | 'exit' | 'interrupted';
  /** How often probes were met. */
  readonly hits: number;
}

const RA = 1;
const SP = 2;

/** A call that is under way: where it returns to, and the stack pointer it will have then. */
interface Call {
  readonly action: Action;
  readonly sp: bigint;
}

/**
 * Runs a script over a machine's past, from where the mover is to its end.
 * @throws ScriptError, MapLimitError, RangeError when the guest has no kernel that can be read
 */
export async function runProbes(
  mover: Mover,
  guest: GuestInfo,
  script: string,
  output: Output,
  options: ProbeOptions = {},
): Promise<ProbeResult> {
  const kernel = guest.kernel();
  if (kernel !== undefined) await reachKernel(mover, kernel, options);
  const state = new ScriptState(output);
  const environment: ScriptEnvironment = {
    btf: kernel?.btf,
    kernelAddress: (name) => kernel?.symbols.find(name)?.address,
    mapLimit: options.mapLimit ?? 100_000,
    stringLimit: options.stringLimit ?? 4096,
  };
  const targets = {
    symbols: kernel?.symbols ?? [],
    btf: kernel?.btf,
    syscalls: kernel === undefined ? [] : readSyscalls(kernel),
  };
  const actions = compileScript(script, options.parameters ?? [], targets, environment, state);
  const run = new ProbeRun(mover, guest, actions, state);
  const reason = await run.toEnd(options);
  for (const map of state.maps.values()) printMap(output, map, undefined);
  return { reason, hits: run.hits };
}

class ProbeRun {
  hits = 0;
  private readonly mover: Mover;
  private readonly view: EngineView;
  private readonly guest: GuestInfo;
  private readonly actions: readonly Action[];
  private readonly state: ScriptState;
  /** Actions by the address they are at. */
  private readonly entries = new Map<bigint, Action[]>();
  private readonly watched: { readonly point: Breakpoint; readonly action: Action }[] = [];
  /** Calls under way by the address they return to. An address stays when its calls are over: they come again. */
  private readonly returns = new Map<bigint, Call[]>();

  constructor(mover: Mover, guest: GuestInfo, actions: readonly Action[], state: ScriptState) {
    this.mover = mover;
    this.view = mover.view;
    this.guest = guest;
    this.actions = actions;
    this.state = state;
    for (const action of actions) {
      const { attachment } = action;
      if (attachment.kind === 'point' && (attachment.on !== 'execute' || attachment.end !== attachment.start + 1n)) {
        this.watched.push({ point: { kind: attachment.on, start: attachment.start, end: attachment.end }, action });
        continue;
      }
      const address =
        attachment.kind === 'point' ? attachment.start : attachment.kind === 'return' ? attachment.address : undefined;
      if (address === undefined) continue;
      const list = this.entries.get(address);
      if (list === undefined) this.entries.set(address, [action]);
      else list.push(action);
    }
  }

  async toEnd(options: MoveOptions): Promise<ProbeResult['reason']> {
    this.at('begin');
    const timers = this.actions.flatMap((action) =>
      action.attachment.kind === 'every'
        ? [{ action, unit: action.attachment.unit, every: action.attachment.count, next: 0 }]
        : [],
    );
    const clock = (unit: 'nanoseconds' | 'instructions'): number =>
      unit === 'nanoseconds' ? this.view.engine.time : this.mover.at.instructions;
    for (const timer of timers) timer.next = clock(timer.unit) + timer.every;
    const soonest = (unit: 'nanoseconds' | 'instructions'): number =>
      Math.min(Infinity, ...timers.filter((timer) => timer.unit === unit).map(({ next }) => next));
    let reason: ProbeResult['reason'] = 'end';
    let pass = false;
    while (!this.state.exited) {
      const instructions = soonest('instructions');
      const time = soonest('nanoseconds');
      const until = { instructions, ...(time !== Infinity && { time }) };
      const result = await this.mover.scan(this.points(), until, (hit) => this.met(hit), { ...options, pass });
      pass = result.reason === 'hit';
      if (result.reason === 'interrupted') {
        reason = 'interrupted';
        break;
      }
      if (result.reason === 'end') break;
      if (result.reason !== 'there') continue;
      // Where all harts sleep beyond the time of a timer, it is due in the middle of their sleep.
      const asleep = this.mover.at.instructions < instructions;
      for (const timer of timers) {
        const due = clock(timer.unit) >= timer.next || (asleep && timer.unit === 'nanoseconds' && timer.next === time);
        if (!due) continue;
        this.act(timer.action, this.view.activeHart());
        timer.next += timer.every;
      }
    }
    if (this.state.exited) reason = 'exit';
    this.at('end');
    return reason;
  }

  private points(): Breakpoint[] {
    const addresses = new Set([...this.entries.keys(), ...this.returns.keys()]);
    return [
      ...[...addresses].map((start): Breakpoint => ({ kind: 'execute', start, end: start + 1n })),
      ...this.watched.map(({ point }) => point),
    ];
  }

  /** @returns whether to go on without looking at the points again */
  private met(hit: Hit): boolean {
    const known = this.returns.size;
    if (hit.point.kind !== 'execute' || hit.point.end !== hit.point.start + 1n) {
      for (const { point, action } of this.watched) if (point === hit.point) this.act(action, hit.hart);
      return !this.state.exited;
    }
    this.returned(hit);
    for (const action of this.entries.get(hit.pc) ?? []) {
      if (action.attachment.kind === 'return') this.called(action, hit.hart);
      else this.act(action, hit.hart);
    }
    return !this.state.exited && this.returns.size === known;
  }

  private called(action: Action, hart: number): void {
    const register = (number: number): bigint => this.view.readRegister(hart, X(number)) ?? 0n;
    const to = register(RA);
    const call = { action, sp: register(SP) };
    const list = this.returns.get(to);
    if (list === undefined) this.returns.set(to, [call]);
    else list.push(call);
  }

  private returned({ pc, hart }: Hit): void {
    const calls = this.returns.get(pc);
    if (calls === undefined || calls.length === 0) return;
    // A task may have moved to another hart; its kernel stack has not moved.
    const sp = this.view.readRegister(hart, X(SP));
    for (let i = calls.length - 1; i >= 0; i--) {
      const call = calls[i]!;
      if (call.sp !== sp) continue;
      calls.splice(i, 1);
      this.act(call.action, hart);
    }
  }

  private at(kind: Attachment['kind']): void {
    for (const action of this.actions) if (action.attachment.kind === kind) this.act(action, this.view.activeHart());
  }

  private act({ attachment, run }: Action, hart: number): void {
    if (this.state.exited && attachment.kind !== 'end') return;
    this.hits++;
    run(new MachineContext(this.view, this.guest, attachment, hart));
  }
}
