import { DEBUG } from '../isa/layout.ts';
import { ramWrite, registerWrite } from '../machine/engine/debug-write.ts';
import type { Engine, Stop as EngineStop, Limit } from '../machine/engine/engine.ts';
import { meets, nextAccess, nextInstruction } from './access.ts';
import { EngineView } from './engine-view.ts';
import { resolver } from './memory.ts';
import {
  CSR,
  DebugError,
  type DebugPoint,
  type DebugTarget,
  type EventNote,
  type Instant,
  type MachineView,
  type MoveOptions,
  PC,
  PRV,
  type RegisterId,
  type Stop,
  type WriteNote,
  X,
} from './target.ts';

/** How an engine is moved through time. */
export interface TimeBase {
  readonly title: string;
  readonly engine: Engine;
  readonly begin: Instant;
  /** Last instant that can be reached. Infinity for a live machine. */
  end(): Instant;
  /** The machine's past is given: nothing may be written. */
  readonly readOnly: boolean;
  /** What happens from here on is not given yet: inputs may come in. */
  readonly living: boolean;
  /** The last instant that was lived, {@link end} when that is finite. */
  reached(): Instant;
  /** Puts the engine at an instant, boundary steps not made yet. */
  seek(instant: Instant): Promise<void>;
  /** {@link Engine.run} towards the future, waiting for data that is late. */
  run(limit: Limit, signal?: AbortSignal): EngineStop | Promise<EngineStop>;
  /** Instructions to run at once: Infinity where {@link run} heeds its signal. */
  readonly slice?: number;
  /** Instants that are quick to go to, in order. */
  checkpoints(): readonly { readonly instant: Instant; readonly bytes: number }[];
  events(): readonly EventNote[];
  /** Forgets the future and lets the machine live on from here. @throws DebugError */
  branch(): Promise<void>;
  /** The machine is about to be written to: what came after this instant is no more. */
  beforeWrite?(): void;
  /** A debugger takes the machine, that ran by itself. */
  hold?(): Promise<void>;
  /** The debugger is gone. */
  release?(): void;
  /** The branch as a recording. @throws DebugError when there is none */
  save?(): Uint8Array;
  /** Lets the host do other things. */
  pause(): Promise<void>;
}

const EXECUTE_ANYWHERE = { kind: DEBUG.EXECUTE, start: 0n, end: 0xffff_ffff_ffff_ffffn };
const BITS = {
  execute: DEBUG.EXECUTE,
  read: DEBUG.READ,
  write: DEBUG.WRITE,
  access: DEBUG.READ | DEBUG.WRITE,
} as const;
/** Instructions between looks at the abort signal. */
const SLICE = 2_000_000;
/** Stops between looks at the abort signal. */
const STOPS = 20_000;
/** How far back a hart's last instruction is looked for at first, when others run too. */
const LOOK_BACK = [64, 4096, 262_144, 16_777_216];
/** Longest stretch searched at once where checkpoints are missing. */
const SEGMENT = 50_000_000;

/** A point that was met, the machine standing before the instruction. */
interface Hit {
  readonly instant: Instant;
  readonly hart: number;
  readonly point: DebugPoint;
  readonly address?: bigint;
}

const SEPC = 0x141;
const STVEC = 0x105;
const SCAUSE = 0x142;
const SATP = 0x180;
/** Bytes of a vectored trap table that interrupts may enter at. */
const VECTORS = 64n;

/** What tells one flow of control from another that executes the same code. */
interface Context {
  readonly pc: bigint;
  readonly sp: bigint;
  readonly prv: bigint;
  readonly satp: bigint;
}

function contextOf(view: MachineView, hart: number): Context {
  const read = (id: RegisterId): bigint => view.readRegister(hart, id) ?? 0n;
  return { pc: read(PC), sp: read(X(2)), prv: read(PRV), satp: read(CSR(SATP)) };
}

const sameContext = (a: Context, b: Context): boolean =>
  a.pc === b.pc && a.sp === b.sp && a.prv === b.prv && a.satp === b.satp;

class Interrupted extends Error {}

/**
 * An engine under a debugger. Where it stops, the machine is about to execute an instruction: due interrupts are taken and turns
 * given, without changing what is replayed.
 */
export class EngineTarget extends EngineView implements DebugTarget {
  private readonly base: TimeBase;
  private points: readonly DebugPoint[] = [];
  /** Debuggers that are there. */
  private holders = 0;
  /** Where the interrupt came in that was taken where it stands. */
  private broken: (Context & { readonly hart: number }) | undefined;
  constructor(base: TimeBase) {
    super(base.engine);
    this.base = base;
  }

