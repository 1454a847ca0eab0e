import type { StateReader, StateWriter } from '../bytes/state-stream.ts';
import type { Device, DeviceContext } from './device.ts';
import type { PlatformEntry } from './entry.ts';

/** Bytes of input kept for the guest. */
const CAPACITY = 1024;

/**
 * The host's side of SBI's debug console (chapter 12) as a device without registers: output leaves through its port, input comes in
 * through its door like any other and waits here until the guest asks. Takes input only once the guest has asked.
 */
export class SbiConsole implements Device {
  readonly kind = 'sbi-console';
  readonly size = 0;
  private readonly context: DeviceContext;
  private waiting = new Uint8Array(0);
  private asked = false;

  constructor(context: DeviceContext) {
    this.context = context;
  }

  /** Whether the guest reads this console. */
  get reading(): boolean {
    return this.asked;
  }

  /** Console output. */
  emit(bytes: Uint8Array): void {
    this.context.port.emit(bytes);
  }

  /** Takes up to `max` bytes of input. */
  take(max: number): Uint8Array {
    this.asked = true;
    const taken = this.waiting.slice(0, max);
    this.waiting = this.waiting.slice(taken.length);
    return taken;
  }

  reset(): void {
    this.waiting = new Uint8Array(0);
    this.asked = false;
  }

  read(): number {
    return 0;
  }

  write(): void {}

  peek(): number {
    return 0;
  }

  input(payload: Uint8Array): number {
    if (!this.asked) return 0;
    const taken = Math.min(payload.length, CAPACITY - this.waiting.length);
    const joined = new Uint8Array(this.waiting.length + taken);
    joined.set(this.waiting);
    joined.set(payload.subarray(0, taken), this.waiting.length);
    this.waiting = joined;
    return taken;
  }

  save(w: StateWriter): void {
    w.bool(this.asked);
    w.bytes(this.waiting);
  }

  restore(r: StateReader): void {
    this.asked = r.bool();
    this.waiting = new Uint8Array(r.bytes());
  }
}

export const sbiConsoleEntry: PlatformEntry = {
  name: 'sbi',
  host: { output: 'stream' },
  build: (context) => new SbiConsole(context),
};
