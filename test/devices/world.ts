import { createHash } from 'node:crypto';
import { StateReader, StateWriter } from '../../src/bytes/state-stream.ts';
import type { Device, DeviceContext, DevicePort } from '../../src/devices/device.ts';
import { GuestRam } from '../../src/machine/memory/ram.ts';
import { DeadlineQueue, NONE_DUE } from '../../src/machine/schedule/deadlines.ts';
import { LateData } from '../../src/machine/schedule/late-data.ts';

export const RAM_BASE = 0x8000_0000;
export const RAM_SIZE = 1 << 17;

/** The smallest machine around one device: RAM, guest time, a deadline, a wire and a scripted door. */
export class World {
  readonly bytes = new Uint8Array(RAM_SIZE);
  readonly ram = new GuestRam(this.bytes, RAM_BASE, (offset, length) => void this.touched.push([offset, length]));
  readonly deadlines = new DeadlineQueue(1);
  /** Ranges of RAM the device said it changed. */
  readonly touched: [number, number][] = [];
  readonly emitted: number[] = [];
  /** Ports the device opened besides its own, by name: what came out there, and the way in. */
  readonly ports = new Map<string, { readonly emitted: number[]; input(payload: Uint8Array): number }>();
  /** As {@link emitted}, each output by itself. */
  readonly frames: Uint8Array[] = [];
  readonly late = new LateData();
  /** How often the device asked to wait. */
  waits = 0;
  time = 0;
  wire = false;
  /** Answers given by the door so far: the next one is a function of it. */
  asked = 0;
  device!: Device;

  readonly context: DeviceContext = {
    ram: this.ram,
    irq: (level) => void (this.wire = level),
    now: () => this.time,
    arm: (at) => this.deadlines.arm(0, at),
    disarm: () => this.deadlines.disarm(0),
    port: {
      ask: (question, length) => this.answer(question, length),
      emit: (payload) => {
        this.frames.push(payload);
        this.emitted.push(...payload);
      },
    } satisfies DevicePort,
    addPort: (name, input) => {
      const emitted: number[] = [];
      this.ports.set(name, { emitted, input });
      return { ...this.context.port, emit: (payload) => void emitted.push(...payload) };
    },
    waitFor: (promise, at) => {
      this.waits++;
      this.late.wait(0, promise, at);
    },
  };

  /** Lets guest time pass, stopping at every deadline. */
  advance(ticks: number): void {
    const end = this.time + ticks;
    for (let i = 0; i < 10_000; i++) {
      this.time = Math.max(this.time, Math.min(end, this.deadlines.next()));
      if (this.deadlines.takeDue(this.time) === NONE_DUE) break;
      this.device.deadline?.();
    }
    this.time = end;
  }

  /**
   * As {@link advance}, but waits for what the device waits for before each deadline, as the engine does.
   * @param jump whether time is at the end at once, however many deadlines lie before
   */
  async advanceWaiting(ticks: number, jump = false): Promise<void> {
    const end = this.time + ticks;
    if (jump) this.time = end;
    while (this.deadlines.next() <= end) {
      this.time = Math.max(this.time, this.deadlines.next());
      while (this.late.has(0, this.time)) await this.late.arrived();
      if (this.deadlines.takeDue(this.time) !== NONE_DUE) this.device.deadline?.();
    }
    this.time = end;
  }

  save(): Uint8Array {
    const w = new StateWriter();
    this.device.save(w);
    return w.finish();
  }

  restore(state: Uint8Array): number {
    const r = new StateReader(state);
    this.device.restore(r);
    return r.remaining;
  }

  /** Makes this world's surroundings those of another: RAM, time, door. */
  follow(other: World): void {
    this.bytes.set(other.bytes);
    this.time = other.time;
    this.asked = other.asked;
  }

  /** All that can be seen of the device from outside. */
  seen(): string {
    const ram = createHash('sha256').update(this.bytes).digest('hex');
    return JSON.stringify({
      wire: this.wire,
      at: String(this.deadlines.next()),
      state: Buffer.from(this.save()).toString('hex'),
      ram,
    });
  }

  private answer(question: 'clock' | 'entropy', length: number): Uint8Array {
    this.asked++;
    const bytes = new Uint8Array(length);
    if (question === 'clock')
      new DataView(bytes.buffer).setBigUint64(0, 1_700_000_000_000_000_000n + BigInt(this.asked) * 1_000n, true);
    else for (let i = 0; i < length; i++) bytes[i] = (this.asked * 31 + i * 7 + 1) & 0xff;
    return bytes;
  }
}