  get title(): string {
    return this.base.title;
  }

  get readOnly(): boolean {
    return this.base.readOnly;
  }

  get begin(): Instant {
    return this.base.begin;
  }

  end(): Instant {
    return this.base.end();
  }

  writeRegister(hart: number, id: RegisterId, value: bigint): void {
    if (id.kind === 'prv' && value !== 0n && value !== 1n && value !== 3n)
      throw new DebugError(`privilege ${value}: expected 0 (U), 1 (S) or 3 (M)`);
    this.refuseWrites();
    const number = 'number' in id ? id.number : 0;
    if (!this.engine.debugWrite(registerWrite(hart, id.kind, number, value)))
      throw new DebugError('this register cannot be written');
  }

  writePhysical(address: bigint, bytes: Uint8Array): number {
    this.refuseWrites();
    const { base, size } = this.ram;
    if (address < base || address >= base + BigInt(size)) return 0;
    const at = Number(address - base);
    const part = bytes.subarray(0, Math.min(bytes.length, size - at));
    if (part.length > 0) this.engine.debugWrite(ramWrite(at, part));
    return part.length;
  }

  setPoints(points: readonly DebugPoint[]): void {
    this.points = points;
  }

  async continue(options: MoveOptions = {}): Promise<Stop> {
    try {
      const hit = await this.search(this.points, Infinity, true, options, () => true);
      if (!hit) return await this.stopAtEnd();
      if (hit.point.kind !== 'execute' && options.watch !== 'before') await this.advance(hit.instant + 1);
      return { reason: 'point', hart: hit.hart, point: hit.point, address: hit.address };
    } catch (e) {
      return this.interrupted(e);
    } finally {
      await this.settled();
    }
  }

  async reverseContinue(options: MoveOptions = {}): Promise<Stop> {
    const from = this.now();
    try {
      const hit = await this.searchBack(this.points, from, options);
      const behind = hit !== undefined && hit.point.kind !== 'execute' && options.watch === 'behind';
      await this.goTo(hit === undefined ? this.begin : hit.instant + Number(behind));
      if (!hit) return { reason: 'begin', hart: this.activeHart() };
      return { reason: 'point', hart: hit.hart, point: hit.point, address: hit.address };
    } catch (e) {
      if (!(e instanceof Interrupted)) throw e;
      await this.goTo(from);
      return { reason: 'interrupted', hart: this.activeHart() };
    }
  }

  async step(hart: number, count: number, options: MoveOptions = {}): Promise<Stop> {
    const stop = await this.stepThrough(hart, count, options);
    if (stop.reason !== 'step' || options.overInterrupts !== true) return stop;
    return (await this.overHandler(hart, options)) ?? stop;
  }

  /** Where a hart stands at the beginning of an interrupt's handler: to where that returns. @returns why it did not come there */
  private async overHandler(hart: number, options: MoveOptions): Promise<Stop | undefined> {
    const { broken, points } = this;
    if (broken?.hart !== hart) return undefined;
    const back: DebugPoint = {
      kind: 'execute',
      start: broken.pc,
      end: broken.pc + 1n,
      hart,
      when: (view, h) => sameContext(broken, contextOf(view, h)),
    };
    this.points = [...points, back];
    try {
      const returned = await this.continue(options);
      return returned.point === back ? undefined : returned;
    } finally {
      this.points = points;
    }
  }

  private async stepThrough(hart: number, count: number, options: MoveOptions): Promise<Stop> {
    try {
      let last = hart;
      for (let left = count; left > 0; ) {
        if (this.now() >= this.end() || this.engine.halt) return await this.stopAtEnd();
        if (this.harts > 1) {
          // Whose turn it is, and what it takes first, shows only behind the boundary.
          await this.settled();
          const stop = options.overInterrupts === true ? await this.overHandler(hart, options) : undefined;
          if (stop) return stop;
        }
        const watch = this.watchHit();
        last = this.activeHart();
        if (watch && options.watch === 'before')
          return { reason: 'point', hart: last, point: watch.point, address: watch.address };
        const single = this.harts === 1 && watch === undefined && this.points.length === 0;
        const steps = single ? Math.min(left, SLICE) : 1;
        const before = this.now();
        await this.advance(Math.min(before + steps, this.end()));
        if (this.now() === before) return await this.stopAtEnd();
        if (last === hart || !this.steppable(hart)) left -= this.now() - before;
        if (watch) return { reason: 'point', hart: last, point: watch.point, address: watch.address };
        if (options.signal?.aborted) throw new Interrupted();
        if (this.harts > 1 && this.now() % 1000 === 0) await this.look(options);
      }
      return { reason: 'step', hart };
    } catch (e) {
      return this.interrupted(e);
    } finally {
      await this.settled();
    }
  }

