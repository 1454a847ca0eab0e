import type { GuestInfo } from '../../debug/guest-info.ts';
import { isTerminal } from '../../machine/session/outputs.ts';
import type { Session } from '../../machine/session/session.ts';
import { EVENT, type HostEvent } from '../../record/door.ts';
import type { PointLane } from './protocol.ts';
import type { Telling } from './telling.ts';

/** Instructions between samples at least, unless time passed without any. */
const FEWEST = 20_000;
/** Nanoseconds of guest time between samples of a machine that idles. */
const IDLE = 10_000_000;
/** Milliseconds between attempts to find the guest's kernel: each takes a good part of a second. */
const PATIENCE = 2000;

const LANES: Readonly<Record<string, PointLane>> = {
  'virtio-blk': 'disk',
  'virtio-net': 'network',
  uart16550: 'input',
  'sbi-console': 'input',
  'virtio-console': 'input',
};

/** Looks at a machine between slices and where it talks to the outside, and passes on what it sees. Changes nothing. */
export class Sampler {
  private readonly session: Session;
  private readonly info: GuestInfo;
  private readonly telling: Telling;
  private readonly now: () => number;
  private readonly waits: boolean;
  private lastInstructions = -1;
  private lastTime = -1;
  private triedAt: number;
  private hasKernel = false;

  /**
   * @param now milliseconds, for how often the guest's kernel is looked for
   * @param waits somebody types and reads: the kernel is looked for only once the guest is up and idle
   */
  constructor(session: Session, info: GuestInfo, telling: Telling, now: () => number, waits: boolean) {
    this.waits = waits;
    this.triedAt = waits ? now() : -Infinity;
    this.session = session;
    this.info = info;
    this.telling = telling;
    this.now = now;
  }

  /** A device put something out, while the machine executes. */
  output(port: number, bytes: Uint8Array): void {
    const { engine } = this.session;
    const { instructions, time } = engine;
    if (isTerminal(engine.board, port)) this.telling.console(bytes, instructions, time);
    else this.telling.point(this.laneOf(port), instructions, time);
    this.sample();
  }

  /** Something entered. */
  event({ kind, port, at, time }: HostEvent): void {
    if (kind === EVENT.WARP || kind === EVENT.ANSWER) return;
    this.telling.point(this.laneOf(port), at.instructions, time);
  }

  /** Between two slices. */
  sample(): void {
    const { engine } = this.session;
    const { instructions, time } = engine;
    if (instructions - this.lastInstructions < FEWEST && time - this.lastTime < IDLE) return;
    this.lastInstructions = instructions;
    this.lastTime = time;
    const idle = engine.harts.every((hart) => hart.get32('waiting') !== 0);
    if (!this.hasKernel && (idle || !this.waits)) this.findKernel();
    const names = engine.harts.map((hart) => (hart.get32('waiting') !== 0 ? undefined : this.processOn(hart.index)));
    this.telling.sample(instructions, time, names);
  }

  /** The machine is elsewhere in time: the next sample is taken wherever that is. */
  moved(): void {
    this.lastInstructions = -1;
    this.lastTime = -1;
  }

  /** Whether the guest's kernel was found. */
  get knowsKernel(): boolean {
    return this.hasKernel;
  }

  private findKernel(): void {
    const now = this.now();
    if (now - this.triedAt < PATIENCE) return;
    this.hasKernel = this.info.kernel() !== undefined;
    this.triedAt = this.now();
  }

  private processOn(hart: number): string | undefined {
    const task = this.hasKernel ? this.info.current(hart) : undefined;
    return task === undefined || task.pid === 0 ? undefined : `${task.name} (${task.tgid})`;
  }

  private laneOf(port: number): PointLane {
    const slot = this.session.engine.board.slots[port];
    return (slot && LANES[slot.device.kind]) ?? 'other';
  }
}
