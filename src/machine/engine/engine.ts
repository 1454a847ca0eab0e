import { StateError, type StateReader, type StateWriter } from '../../bytes/state-stream.ts';
import type { Core } from '../../core/core.ts';
import type { SysconRequest } from '../../devices/syscon.ts';
import { HART_STATE, handleSbiCall, type SbiHost } from '../../firmware/index.ts';
import { DEBUG, EXIT, MACHINE, MACHINE_AT, MAX_DEBUG_POINTS } from '../../isa/layout.ts';
import { DivergenceError } from '../../record/divergence.ts';
import {
  COMMAND,
  type Command,
  type Door,
  EVENT,
  type Input,
  type Instant,
  MACHINE_PORT,
  TERMINAL_PORT,
  type Witness,
} from '../../record/door.ts';
import type { BlockBackend } from '../../storage/index.ts';
import { type Board, type BoardSocket, buildBoard } from '../board/board.ts';
import { Bus } from '../board/bus.ts';
import { checkConfig, type MachineConfig } from '../board/config.ts';
import { type BootPlan, placeInRam } from '../boot/plan.ts';
import { clearRam, startHarts } from '../boot/power-on.ts';
import { extensionBits, HartState, INTERRUPT, PRIVILEGE } from '../memory/hart-state.ts';
import { MachineMemory } from '../memory/memory.ts';
import type { GuestRam } from '../memory/ram.ts';
import { RamTracker } from '../memory/ram-tracker.ts';
import { DeadlineQueue, NONE_DUE } from '../schedule/deadlines.ts';
import { LateData } from '../schedule/late-data.ts';
import { Rotation } from '../schedule/rotation.ts';
import { type DebugPoint, PointTable } from './debug-points.ts';
import { applyWrite } from './debug-write.ts';
import { sbiMachine } from './sbi-machine.ts';

/** Why {@link Engine.run} came back. */
export const STOP = {
  /** The limit was reached. */
  LIMIT: 'limit',
  /** A debug point was met; see {@link Engine.debugHit}. */
  DEBUG: 'debug',
  /** The guest powered off or failed; see {@link Engine.halt}. */
  HALT: 'halt',
  /** All harts wait: for the next deadline ({@link Engine.idleUntil}), or for input if there is none. */
  IDLE: 'idle',
  /** Data of the host's is late; wait for {@link Engine.late}. */
  LATE: 'late',
  /** {@link Engine.leave} was called. */
  LEFT: 'left',
} as const;
export type Stop = (typeof STOP)[keyof typeof STOP];

/** How far to run. Where it stops never changes what happens. */
export interface Limit {
  /** Stop at this instant; `Infinity` for none. */
  readonly instructions: number;
  /** With `instructions`: how many boundary steps to make there; 0 if not given. */
  readonly sequence?: number;
  /** Stop as soon as guest time is this many ticks, and before skipping beyond it. */
  readonly time?: number;
  /** Come back when idle instead of skipping to the next deadline. */
  readonly stopWhenIdle?: boolean;
  /** As {@link stopWhenIdle}, but only while a device awaits an answer of the host's (contract 11). */
  readonly stopWhenAwaiting?: boolean;
}

/** How a machine ended. */
export interface Halt {
  readonly kind: 'poweroff' | 'fail';
  /** What the guest said with it, 0–65535. */
  readonly status: number;
}

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
}