  async reverseStep(hart: number, count: number, options: MoveOptions = {}): Promise<Stop> {
    const from = this.now();
    const before = contextOf(this, hart);
    for (;;) {
      const stop = await this.reverseStepThrough(hart, count, options);
      if (stop.reason !== 'step' || options.overInterrupts !== true || count !== 1) return stop;
      try {
        if (!(await this.backOverInterrupt(hart, before, options))) return stop;
      } catch (e) {
        if (!(e instanceof Interrupted)) throw e;
        await this.goTo(from);
        return { reason: 'interrupted', hart };
      }
    }
  }

  /**
   * Where a hart is about to return from an interrupt to `before`: goes back to its being taken. @returns false when it is not: nothing moved
   */
  private async backOverInterrupt(hart: number, before: Context, options: MoveOptions): Promise<boolean> {
    const csr = (number: number): bigint => this.readRegister(hart, CSR(number)) ?? 0n;
    if (nextInstruction(this, hart)?.row.name !== 'sret' || csr(SEPC) !== before.pc) return false;
    const there = this.now();
    const vector = csr(STVEC);
    const base = vector & ~3n;
    const taken: DebugPoint = {
      kind: 'execute',
      start: base,
      end: base + (vector & 1n ? VECTORS : 1n),
      hart,
      // The last trap of this very context decides: a fault or a call is not gone over.
      when: (view, h) => {
        const at = contextOf(view, h);
        const trapped = view.readRegister(h, CSR(SEPC)) ?? 0n;
        return at.sp === before.sp && at.satp === before.satp && trapped <= before.pc && before.pc - trapped <= 4n;
      },
    };
    const hit = await this.searchBack([taken], there, { signal: options.signal });
    if (hit) {
      await this.goTo(hit.instant);
      if (csr(SCAUSE) >> 63n === 1n && csr(SEPC) === before.pc) return true;
    }
    await this.goTo(there);
    return false;
  }

  private async reverseStepThrough(hart: number, count: number, options: MoveOptions): Promise<Stop> {
    const from = this.now();
    if (from <= this.begin) return { reason: 'begin', hart };
    try {
      if (this.harts === 1) {
        const to = from - count;
        await this.goTo(Math.max(to, this.begin));
        const watch = count === 1 ? this.watchHit() : undefined;
        if (watch) {
          if (options.watch === 'behind') await this.goTo(from);
          return { reason: 'point', hart, point: watch.point, address: watch.address };
        }
        return to < this.begin ? { reason: 'begin', hart } : { reason: 'step', hart };
      }
      let at = from;
      for (let i = 0; i < count; i++) {
        const found = await this.lastOf(hart, at, options);
        if (found === undefined) {
          await this.goTo(this.begin);
          return { reason: 'begin', hart };
        }
        at = found;
      }
      await this.goTo(at);
      const watch = count === 1 ? this.watchHit() : undefined;
      if (!watch) return { reason: 'step', hart };
      if (options.watch === 'behind') await this.goTo(from);
      return { reason: 'point', hart, point: watch.point, address: watch.address };
    } catch (e) {
      if (!(e instanceof Interrupted)) throw e;
      await this.goTo(from);
      return { reason: 'interrupted', hart };
    }
  }

  async seek(instant: Instant): Promise<void> {
    await this.goTo(Math.min(Math.max(instant, this.begin), this.reached()));
  }

  events(): readonly EventNote[] {
    return this.base.events();
  }

  checkpoints(): readonly { readonly instant: Instant; readonly bytes: number }[] {
    return this.base.checkpoints();
  }

  async lastWrite(
    hart: number,
    address: bigint,
    length: number,
    options: MoveOptions = {},
  ): Promise<WriteNote | undefined> {
    const from = this.now();
    const physical = resolver(this, hart)(address);
    const point: DebugPoint = {
      kind: 'write',
      start: address,
      end: address + BigInt(length),
      // The same address in another address space is another place.
      when: (_, h) => physical === undefined || resolver(this, h)(address) === physical,
    };
    try {
      const hit = await this.searchBack([point], from, options);
      if (!hit) return undefined;
      await this.goTo(hit.instant);
      return { instant: hit.instant, hart: hit.hart, pc: this.readRegister(hit.hart, PC) ?? 0n };
    } catch (e) {
      if (!(e instanceof Interrupted)) throw e;
      throw new DebugError('interrupted');
    } finally {
      await this.goTo(from);
    }
  }

