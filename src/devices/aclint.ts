import { StateError, type StateReader, type StateWriter } from '../bytes/state-stream.ts';
import type { Device, DeviceContext } from './device.ts';
import type { PlatformEntry } from './entry.ts';
import { number, text } from './fdt-node.ts';
import { placed } from './place.ts';

/** Guest ticks (1 ns) per tick of mtime: mtime runs at 15.625 MHz. */
const TICKS_PER_MTIME = 64;
/** The device tree's `timebase-frequency`, in Hz. */
export const TIMEBASE_FREQUENCY = 15_625_000;

/** Register offsets (ACLINT specification, chapter 2 for MTIMER and 3 for MSWI, at the places the SiFive CLINT gave them). */
const MSIP = 0x0000;
const MTIMECMP = 0x4000;
const MTIME = 0xbff8;
const WINDOW = 0x10000;

export interface AclintOptions {
  /** Number of harts, 1–4095. */
  readonly harts: number;
  /** Drives mip.MSIP of a hart. */
  setSoftware(hart: number, level: boolean): void;
  /** Drives mip.MTIP of a hart. */
  setTimer(hart: number, level: boolean): void;
}

/**
 * Machine-level timer and software interrupts (RISC-V ACLINT specification; `sifive,clint0` layout). mtime is guest time
 * divided by {@link TICKS_PER_MTIME} and so can't be set: writes to it have no effect, which keeps it equal to the `time` CSR.
 * mtimecmp is all ones after a reset, so that no timer is pending.
 */
export class Aclint implements Device {
  readonly kind = 'aclint';
  readonly size = WINDOW;
  private readonly context: DeviceContext;
  private readonly options: AclintOptions;
  private readonly msip: Uint8Array;
  /** mtimecmp as pairs of words, low first. */
  private readonly compare: Uint32Array;
  /** The levels driven last. */
  private readonly timer: Uint8Array;

  constructor(context: DeviceContext, options: AclintOptions) {
    if (!(Number.isInteger(options.harts) && options.harts >= 1 && options.harts <= 4095)) {
      throw new RangeError(`ACLINT for ${options.harts} harts: expected 1 to 4095`);
    }
    this.context = context;
    this.options = options;
    this.msip = new Uint8Array(options.harts);
    this.compare = new Uint32Array(options.harts * 2).fill(0xffffffff);
    this.timer = new Uint8Array(options.harts);
  }

  reset(): void {
    this.msip.fill(0);
    this.compare.fill(0xffffffff);
    this.timer.fill(0);
    this.context.disarm();
    this.driveAll();
  }

  read(offset: number, width: 1 | 2 | 4): number {
    return this.peek(offset, width);
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    if (width !== 4 || offset % 4 !== 0) return 0;
    if (offset === MTIME) return Math.floor(this.context.now() / TICKS_PER_MTIME) >>> 0;
    if (offset === MTIME + 4) return Math.floor(this.context.now() / (TICKS_PER_MTIME * 2 ** 32)) >>> 0;
    if (offset < MTIMECMP) return this.msip[offset / 4] ?? 0;
    return this.compare[(offset - MTIMECMP) / 4] ?? 0;
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (width !== 4 || offset % 4 !== 0) return;
    if (offset < MTIMECMP) {
      const hart = (offset - MSIP) / 4;
      if (hart >= this.msip.length || this.msip[hart] === (value & 1)) return;
      this.msip[hart] = value & 1;
      this.options.setSoftware(hart, (value & 1) !== 0);
      return;
    }
    const word = (offset - MTIMECMP) / 4;
    if (word >= this.compare.length) return;
    this.compare[word] = value;
    this.update();
  }

  deadline(): void {
    this.update();
  }

  save(w: StateWriter): void {
    w.u32(this.msip.length);
    for (const bit of this.msip) w.u8(bit);
    for (const word of this.compare) w.u32(word);
    for (const level of this.timer) w.u8(level);
  }

  restore(r: StateReader): void {
    const harts = r.u32();
    if (harts !== this.msip.length)
      throw new StateError(`saved ACLINT has ${harts} harts, this machine ${this.msip.length}`);
    for (let i = 0; i < harts; i++) this.msip[i] = r.u8() & 1;
    for (let i = 0; i < harts * 2; i++) this.compare[i] = r.u32();
    for (let i = 0; i < harts; i++) this.timer[i] = r.u8() & 1;
    this.driveAll();
    this.armNext();
  }

  /** Guest time at which hart's timer becomes pending; Infinity where numbers of ticks are no longer exact (over 100 days). */
  private due(hart: number): number {
    const at = (this.compare[hart * 2 + 1] * 2 ** 32 + this.compare[hart * 2]) * TICKS_PER_MTIME;
    return at <= Number.MAX_SAFE_INTEGER ? at : Infinity;
  }

  private update(): void {
    const now = this.context.now();
    for (let hart = 0; hart < this.timer.length; hart++) {
      const level = this.due(hart) <= now;
      if (this.timer[hart] === Number(level)) continue;
      this.timer[hart] = Number(level);
      this.options.setTimer(hart, level);
    }
    this.armNext();
  }

  /** Arms the nearest time at which a timer that is low becomes pending. */
  private armNext(): void {
    let next = Infinity;
    for (let hart = 0; hart < this.timer.length; hart++)
      if (this.timer[hart] === 0) next = Math.min(next, this.due(hart));
    if (next === Infinity) this.context.disarm();
    else this.context.arm(next);
  }

  private driveAll(): void {
    for (let hart = 0; hart < this.msip.length; hart++) {
      this.options.setSoftware(hart, this.msip[hart] !== 0);
      this.options.setTimer(hart, this.timer[hart] !== 0);
    }
  }
}

/** Local interrupt numbers at a hart (Privileged Architecture, 3.1.9). */
const MACHINE_SOFTWARE = 3;
const MACHINE_TIMER = 7;

export const aclintEntry: PlatformEntry = {
  name: 'aclint',
  forFirmware: true,
  build: (context, { harts, drive }) =>
    new Aclint(context, {
      harts,
      setSoftware: (hart, level) => drive(hart, 'MSIP', level),
      setTimer: (hart, level) => drive(hart, 'MTIP', level),
    }),
  describe(place) {
    const wires = Array.from({ length: place.harts }, (_, hart) => {
      const intc = place.intc(hart);
      return [intc, MACHINE_SOFTWARE, intc, MACHINE_TIMER];
    });
    const compatible = text('compatible', 'sifive,clint0', 'riscv,clint0');
    return { soc: placed('clint', place, [compatible], [number('interrupts-extended', ...wires.flat())]) };
  },
};
