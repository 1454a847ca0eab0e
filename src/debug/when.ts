import { CurrentTasks } from '../linux/current-tasks.ts';
import { findTask } from '../linux/tasks.ts';
import { type MachineView, PC } from '../machine/view/machine-view.ts';
import type { Resolve } from '../machine/view/page-table.ts';
import { resolver } from '../machine/view/virtual-memory.ts';
import { compareInstants, type Instant } from '../record/door.ts';
import { ADDRESS_END, type Breakpoint } from '../timeline/breakpoints.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Mover } from '../timeline/mover.ts';
import { type Compiled, compileWatched } from './expression/scope.ts';
import type { GuestInfo } from './guest-info.ts';
import { piecePoints, ramPieces } from './ram-pieces.ts';
import { DebugError } from './target.ts';

/** A change of an expression's value. */
export interface ValueChange {
  /** Before the instruction that made it. */
  readonly at: Instant;
  /** Guest time in nanoseconds. */
  readonly time: number;
  readonly hart: number;
  readonly pc: bigint;
  /** Undefined where it had none: memory it reads was not mapped. */
  readonly before: bigint | undefined;
  readonly after: bigint | undefined;
}

/** What is watched, and where. */
export interface WhenOptions extends MoveOptions {
  /** User-space addresses are this process's; registers are looked at while it runs. */
  readonly process?: number;
  /** Registers are of this hart; of each that executes, if not said. */
  readonly hart?: number;
  /** The value is looked at before this instruction only. */
  readonly place?: bigint;
  readonly until?: Instant;
}

/**
 * Runs forward from where the mover is and reports whenever the value of an expression changes. What lies in memory is watched there; an
 * expression that reads registers is evaluated before every instruction, or every time `place` is reached.
 * @param each returns whether to go on @returns why it ended: `hit` when `each` said so
 * @throws DebugError for an expression that cannot be read
 */
export async function whenChanged(
  mover: Mover,
  guest: GuestInfo,
  text: string,
  each: (change: ValueChange) => boolean,
  options: WhenOptions = {},
): Promise<'end' | 'hit' | 'interrupted'> {
  const { value, registers } = compileWatched(text, guest);
  const watch = new Watch(mover, guest, value, each, options);
  return registers || options.place !== undefined ? watch.code() : watch.memory();
}

class Watch {
  private readonly mover: Mover;
  private readonly guest: GuestInfo;
  private readonly value: Compiled;
  private readonly each: (change: ValueChange) => boolean;
  private readonly options: WhenOptions;
  private readonly runs: (hart: number) => boolean;
  private last: bigint | undefined;

  constructor(
    mover: Mover,
    guest: GuestInfo,
    value: Compiled,
    each: (change: ValueChange) => boolean,
    options: WhenOptions,
  ) {
    this.mover = mover;
    this.guest = guest;
    this.value = value;
    this.each = each;
    this.options = options;
    const { process, hart } = options;
    const kernel = guest.kernel();
    if (process !== undefined && kernel === undefined)
      throw new DebugError('no Linux kernel with kallsyms and BTF is in memory at this instant: seek to a later one');
    const tasks = process === undefined ? undefined : new CurrentTasks(kernel!);
    this.runs = (h) =>
      (hart === undefined || h === hart) && (tasks === undefined || tasks.tgid(mover.view, h) === process);
  }

  /** Evaluated before instructions. */
  async code(): Promise<'end' | 'hit' | 'interrupted'> {
    const { mover, options } = this;
    const { place } = options;
    const point: Breakpoint =
      place === undefined
        ? { kind: 'execute', start: 0n, end: ADDRESS_END }
        : { kind: 'execute', start: place, end: place + 1n };
    let known = false;
    let found = false;
    const when = (hart: number): boolean => {
      if (!this.runs(hart)) return false;
      const now = this.evaluate(hart);
      const changed = known && now !== this.last;
      if (known && !changed) return false;
      const before = this.last;
      this.last = now;
      known = true;
      return changed && !this.report(mover.at, hart, mover.view.readRegister(hart, PC)!, before, now);
    };
    const { reason } = await mover.scan(
      [{ ...point, when: (_, hart) => when(hart) }],
      { ...this.end },
      () => {
        found = true;
        return false;
      },
      options,
    );
    return reason === 'interrupted' ? 'interrupted' : found ? 'hit' : 'end';
  }