  async branch(): Promise<void> {
    if (!this.base.readOnly) return;
    await this.base.branch();
    await this.settled();
  }

  reached(): Instant {
    return this.base.reached();
  }

  async hold(): Promise<void> {
    this.holders++;
    await this.base.hold?.();
    await this.settled();
  }

  release(): void {
    this.holders = Math.max(0, this.holders - 1);
    if (this.holders > 0) return;
    this.points = [];
    this.engine.setDebugPoints([]);
    this.base.release?.();
  }

  save(): Uint8Array {
    if (!this.base.save) throw new DebugError('this machine keeps its own recording');
    return this.base.save();
  }

  // --- moving

  private refuseWrites(): void {
    if (this.base.readOnly)
      throw new DebugError(
        'the past cannot be changed: `monitor branch` goes on from here as a machine that can be written to',
      );
    this.base.beforeWrite?.();
  }

  private async stopAtEnd(): Promise<Stop> {
    // The end of a recording is a place to go back from, also when the guest powered off there.
    return { reason: this.engine.halt && this.end() === Infinity ? 'halted' : 'end', hart: this.activeHart() };
  }

  private interrupted(e: unknown): Stop {
    if (!(e instanceof Interrupted)) throw e;
    return { reason: 'interrupted', hart: this.activeHart() };
  }

  /** Whether a hart can be stepped: others are stepped instead of one that sleeps. */
  private steppable(hart: number): boolean {
    const state = this.engine.harts[hart];
    return state.get32('hsm') === 0 && state.get32('waiting') === 0;
  }

  private async goTo(instant: Instant): Promise<void> {
    if (instant !== this.now()) await this.base.seek(instant);
    await this.settled();
  }

  /** Runs forward to an instant without meeting anything. */
  private async advance(instant: Instant): Promise<void> {
    this.engine.setDebugPoints([]);
    while (this.now() < instant) {
      const stop = await this.base.run({ instructions: instant });
      if (stop !== 'left' && stop !== 'late') return;
    }
  }

  /** Makes what is due before the next instruction happen, so that the machine stands right before it. */
  private async settled(): Promise<void> {
    this.broken = undefined;
    if (this.now() >= this.end() || this.engine.halt) return;
    const contexts = this.engine.harts.map((_, hart) => contextOf(this, hart));
    this.engine.setDebugPoints([EXECUTE_ANYWHERE]);
    this.engine.skipDebugPoint(false);
    await this.base.run({ instructions: this.now() + 1 });
    this.engine.setDebugPoints([]);
    const hart = this.activeHart();
    if (this.readRegister(hart, PC) !== contexts[hart].pc) this.broken = { hart, ...contexts[hart] };
    // What comes in from here on comes behind the interrupt that may have been taken.
    if (this.base.living) this.engine.settle();
  }

  private async look({ signal }: MoveOptions): Promise<void> {
    if (signal?.aborted) throw new Interrupted();
    await this.base.pause();
    if (signal?.aborted) throw new Interrupted();
  }

  /** The watchpoint that the next instruction will meet. */
  private watchHit(points = this.points): { point: DebugPoint; address: bigint } | undefined {
    if (!points.some((p) => p.kind !== 'execute')) return undefined;
    const hart = this.activeHart();
    const access = nextAccess(this, hart);
    const point = access && points.find((p) => meets(access, p) && this.holds(p, hart));
    return point && access
      ? { point, address: access.address > point.start ? access.address : point.start }
      : undefined;
  }

  private holds(point: DebugPoint, hart: number): boolean {
    return (point.hart === undefined || point.hart === hart) && (point.when === undefined || point.when(this, hart));
  }

