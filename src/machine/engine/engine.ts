import { StateError, type StateReader, type StateWriter } from '../../bytes/state-stream.ts';
import type { Core } from '../../core/core.ts';
import { GuestConnections } from '../../net/resets.ts';
import { DivergenceError } from '../../record/divergence.ts';
import { type Door, type Instant, MACHINE_PORT, type Witness } from '../../record/door.ts';
import type { BlockBackend } from '../../storage/index.ts';
import { type Board, buildBoard } from '../board/board.ts';
import { Bus } from '../board/bus.ts';
import { checkConfig, type MachineConfig } from '../board/config.ts';
import type { BootPlan } from '../boot/plan.ts';
import { PlanPages } from '../boot/plan-pages.ts';
import { clearRam, startHarts } from '../boot/power-on.ts';
import { extensionBits, HartState } from '../memory/hart-state.ts';
import { MachineMemory } from '../memory/memory.ts';
import type { GuestRam } from '../memory/ram.ts';
import { RamTracker } from '../memory/ram-tracker.ts';
import { DeadlineQueue } from '../schedule/deadlines.ts';
import { HartTimers } from '../schedule/hart-timers.ts';
import { LateData } from '../schedule/late-data.ts';
import { Rotation } from '../schedule/rotation.ts';
import { Admission } from './admission.ts';
import { type DebugPoint, InstalledPoints } from './debug-points.ts';
import { deviceSocket } from './device-socket.ts';
import { restoreParts, type SavedParts, saveHashedParts, saveParts } from './engine-state.ts';
import { type Halt, Progress } from './progress.ts';
import { RunLoop } from './run-loop.ts';
import { sbiMachine } from './sbi-machine.ts';
import type { Limit, Stop } from './stop.ts';

/**
 * Hears of writes to RAM that no hart made. Must not change anything.
 * @param offset bytes from the beginning of RAM @param device its id; undefined for the machine itself: firmware, what is loaded, a debugger
 */
export type RamObserver = (offset: number, length: number, device: number | undefined) => void;

/** Makes a core over a machine's memory. */
export type CoreFactory = (memory: WebAssembly.Memory, bus: Bus) => Core;

export interface EngineParts {
  readonly config: MachineConfig;
  /** What to load at power-on and at every reset. */
  readonly plan: BootPlan;
  /** Contents of the disks, in the order of their slots. */
  readonly backends: readonly BlockBackend[];
  /** Where inputs come from; the machine's only way in. */
  readonly door: Door;
  readonly core: CoreFactory;
  /** Gets the output of a device; `port` is its id. */
  readonly output: (port: number, payload: Uint8Array) => void;
  /** Called after every reset. */
  readonly wasReset?: () => void;
}

/**
 * The machine itself: synchronous, without a clock, a function of its configuration and the events that pass the door (contract 1).
 *
 * Between two instructions it makes *boundary steps*, one at a time and always in the same order: an event of the log, a reset asked
 * for, one due deadline, one turn of the rotation, one idle skip. An {@link Instant} counts both, so every state it passes has a name.
 */
export class Engine implements Witness {
  readonly config: MachineConfig;
  readonly memory: MachineMemory;
  readonly ram: GuestRam;
  readonly harts: readonly HartState[];
  readonly board: Board;
  readonly bus: Bus;
  readonly tracker: RamTracker;
  readonly late = new LateData();
  /** Whom the guest talks to, as far as frames that came in tell: for the host, no part of the state. */
  readonly connections = new GuestConnections();
  /** What is loaded at power-on and at every reset. */
  readonly plan: BootPlan;
  /** The same, page by page. */
  readonly planPages: PlanPages;
  private readonly progress: Progress;
  private readonly rotation: Rotation;
  private readonly deadlines: DeadlineQueue;
  private readonly admission: Admission;
  private readonly points: InstalledPoints;
  private readonly loop: RunLoop;
  private attached: Core;
  private failure: unknown;
  private ramObserver: RamObserver | undefined;

