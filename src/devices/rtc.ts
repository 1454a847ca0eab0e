import type { StateReader, StateWriter } from '../bytes/state-stream.ts';
import type { Device, DeviceContext } from './device.ts';
import type { PlatformEntry } from './entry.ts';
import { text } from './fdt-node.ts';
import { interrupts, placed } from './place.ts';

/** Registers, one 32-bit word each (Goldfish virtual platform, "Goldfish Timer"). */
const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

/** The one command. */
const FORGET = 0;

const low = (v: bigint): number => Number(v & 0xffffffffn);
const high = (v: bigint): number => Number((v >> 32n) & 0xffffffffn);
const join = (hi: number, lo: number): bigint => (BigInt(hi) << 32n) | BigInt(lo);

/**
 * Goldfish real-time clock (`google,goldfish-rtc`): nanoseconds since 1970 and one alarm. The wall clock is asked once, at
 * the first access after a reset that needs it; from then on time is that reading plus guest time since (contract 3), or what
 * the guest set it to. A peek before that reads 0.
 *
 * Reading TIME_LOW latches the upper half for TIME_HIGH; writing TIME_LOW or ALARM_LOW takes the upper half written before.
 */
export class GoldfishRtc implements Device {
  readonly kind = 'goldfish-rtc';
  readonly size = 0x1000;
  private readonly context: DeviceContext;
  /** Whether the wall clock was asked, or the guest set the time. */
  private known = false;
  /** Nanoseconds since 1970 at guest time 0, modulo 2^64. */
  private epoch = 0n;
  private latchedHigh = 0;
  private writtenHigh = 0;
  private alarm = 0n;
  private alarmHigh = 0;
  private armed = false;
  private pending = false;
  private enabled = false;

  constructor(context: DeviceContext) {
    this.context = context;
  }

  reset(): void {
    this.known = false;
    this.epoch = 0n;
    this.latchedHigh = 0;
    this.writtenHigh = 0;
    this.alarm = 0n;
    this.alarmHigh = 0;
    this.armed = false;
    this.pending = false;
    this.enabled = false;
    this.update();
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    if (width !== 4) return 0;
    switch (offset) {
      case TIME_LOW:
        return this.known ? low(this.time()) : 0;
      case TIME_HIGH:
        return this.latchedHigh;
      case ALARM_LOW:
        return low(this.alarm);
      case ALARM_HIGH:
        return high(this.alarm);
      case IRQ_ENABLED:
        return Number(this.enabled);
      case ALARM_STATUS:
        return Number(this.armed);
      default:
        return 0;
    }
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (offset === TIME_LOW && width === 4) {
      this.learn();
      this.latchedHigh = high(this.time());
    }
    return this.peek(offset, width);
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (width !== 4) return;
    switch (offset) {
      case TIME_LOW:
        this.known = true;
        this.epoch = BigInt.asUintN(64, join(this.writtenHigh, value) - BigInt(this.context.now()));
        break;
      case TIME_HIGH:
        this.writtenHigh = value;
        return;
      case ALARM_LOW:
        this.learn();
        this.alarm = join(this.alarmHigh, value);
        this.armed = true;
        break;
      case ALARM_HIGH:
        this.alarmHigh = value;
        return;
      case IRQ_ENABLED:
        this.enabled = (value & 1) !== 0;
        break;
      case CLEAR_ALARM:
        this.armed = false;
        break;
      case CLEAR_INTERRUPT:
        this.pending = false;
        break;
      default:
        return;
    }
    this.update();
  }

  deadline(): void {
    this.update();
  }

  /** The wall clock moved on while the machine did not run: it is asked again at the next access that needs it. */
  control(command: Uint8Array): void {
    if (command.length !== 1 || command[0] !== FORGET)
      throw new RangeError(`the clock knows no command of ${command.length} bytes: expected 1, ${FORGET}`);
    this.known = false;
  }

  save(w: StateWriter): void {
    w.bool(this.known);
    w.u64(this.epoch);
    w.u32(this.latchedHigh);
    w.u32(this.writtenHigh);
    w.u64(this.alarm);
    w.u32(this.alarmHigh);
    w.bool(this.armed);
    w.bool(this.pending);
    w.bool(this.enabled);
  }

  restore(r: StateReader): void {
    this.known = r.bool();
    this.epoch = r.u64();
    this.latchedHigh = r.u32();
    this.writtenHigh = r.u32();
    this.alarm = r.u64();
    this.alarmHigh = r.u32();
    this.armed = r.bool();
    this.pending = r.bool();
    this.enabled = r.bool();
    this.drive();
  }

  private learn(): void {
    if (this.known) return;
    const answer = this.context.port.ask('clock', 8);
    const reading = new DataView(answer.buffer, answer.byteOffset, answer.byteLength).getBigUint64(0, true);
    this.epoch = BigInt.asUintN(64, reading - BigInt(this.context.now()));
    this.known = true;
  }

  private time(): bigint {
    return BigInt.asUintN(64, this.epoch + BigInt(this.context.now()));
  }

  /** Fires the alarm if its time has come. */
  private update(): void {
    if (this.armed && this.alarm <= this.time()) {
      this.armed = false;
      this.pending = true;
    }
    this.drive();
  }

  /** Arms the deadline of an alarm to come (a saved one may be due this instant) and drives the wire. */
  private drive(): void {
    const at = this.armed ? this.context.now() + Number(this.alarm - this.time()) : Infinity;
    if (at <= Number.MAX_SAFE_INTEGER) this.context.arm(at);
    else this.context.disarm();
    this.context.irq(this.pending && this.enabled);
  }
}

export const rtcEntry: PlatformEntry = {
  name: 'rtc',
  host: { output: 'frames', commands: { forget: () => Uint8Array.of(FORGET) } },
  build: (context) => new GoldfishRtc(context),
  describe: (place) => ({
    soc: placed('rtc', place, [text('compatible', 'google,goldfish-rtc')], interrupts(place)),
  }),
};