  /** Evaluated after writes to what it reads. */
  async memory(): Promise<'end' | 'hit' | 'interrupted'> {
    const { mover, guest, options } = this;
    let pass = false;
    let { points, value } = this.armed();
    this.last = value;
    let stopped = false;
    const former = mover.view.engine.observeRam(() => {
      // What devices write is small beside what harts do: the value is looked at after each.
      const { engine } = mover.view;
      if (compareInstants(engine.instant, this.end) >= 0) return;
      const now = this.evaluate(mover.view.activeHart());
      const before = this.last;
      if (now === before || stopped) return;
      this.last = now;
      const hart = mover.view.activeHart();
      stopped = !this.report(engine.instant, hart, mover.view.readRegister(hart, PC)!, before, now);
    });
    try {
      for (;;) {
        const result = await mover.scan(points, this.end, () => false, { ...options, pass });
        if (result.reason === 'interrupted') return 'interrupted';
        if (stopped) return 'hit';
        if (result.hit === undefined) return 'end';
        const { at, hart, pc } = result.hit;
        await mover.step(1);
        pass = false;
        const before = this.last;
        ({ points, value } = this.armed());
        if (value === before) continue;
        this.last = value;
        if (!this.report(at, hart, pc, before, value)) return 'hit';
        if (guest.view.instant.instructions >= this.end.instructions) return 'end';
      }
    } finally {
      mover.view.engine.observeRam(former);
    }
  }

  private get end(): Instant {
    return this.options.until ?? { instructions: Infinity, sequence: 0 };
  }

  private report(
    at: Instant,
    hart: number,
    pc: bigint,
    before: bigint | undefined,
    after: bigint | undefined,
  ): boolean {
    return this.each({ at, time: this.mover.view.engine.time, hart, pc, before, after });
  }

  private evaluate(hart: number, loaded?: (address: bigint, length: number) => void): bigint | undefined {
    try {
      return this.value(this.seen(hart), hart, loaded);
    } catch (error) {
      if (error instanceof DebugError) return undefined;
      throw error;
    }
  }

  /** The value, and watchpoints on all that was read for it. */
  private armed(): { readonly value: bigint | undefined; readonly points: readonly Breakpoint[] } {
    const { mover, guest } = this;
    const { process } = this.options;
    const kernel = guest.kernel();
    const hart = this.options.hart ?? mover.view.activeHart();
    const points: Breakpoint[] = [];
    const own = this.resolver(hart);
    const value = this.evaluate(hart, (address, length) => {
      const global = address >> 63n === 1n && kernel !== undefined;
      const resolve: Resolve = global ? (at) => kernel.resolve(at) : own;
      // A page that is not there yet: the process itself touches it first.
      if (process !== undefined && !global)
        points.push({
          kind: 'write',
          start: address,
          end: address + BigInt(length),
          when: (_, h) => this.runs(h),
        });
      if (resolve(address) === undefined) return;
      for (const piece of ramPieces(guest, resolve, address, length, '')) points.push(...piecePoints(piece, 'write'));
    });
    if (points.length === 0)
      throw new DebugError('the expression reads no memory and no register: its value never changes');
    return { value, points };
  }

  /** How user-space addresses lead to RAM now. */
  private resolver(hart: number): Resolve {
    const { guest, mover } = this;
    const { process } = this.options;
    const kernel = guest.kernel();
    if (process === undefined || kernel === undefined) return resolver(mover.view, hart);
    const task = findTask(kernel, process);
    return task === undefined || task.mm === 0n ? () => undefined : guest.userAddresses(kernel, task);
  }

  /** The machine as the expression sees it: with the addresses of the process that is asked about. */
  private seen(hart: number): MachineView {
    const { view } = this.mover;
    if (this.options.process === undefined || this.runs(hart)) return view;
    const resolve = this.resolver(hart);
    const kernel = this.guest.kernel()!;
    return {
      harts: view.harts,
      ram: view.ram,
      instant: view.instant,
      activeHart: () => view.activeHart(),
      readRegister: (h, id) => (id.kind === 'prv' ? 1n : view.readRegister(h, id)),
      translate: (_, address) => (address >> 63n === 1n ? kernel.resolve(address) : resolve(address)) ?? -1n,
      readNumber: (physical, length) => view.readNumber(physical, length),
      readPhysical: (physical, length) => view.readPhysical(physical, length),
    };
  }
}