  /** Builds the machine and powers it on. @throws ConfigError, LoadError */
  constructor({ config, plan, backends, door, core, output, wasReset }: EngineParts) {
    checkConfig(config);
    this.config = config;
    this.plan = plan;
    this.planPages = new PlanPages(plan);
    const memory = new MachineMemory(config.memory);
    this.memory = memory;
    const hostSbi = config.firmware === undefined;
    memory.setMachine32('hartCount', config.harts);
    memory.setMachine64('ramSize', BigInt(config.memory));
    memory.setMachine64('extensions', extensionBits(config.isa));
    memory.setMachine32('hostSbi', Number(hostSbi));
    memory.setMachine32('maxSatpMode', { sv39: 8, sv48: 9, sv57: 10 }[config.mmu]);
    const ramOf = (device?: number): GuestRam =>
      memory.guestRam((offset, length) => {
        this.attached.ramChanged(offset, length);
        this.ramObserver?.(offset, length, device);
      });
    const ram = ramOf();
    const harts = Array.from({ length: config.harts }, (_, i) => new HartState(memory, i));
    const progress = new Progress(memory);
    this.ram = ram;
    this.harts = harts;
    this.progress = progress;
    this.rotation = new Rotation(config.rotation);
    this.points = new InstalledPoints(memory);
    this.tracker = new RamTracker(memory, () => this.attached.clearDirty());
    let ids = 0;
    const socket = deviceSocket(
      {
        memory,
        ram: ramOf,
        harts,
        progress,
        door,
        output,
        late: this.late,
        machine: this,
        deadlines: () => this.deadlines,
        touched: (port) => this.admission.touched(port),
      },
      (id) => (ids = Math.max(ids, id + 1)),
    );
    const board = buildBoard(config, backends, socket);
    this.board = board;
    this.deadlines = new DeadlineQueue(ids);
    this.bus = new Bus(memory, board.windows);
    this.admission = new Admission({ door, board, progress, harts, ram, core: () => this.attached });
    const sbi = sbiMachine({
      harts,
      ram,
      console: () => board.sbiConsole,
      consoleWasRead: () => this.admission.touchedConsole(),
      changed: (hart) => this.attached.hartChanged(hart),
      reset: (kind, failed) => progress.request(failed && kind === 'poweroff' ? 'fail' : kind, Number(failed)),
    });
    this.loop = new RunLoop({
      machine: this,
      memory,
      harts,
      slots: board.slots,
      door,
      progress,
      sbi,
      rotation: this.rotation,
      timers: new HartTimers(harts, hostSbi && !config.isa.includes('sstc')),
      deadlines: this.deadlines,
      late: this.late,
      admission: this.admission,
      points: this.points,
      core: () => this.attached,
      powerOn: () => {
        this.powerOn();
        wasReset?.();
      },
    });
    this.bus.onPoint = (place) => this.loop.pointMet(place);
    this.attached = core(memory.memory, this.bus);
    this.powerOn();
  }

  /** Guest time in ticks. */
  get time(): number {
    return this.memory.time;
  }

  /** Instructions attempted over all harts. */
  get instructions(): number {
    return this.progress.instructions;
  }

  /** Where the machine is. */
  get instant(): Instant {
    return this.progress.instant;
  }

  /** Hart whose turn it is. */
  get currentHart(): number {
    return this.rotation.current;
  }

  /** How the machine ended, if it did. */
  get halt(): Halt | undefined {
    return this.progress.ended;
  }

  /** The attached core. */
  get core(): Core {
    return this.attached;
  }

  /** Index among the debug points and address of the last {@link STOP.DEBUG}. */
  get debugHit(): { readonly index: number; readonly address: bigint } {
    return this.points.hit;
  }

  /** Guest time of the next thing that happens by itself while all harts wait; Infinity when nothing will. */
  get idleUntil(): number {
    return this.loop.idleUntil;
  }

  /** Whether a device emitted a request that the host has not answered. */
  get awaitsAnswer(): boolean {
    return this.loop.awaitsAnswer;
  }

  /** Has the devices emit again what they await an answer to: the machine goes on live where it was only replayed, or restored. */
  repeatRequests(): void {
    for (const { device } of this.board.slots) device.repeatRequests?.();
  }

  /** Puts another core in place of the attached one, between any two instructions. */
  changeCore(factory: CoreFactory): void {
    this.tracker.collect();
    this.attached.dropDerived();
    this.attached.setActions?.([]);
    this.attached = factory(this.memory.memory, this.bus);
    this.points.attach(this.attached);
    this.attached.debugPointsChanged(true);
    this.refreshCore();
  }