/** Of MACHINE.lastTrap: the trap was an interrupt. */
const INTERRUPT_BIT = 0x8000_0000;
const LONGEST_RUN = 2 ** 31 - 1;
const NO_RESERVATION = 0xffff_ffff_ffff_ffffn;
const NEVER = 0xffff_ffff_ffff_ffffn;
const EVERYWHERE: DebugPoint = { kind: DEBUG.EXECUTE, start: 0n, end: 0xffff_ffff_ffff_ffffn };

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
  private readonly door: Door;
  private readonly output: EngineParts['output'];
  /** What is loaded at power-on and at every reset. */
  readonly plan: BootPlan;
  private readonly rotation: Rotation;
  private readonly deadlines: DeadlineQueue;
  private readonly sbi: SbiHost;
  private attached: Core;
  /** With host SBI and without Sstc, stimecmp is the firmware's deadline, which sets STIP. */
  private readonly firmwareTimer: boolean;
  /** Guest ticks that no instruction took. */
  private skipped = 0;
  private steps = 0;
  private inCore = false;
  private wantsOut = false;
  private resetAsked = false;
  private ended: Halt | undefined;
  private failure: unknown;
  private points: readonly DebugPoint[] = [];
  private readonly table: PointTable;

  /** Builds the machine and powers it on. @throws ConfigError, LoadError */
  constructor(parts: EngineParts) {
    checkConfig(parts.config);
    const { config } = parts;
    this.config = config;
    this.plan = parts.plan;
    this.door = parts.door;
    this.output = parts.output;
    this.memory = new MachineMemory(config.memory);
    const { memory } = this;
    const hostSbi = config.firmware === undefined;
    this.firmwareTimer = hostSbi && !config.isa.includes('sstc');
    memory.setMachine32('hartCount', config.harts);
    memory.setMachine64('ramSize', BigInt(config.memory));
    memory.setMachine64('extensions', extensionBits(config.isa));
    memory.setMachine32('hostSbi', Number(hostSbi));
    memory.setMachine32('maxSatpMode', { sv39: 8, sv48: 9, sv57: 10 }[config.mmu]);
    this.ram = memory.guestRam((offset, length) => this.attached.ramChanged(offset, length));
    this.harts = Array.from({ length: config.harts }, (_, i) => new HartState(memory, i));
    this.rotation = new Rotation(config.rotation);
    this.table = new PointTable(memory);
    this.tracker = new RamTracker(memory, () => this.attached.clearDirty());
    let ids = 0;
    this.board = buildBoard(config, parts.backends, {
      context: (id, irq) => {
        ids = Math.max(ids, id + 1);
        return this.context(id, irq);
      },
      port: (port) => ({
        ask: (question, length) => this.door.ask(port, question, length, this),
        emit: (payload) => this.output(port, payload),
      }),
      drive: (hart, bit, level) => this.drive(hart, bit, level),
      request: (kind, status) => this.request(kind, status),
      afterAccess: (id) => this.touched(id),
    });
    this.deadlines = new DeadlineQueue(ids);
    this.bus = new Bus(memory, this.board.windows);
    this.sbi = sbiMachine({
      harts: this.harts,
      ram: this.ram,
      console: () => this.board.sbiConsole,
      consoleWasRead: () => {
        // What was typed for the serial port before is for this console once the guest reads it.
        this.touched(this.board.uart);
        this.touched(this.board.sbiConsoleId);
      },
      changed: (hart) => this.attached.hartChanged(hart),
      reset: (kind, failed) => this.request(failed && kind === 'poweroff' ? 'fail' : kind, Number(failed)),
    });
    this.attached = parts.core(memory.memory, this.bus);
    this.powerOn();
  }

  /** Guest time in ticks. */
  get time(): number {
    return this.memory.time;
  }

  /** Instructions attempted over all harts. */
  get instructions(): number {
    return this.memory.time - this.skipped;
  }

  /** Where the machine is. */
  get instant(): Instant {
    return { instructions: this.instructions, sequence: this.inCore ? 0 : this.steps };
  }

  /** Hart whose turn it is. */
  get currentHart(): number {
    return this.rotation.current;
  }

  /** How the machine ended, if it did. */
  get halt(): Halt | undefined {
    return this.ended;
  }

  /** The attached core. */
  get core(): Core {
    return this.attached;
  }

  /** Index among the debug points and address of the last {@link STOP.DEBUG}. */
  get debugHit(): { readonly index: number; readonly address: bigint } {
    const address = this.memory.view.getBigUint64(MACHINE_AT + MACHINE.debugAddress, true);
    return { index: this.memory.machine32('debugHit'), address };
  }

  /** Guest time of the next thing that happens by itself while all harts wait; Infinity when nothing will. */
  get idleUntil(): number {
    let next = this.deadlines.next();
    for (const hart of this.harts) {
      if (hart.get32('hsm') === HART_STATE.stopped || (hart.get32('mie') & INTERRUPT.STIP) === 0) continue;
      const at = this.timerOf(hart);
      if (at > this.time && at < next) next = at;
    }
    return next;
  }

  /** Whether a device emitted a request that the host has not answered. */
  get awaitsAnswer(): boolean {
    return this.board.slots.some(({ device }) => device.awaitsAnswer === true);
  }

  /** Has the devices emit again what they await an answer to: the machine goes on live where it was only replayed, or restored. */
  repeatRequests(): void {
    for (const { device } of this.board.slots) device.repeatRequests?.();
  }

  /** Puts another core in place of the attached one, between any two instructions. */
  changeCore(factory: CoreFactory): void {
    this.tracker.collect();
    this.attached.dropDerived();
    this.attached = factory(this.memory.memory, this.bus);
    this.attached.debugPointsChanged(true);
    this.refreshCore();
  }

  /** Sets the debug points in place of the ones before; at most MAX_DEBUG_POINTS. */
  setDebugPoints(points: readonly DebugPoint[]): void {
    if (points.length > MAX_DEBUG_POINTS)
      throw new RangeError(`${points.length} debug points: expected at most ${MAX_DEBUG_POINTS}`);
    if (points.length === 0 && this.points.length === 0) return;
    this.points = points;
    this.table.install(points, this.attached);
  }

  /** @param skip pass over the execute and watch points at the first instruction of the next run */
  skipDebugPoint(skip: boolean): void {
    this.memory.setMachine32('debugSkip', Number(skip));
  }

  /** Makes a run under way come back soon; may be called by outputs of devices. */
  leave(): void {
    this.wantsOut = true;
    this.attention();
  }

  /**
   * Runs until the limit or until there is a reason to stop.
   * @throws DivergenceError when a replay leaves its recording; what a device throws. The machine is unusable afterwards until it is restored.
   */
  run(limit: Limit): Stop {
    if (this.failure !== undefined) throw this.failure;
    try {
      return this.loop(limit);
    } catch (error) {
      this.inCore = false;
      this.failure = error;
      throw error;
    }
  }

  /** Lets in what the door has for this instant, and executes nothing. @throws as {@link run} */
  admit(): void {
    if (this.failure !== undefined) throw this.failure;
    while (this.letIn());
  }

  /**
   * Makes the current hart take an interrupt that is due, if there is one, without executing anything: a boundary step that is otherwise
   * the beginning of the next instruction. Debuggers stand behind it.
   */
  settle(): void {
    const { points } = this;
    this.table.install([EVERYWHERE], this.attached);
    this.memory.setMachine32('debugSkip', 0);
    const exit = this.attached.run(this.rotation.current, 1);
    if (exit !== EXIT.DEBUG && exit !== EXIT.WAIT)
      throw new Error(`a core passed a debug point that is everywhere (exit ${exit})`);
    this.table.install(points, this.attached);
    this.steps++;
  }

  /** Everything but RAM and disks. */
  saveState(w: StateWriter): void {
    w.f64(this.time);
    w.f64(this.skipped);
    w.u32(this.steps);
    this.saveRest(w);
  }

  /**
   * Restores what {@link saveState} wrote; RAM and disks must be in place already. Machine and core follow.
   * @param told the core was told of every page of RAM that changed: code it derived from others stays
   * @throws StateError when it is damaged or of another configuration; the machine must be restored again then
   */
  restoreState(r: StateReader, told = false): void {
    this.failure = new StateError('the machine is only partly restored');
    this.late.clear();
    this.deadlines.clear();
    this.memory.time = r.f64();
    this.skipped = r.f64();
    this.steps = r.u32();
    this.rotation.restore(r);
    this.resetAsked = r.bool();
    const ended = r.u8();
    const status = r.u16();
    this.ended = ended === 0 ? undefined : { kind: ended === 1 ? 'poweroff' : 'fail', status };
    for (const { name, device } of this.board.slots) {
      const kind = r.text();
      if (kind !== device.kind)
        throw new StateError(`saved state has a ${kind} where this machine has ${name}, a ${device.kind}`);
      device.restore(r);
    }
    for (const hart of this.harts) {
      const bytes = r.bytes();
      if (bytes.length !== hart.state.length)
        throw new StateError(`saved hart has ${bytes.length} bytes, expected ${hart.state.length}`);
      hart.state.set(bytes);
    }
    if (this.rotation.current >= this.harts.length)
      throw new StateError(`saved turn is of hart ${this.rotation.current}, there are ${this.harts.length}`);
    if (told) this.attached.dropTranslations();
    else this.attached.dropDerived();
    for (const hart of this.harts) this.attached.hartChanged(hart.index);
    this.failure = undefined;
  }

  /** What the hash covers besides RAM and disks. */
  saveHashed(w: StateWriter): void {
    w.f64(this.time);
    w.f64(this.skipped);
    this.saveRest(w);
  }

  /** The core forgets everything it derived. After RAM or harts were written to directly. */
  refreshCore(): void {
    this.attached.dropDerived();
    for (const hart of this.harts) this.attached.hartChanged(hart.index);
  }

  private saveRest(w: StateWriter): void {
    this.rotation.save(w);
    w.bool(this.resetAsked);
    w.u8(this.ended === undefined ? 0 : this.ended.kind === 'poweroff' ? 1 : 2);
    w.u16(this.ended?.status ?? 0);
    for (const { device } of this.board.slots) {
      w.text(device.kind);
      device.save(w);
    }
    for (const hart of this.harts) w.bytes(hart.state);
  }

  private loop(limit: Limit): Stop {
    const { rotation } = this;
    const single = this.harts.length === 1;
    for (;;) {
      const now = this.memory.time;
      const at = now - this.skipped;
      const stop = this.boundary(limit, now, at);
      if (stop === 'again') continue;
      if (stop !== 'run') return stop;

      const current = this.harts[rotation.current];
      let ticks = Math.min(LONGEST_RUN, limit.instructions - at, this.deadlines.next() - now, this.door.nextAt - at);
      if (limit.time !== undefined) ticks = Math.min(ticks, limit.time - now);
      if (!single) ticks = Math.min(ticks, rotation.left);
      if (this.firmwareTimer) {
        for (const hart of this.harts) ticks = Math.min(ticks, this.timerOf(hart) - now);
      } else {
        const timer = current.timerDeadline - now;
        if (timer > 0 && timer < ticks) ticks = timer;
      }
      if (ticks <= 0) {
        // An instant between this instruction and the next that only a debugger made: an event came in there, or someone seeks it.
        this.settle();
        continue;
      }
      const watched = this.points.length > 0;
      const waiting = watched && current.get32('waiting') !== 0;
      if (watched) this.memory.setMachine32('lastTrap', 0);
      this.memory.setMachine32('attention', 0);
      this.inCore = true;
      const exit = this.attached.run(current.index, ticks);
      this.inCore = false;
      const executed = this.memory.time - now;
      if (executed > 0) {
        this.steps = 0;
        if (!single) rotation.left -= executed;
      }
      if (exit === EXIT.SBI) handleSbiCall(this.sbi, current.index);
      else if (exit === EXIT.DEBUG) {
        // Behind an interrupt or a waking: that is the step settle() makes.
        if ((waiting && executed === 0) || this.atInterruptHandler(current)) this.steps++;
        return STOP.DEBUG;
      }
    }
  }

  /** Whether the hart has just taken an interrupt: nothing of its handler was executed. */
  private atInterruptHandler(hart: HartState): boolean {
    const trap = this.memory.machine32('lastTrap');
    if (trap < INTERRUPT_BIT) return false;
    const vector = hart.get(hart.get32('prv') === PRIVILEGE.machine ? 'mtvec' : 'stvec');
    const base = vector & ~3n;
    return hart.get('pc') === (vector & 1n ? base + 4n * BigInt(trap - INTERRUPT_BIT) : base);
  }

  /** Makes one boundary step, or says why not. */
  private boundary(limit: Limit, now: number, at: number): Stop | 'again' | 'run' {
    if (at >= limit.instructions && (at > limit.instructions || this.steps >= (limit.sequence ?? 0))) return STOP.LIMIT;
    if (limit.time !== undefined && now >= limit.time) return STOP.LIMIT;
    if (this.door.nextAt <= at && this.letIn()) return 'again';
    if (this.resetAsked) {
      this.powerOn();
      this.steps++;
      return 'again';
    }
    if (this.ended !== undefined) return STOP.HALT;
    if (this.wantsOut) {
      this.wantsOut = false;
      return STOP.LEFT;
    }
    if (this.deadlines.next() <= now) return this.fireDeadline(now);
    if (this.firmwareTimer && this.fireFirmwareTimer(now)) return 'again';
    return this.takeTurn(limit, now);
  }

  private fireDeadline(now: number): 'again' | typeof STOP.LATE {
    const time = this.deadlines.next();
    const id = this.deadlines.takeDue(now);
    if (id === NONE_DUE) return 'again';
    if (this.late.has(id, now)) {
      this.deadlines.arm(id, time);
      return STOP.LATE;
    }
    this.board.slots[id].device.deadline?.();
    this.steps++;
    return 'again';
  }

  /** Without Sstc the firmware's timer sets the pending bit itself, once. */
  private fireFirmwareTimer(now: number): boolean {
    let fired = false;
    for (const hart of this.harts) {
      if (this.timerOf(hart) > now) continue;
      hart.set('stimecmp', NEVER);
      hart.set32('mip', hart.get32('mip') | INTERRUPT.STIP);
      fired = true;
    }
    if (fired) this.steps++;
    return fired;
  }

  /** Goes on with the current hart, gives the turn to the next that can run, or skips idle time. */
  private takeTurn(limit: Limit, now: number): Stop | 'again' | 'run' {
    const { harts, rotation } = this;
    const current = harts[rotation.current];
    if ((harts.length === 1 || rotation.left > 0) && this.runnable(current, now))
      return this.resume(current) ? 'again' : 'run';
    if (harts.length > 1) {
      for (let i = 1; i <= harts.length; i++) {
        const next = harts[(rotation.current + i) % harts.length];
        if (!this.runnable(next, now)) continue;
        if (next !== current) current.set('reservation', NO_RESERVATION);
        rotation.begin(next.index);
        this.steps++;
        return 'again';
      }
    }
    const until = this.idleUntil;
    if (until === Infinity || limit.stopWhenIdle === true) return STOP.IDLE;
    if (limit.stopWhenAwaiting === true && this.awaitsAnswer) return STOP.IDLE;
    if (limit.time !== undefined && until > limit.time) return STOP.LIMIT;
    this.skip(until - now);
    this.steps++;
    return 'again';
  }

  private runnable(hart: HartState, now: number): boolean {
    const hsm = hart.get32('hsm');
    if (hsm === HART_STATE.started) return hart.get32('waiting') === 0 || hart.wakes(now);
    return hsm === HART_STATE.suspended && hart.wakes(now);
  }

  /** Ends the suspension of a hart that has an interrupt. @returns whether it was suspended */
  private resume(hart: HartState): boolean {
    if (hart.get32('hsm') !== HART_STATE.suspended) return false;
    hart.set32('hsm', HART_STATE.started);
    this.steps++;
    return true;
  }

  private timerOf(hart: HartState): number {
    if (!this.firmwareTimer) return hart.timerDeadline;
    return hart.firmwareDeadline;
  }

  private skip(ticks: number): void {
    this.memory.time = this.memory.time + ticks;
    this.skipped += ticks;
  }

  private context(id: number, irq: (level: boolean) => void): ReturnType<BoardSocket['context']> {
    return {
      ram: this.ram,
      irq,
      now: () => this.memory.time,
      arm: (at) => {
        this.deadlines.arm(id, at);
        this.attention();
      },
      disarm: () => this.deadlines.disarm(id),
      waitFor: (promise, at) => this.late.wait(id, promise, at),
    };
  }

  /** Has the core come back after the instruction it is at. */
  private attention(): void {
    if (this.inCore) this.memory.setMachine32('attention', 1);
  }

  private drive(hart: number, bit: number, level: boolean): void {
    const state = this.harts[hart];
    const lines = state.get32('lines');
    const driven = level ? lines | bit : lines & ~bit;
    if (driven === lines) return;
    state.set32('lines', driven);
    this.attention();
  }

  private request(kind: SysconRequest, status: number): void {
    if (kind === 'reboot') this.resetAsked = true;
    else this.ended = { kind, status };
    this.attention();
  }

  private obey(command: Command): void {
    if (command === COMMAND.POWER_OFF) this.ended = { kind: 'poweroff', status: 0 };
    else {
      this.ended = undefined;
      this.resetAsked = true;
    }
  }

  /** Lets one input in, a boundary step. @returns whether the door had one */
  private letIn(): boolean {
    const { door, instant: at, time } = this;
    const input = door.take(this);
    if (input === undefined) return false;
    const { kind, payload } = input;
    const port = input.port === TERMINAL_PORT ? this.terminal : input.port;
    const outcome = this.apply(kind, port, payload);
    if (typeof outcome === 'string') door.refused(input, port, outcome, this);
    else if (outcome === 0) door.refused(input, port, undefined, this);
    else {
      door.entered(input, { at, time, port, kind, payload: payload.subarray(0, outcome) }, this);
      this.steps++;
    }
    return true;
  }

  /** @returns how many bytes of the payload were taken, or why none ever will be */
  private apply(kind: Input['kind'], port: number, payload: Uint8Array): number | string {
    switch (kind) {
      case EVENT.INPUT:
        return this.board.ports[port]?.input?.(payload) ?? 0;
      case EVENT.CONTROL:
        return this.control(port, payload) ?? payload.length;
      case EVENT.WARP:
        this.skip(Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(0, true)));
        return payload.length;
      case EVENT.COMMAND:
        if (payload[0] === COMMAND.RESET || payload[0] === COMMAND.POWER_OFF) this.obey(payload[0]);
        else if (!applyWrite({ harts: this.harts, ram: this.ram, core: this.attached }, payload))
          return 'there is no such place, register or value';
        return payload.length;
    }
  }

  /** Gives a device a command. @returns why it is refused, if it is */
  private control(port: number, command: Uint8Array): string | undefined {
    const slot = this.board.slots[port];
    if (slot?.device.control === undefined) return `${this.portName(port)} knows no commands`;
    try {
      slot.device.control(command);
      return undefined;
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
  }

  /** Port of the console that the guest reads. */
  private get terminal(): number {
    return this.board.sbiConsole.reading ? this.board.sbiConsoleId : this.board.uart;
  }

  /** The guest touched a device: it may have room for input that waits. */
  private touched(port: number): void {
    if (this.door.touched(port)) this.attention();
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
    this.resetAsked = false;
    this.ended = undefined;
    clearRam(this.memory, this.tracker);
    placeInRam(this.plan, this.ram);
    for (const { device } of this.board.slots) device.reset();
    startHarts(this.harts, this.config, this.plan);
    this.rotation.reset();
    this.refreshCore();
  }
}