  /**
   * Runs forward from here, telling of each point met before `until`.
   * @param pass whether execute points are passed over where it begins
   * @param found ends the search by true
   * @returns the hit that ended it, the machine standing before its instruction
   */
  private async search(
    points: readonly DebugPoint[],
    until: Instant,
    pass: boolean,
    options: MoveOptions,
    found: (hit: Hit) => boolean,
  ): Promise<Hit | undefined> {
    const { engine } = this;
    const limit = Math.min(until, this.end());
    if (pass) {
      const hit = this.passing(points);
      if (hit && this.now() < limit && found(hit)) return hit;
    }
    const install = (): void =>
      engine.setDebugPoints(points.map((p) => ({ kind: BITS[p.kind], start: p.start, end: p.end })));
    install();
    engine.skipDebugPoint(pass);
    const watches = points.some((p) => p.kind !== 'execute');
    let stops = 0;
    while (this.now() < limit) {
      const run = this.base.run(
        { instructions: Math.min(limit, this.now() + (this.base.slice ?? SLICE)) },
        options.signal,
      );
      // A condition that does not hold is a stop like any other: nothing is awaited for it.
      const stop = typeof run === 'string' ? run : await run;
      if (stop === 'debug') {
        const first = points[engine.memory.machine32('debugHit')];
        const hit = first.kind === 'execute' ? this.executeHit(points, first) : this.watchMet(points, first);
        if (hit && found(hit)) return hit;
        if (watches && first.kind === 'execute') {
          const watch = this.passing(points);
          if (watch && found(watch)) return watch;
        }
        engine.skipDebugPoint(true);
        if (++stops % STOPS !== 0) continue;
      } else if (stop === 'halt' || stop === 'idle') {
        if (this.end() !== Infinity || engine.halt) return undefined;
      }
      await this.look(options);
      if (limit !== Infinity) options.onProgress?.(this.now() / limit);
    }
    return undefined;
  }

  /** The execute point the engine stopped at, or another one there whose condition holds. */
  private executeHit(points: readonly DebugPoint[], first: DebugPoint): Hit | undefined {
    const hart = this.activeHart();
    if (this.holds(first, hart)) return { instant: this.now(), hart, point: first };
    if (points.length === 1) return undefined;
    const pc = this.readRegister(hart, PC)!;
    const point = points.find(
      (p) => p.kind === 'execute' && p !== first && pc >= p.start && pc < p.end && this.holds(p, hart),
    );
    return point && { instant: this.now(), hart, point };
  }

  /** The watchpoint the engine stopped at, or another one of the same access whose condition holds. */
  private watchMet(points: readonly DebugPoint[], first: DebugPoint): Hit | undefined {
    const hart = this.activeHart();
    const { address } = this.engine.debugHit;
    if (this.holds(first, hart))
      return { instant: this.now(), hart, point: first, address: address > first.start ? address : first.start };
    return points.length === 1 ? undefined : this.passing(points.filter((p) => p !== first));
  }

  /** The watchpoint at the instruction that is to be passed over. */
  private passing(points: readonly DebugPoint[]): Hit | undefined {
    const watch = this.watchHit(points);
    return watch && { instant: this.now(), hart: this.activeHart(), ...watch };
  }

  /** The last hit before an instant. Moves. */
  private async searchBack(
    points: readonly DebugPoint[],
    before: Instant,
    options: MoveOptions,
  ): Promise<Hit | undefined> {
    if (points.length === 0) return undefined;
    let to = before;
    while (to > this.begin) {
      const from = this.segmentBefore(to);
      if (options.signal?.aborted) throw new Interrupted();
      await this.base.seek(from);
      let last: Hit | undefined;
      await this.search(points, to, false, { signal: options.signal }, (hit) => {
        last = hit;
        return false;
      });
      if (last) return last;
      to = from;
      options.onProgress?.(1 - (to - this.begin) / Math.max(1, before - this.begin));
    }
    return undefined;
  }

  /** Where to begin a search that ends at `to`. */
  private segmentBefore(to: Instant): Instant {
    let from = this.begin;
    for (const { instant } of this.base.checkpoints()) if (instant < to) from = Math.max(from, instant);
    return Math.max(from, to - SEGMENT);
  }

  /** The last instant before `before` at which a hart executed. Moves. */
  private async lastOf(hart: number, before: Instant, options: MoveOptions): Promise<Instant | undefined> {
    let to = before;
    for (const distance of LOOK_BACK) {
      const from = Math.max(this.begin, before - distance);
      await this.base.seek(from);
      let last: Instant | undefined;
      while (this.now() < to) {
        await this.settled();
        if (this.now() >= to) break;
        if (this.activeHart() === hart) last = this.now();
        await this.advance(this.now() + 1);
        if (this.now() % 1000 === 0) await this.look(options);
      }
      if (last !== undefined || from === this.begin) return last;
      to = from;
    }
    return undefined;
  }
}