  /**
   * Sets the debug points in place of the ones before.
   * @param look called where a point was met whose run need not end for it, with its index: the machine is before the instruction, and may be looked at.
   * Must not change it, nor throw. @returns whether the run goes on. Not every core and not every set of points makes use of it
   */
  setDebugPoints(points: readonly DebugPoint[], look?: (index: number) => boolean): void {
    this.points.set(points, this.attached, look);
  }

  /** @param skip pass over the execute and watch points at the first instruction of the next run */
  skipDebugPoint(skip: boolean): void {
    this.points.skip(skip);
  }

  /** Has somebody hear of writes by devices; one at a time. @returns the one before, to be put back */
  observeRam(observer: RamObserver | undefined): RamObserver | undefined {
    const before = this.ramObserver;
    this.ramObserver = observer;
    return before;
  }

  /** Makes a run under way come back soon; may be called by outputs of devices. */
  leave(): void {
    this.progress.leaving = true;
    this.progress.attention();
  }

  /**
   * Runs until the limit or until there is a reason to stop.
   * @throws DivergenceError when a replay leaves its recording; what a device throws. The machine is unusable afterwards until it is restored.
   */
  run(limit: Limit): Stop {
    if (this.failure !== undefined) throw this.failure;
    try {
      return this.loop.run(limit);
    } catch (error) {
      this.progress.inCore = false;
      this.failure = error;
      throw error;
    }
  }

  /** Lets in what the door has for this instant, and executes nothing. @throws as {@link run} */
  admit(): void {
    if (this.failure !== undefined) throw this.failure;
    try {
      while (this.admission.one(this));
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /**
   * Makes the current hart take an interrupt that is due, if there is one, without executing anything: a boundary step that is otherwise
   * the beginning of the next instruction. Debuggers stop after it.
   */
  takeInterrupt(): void {
    this.loop.takeInterrupt();
  }

  /** Everything but RAM and disks. */
  saveState(w: StateWriter): void {
    saveParts(this.savedParts, w);
  }

  /** What the hash covers besides RAM and disks. */
  saveHashed(w: StateWriter): void {
    saveHashedParts(this.savedParts, w);
  }

  /**
   * Restores what {@link saveState} wrote; RAM and disks must be in place already. Machine and core follow.
   * @param told the core has been notified of every page of RAM that changed: code it derived from others stays
   * @throws StateError when it is damaged or of another configuration; the machine must be restored again then
   */
  restoreState(r: StateReader, told = false): void {
    this.failure = new StateError('the machine is only partly restored');
    this.late.clear();
    this.deadlines.clear();
    restoreParts(this.savedParts, r);
    if (told) this.attached.dropTranslations();
    else this.attached.dropDerived();
    for (const hart of this.harts) this.attached.hartChanged(hart.index);
    this.failure = undefined;
  }

  /** The core forgets everything it derived. After RAM or harts were written to directly. */
  refreshCore(): void {
    this.attached.dropDerived();
    for (const hart of this.harts) this.attached.hartChanged(hart.index);
  }

  private get savedParts(): SavedParts {
    const { progress, rotation, harts, board } = this;
    return { progress, rotation, harts, slots: board.slots };
  }

  /** The error for a replay that left its recording here. */
  diverged(field: string, expected: string, found: string): DivergenceError {
    const hart = this.rotation.current;
    return new DivergenceError({ at: this.instant, hart, pc: this.harts[hart].get('pc') }, field, expected, found);
  }

  /** Name of a port of the door. */
  portName(port: number): string {
    return port === MACHINE_PORT ? 'machine' : (this.board.ports[port]?.name ?? `port ${port}`);
  }

  /** Power-on and reset: RAM zero but for what is loaded, devices and harts reset; time and disks go on. */
  private powerOn(): void {
    this.progress.resetAsked = false;
    this.progress.ended = undefined;
    // Memory that was just allocated is zero; to look would have the host provide all of it.
    if (this.instructions > 0 || this.instant.sequence > 0) {
      clearRam(this.memory, this.tracker);
      this.ramObserver?.(0, this.memory.ramSize, undefined);
    }
    this.memory.absent.set(this.planPages, this.planPages.pages);
    for (const page of this.planPages.pages) this.tracker.note(page);
    for (const { device } of this.board.slots) device.reset();
    startHarts(this.harts, this.config, this.plan);
    this.rotation.reset();
    this.refreshCore();
  }
}
