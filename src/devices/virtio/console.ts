import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { ConfigError } from '../config-error.ts';
import type { SlotEntry } from '../entry.ts';
import { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './model.ts';
import { RingError } from './queue.ts';
import { gather, scatter, totalLength } from './segments.ts';

/** Queues of port 0 (virtio 1.2, 5.3.2). */
const RECEIVE = 0;
const TRANSMIT = 1;

/** Feature bits (5.3.3). */
const F_SIZE = 0;
const F_EMERG_WRITE = 2;

/** Configuration space (5.3.4): cols u16, rows u16, max_nr_ports u32, emerg_wr u32. */
const CONFIG_EMERG_WRITE = 8;
const CONFIG_SIZE = 12;

/** Longest output buffer taken; a driver's are some pages. Bounds the work of one notification. */
const MAX_OUTPUT = 2 ** 20;

const COMMAND_RESIZE = 1;

/** The command that tells a console its terminal's size, for {@link Device.control}. @param columns,rows 1 to 65535 */
export function consoleResize(columns: number, rows: number): Uint8Array {
  for (const n of [columns, rows]) {
    if (!(Number.isInteger(n) && n >= 1 && n <= 0xffff))
      throw new RangeError(`terminal of ${columns}×${rows}: expected 1 to 65535 each`);
  }
  return Uint8Array.of(COMMAND_RESIZE, columns & 0xff, columns >>> 8, rows & 0xff, rows >>> 8);
}

export interface VirtioConsoleOptions {
  /** Size of the terminal at power-on, in characters; 80 × 25 if not given. */
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * Console device with one port (virtio 1.2, 5.3). Output leaves at once. Input is taken as far as the driver has provided
 * receive buffers; the machine offers the rest again later. A resize comes as a command ({@link consoleResize}) and raises the
 * configuration interrupt. A power-on reset forgets resizes: the machine sends the size again.
 */
class VirtioConsole implements VirtioModel {
  readonly name = 'console';
  readonly id = VIRTIO_ID.console;
  readonly features = [F_SIZE, F_EMERG_WRITE];
  readonly queueSizes = [64, 64];
  readonly config = new Uint8Array(CONFIG_SIZE);
  private readonly bus: VirtioBus;
  private readonly initial: Uint8Array;

  constructor(bus: VirtioBus, options: VirtioConsoleOptions) {
    this.bus = bus;
    this.initial = consoleResize(options.columns ?? 80, options.rows ?? 25).subarray(1);
    this.config[4] = 1; // max_nr_ports
    this.powerOn();
  }

  reset(): void {}

  powerOn(): void {
    this.config.set(this.initial);
  }

  writeConfig(offset: number, value: number): void {
    if (offset === CONFIG_EMERG_WRITE) this.bus.context.port.emit(Uint8Array.of(value));
  }

  notify(index: number): void {
    if (index !== TRANSMIT) return;
    const queue = this.bus.queue(TRANSMIT);
    const { port, ram } = this.bus.context;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const length = totalLength(chain.readable);
      if (length > MAX_OUTPUT) throw new RingError(`console output of ${length} bytes in one buffer`);
      if (length > 0) port.emit(gather(ram, chain.readable));
      queue.push(chain.head, 0);
    }
    this.bus.signal(TRANSMIT);
  }

  input(payload: Uint8Array): number {
    const queue = this.bus.queue(RECEIVE);
    let taken = 0;
    while (taken < payload.length) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const written = scatter(this.bus.context.ram, chain.writable, payload.subarray(taken));
      if (written === 0) throw new RingError('receive buffer with no room');
      queue.push(chain.head, written);
      taken += written;
    }
    if (taken > 0) this.bus.signal(RECEIVE);
    return taken;
  }

  control(command: Uint8Array): void {
    if (command.length !== 5 || command[0] !== COMMAND_RESIZE)
      throw new RangeError('a console knows no command but a resize (5 bytes)');
    this.config.set(command.subarray(1));
    this.bus.configChanged();
  }

  save(w: StateWriter): void {
    for (let i = 0; i < 4; i++) w.u8(this.config[i]);
  }

  restore(r: StateReader): void {
    for (let i = 0; i < 4; i++) this.config[i] = r.u8();
  }
}

/** Builds a console device. */
export function virtioConsole(options: VirtioConsoleOptions = {}): VirtioModelFactory {
  return (bus) => new VirtioConsole(bus, options);
}

/** A console in a slot. */
export interface ConsoleSlot {
  readonly kind: 'console';
  /** Size of the terminal at power-on, in characters. */
  readonly columns: number;
  readonly rows: number;
}

export const consoleEntry: SlotEntry<ConsoleSlot> = {
  kind: 'console',
  host: { output: 'stream', commands: { resize: consoleResize } },
  check({ columns, rows }) {
    try {
      consoleResize(columns, rows);
    } catch (error) {
      throw new ConfigError((error as RangeError).message);
    }
  },
  model: ({ columns, rows }) => virtioConsole({ columns, rows }),
};
