import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { ConfigError } from '../config-error.ts';
import type { DevicePort } from '../device.ts';
import type { SlotEntry } from '../entry.ts';
import { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './model.ts';
import { RingError } from './queue.ts';
import { gather, scatter, sliceSegments, totalLength } from './segments.ts';

/** Queues (virtio 1.2, 5.3.2): two of port 0, two for control messages, two of each further port. */
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
const receiveQueue = (port: number): number => (port === 0 ? 0 : 2 + 2 * port);
const transmitQueue = (port: number): number => receiveQueue(port) + 1;
const QUEUE_SIZE = 64;

/** Feature bits (5.3.3). */
const F_SIZE = 0;
const F_MULTIPORT = 1;
const F_EMERG_WRITE = 2;

/** Configuration space (5.3.4): cols u16, rows u16, max_nr_ports u32, emerg_wr u32. */
const CONFIG_MAX_PORTS = 4;
const CONFIG_EMERG_WRITE = 8;
const CONFIG_SIZE = 12;

/** Control messages (5.3.6.2): port u32, event u16, value u16. */
const EVENT = {
  deviceReady: 0,
  deviceAdd: 1,
  portReady: 3,
  consolePort: 4,
  resize: 5,
  portOpen: 6,
  portName: 7,
} as const;
const MESSAGE_SIZE = 8;

/** What the driver is still to hear of a port, in the order in which it hears it. */
const TELL = [EVENT.deviceAdd, EVENT.consolePort, EVENT.resize, EVENT.portName, EVENT.portOpen] as const;
const tell = (event: (typeof TELL)[number]): number => 1 << TELL.indexOf(event);

/** Longest output buffer taken; a driver's are some pages. Bounds the work of one notification. */
const MAX_OUTPUT = 2 ** 20;
/** More further ports than anybody names. */
const MAX_PORTS = 30;

const COMMAND_RESIZE = 1;
const COMMAND_HOLD = 2;

/** The command that tells a console its terminal's size, for {@link Device.control}. @param columns,rows 1 to 65535 */
export function consoleResize(columns: number, rows: number): Uint8Array {
  for (const n of [columns, rows]) {
    if (!(Number.isInteger(n) && n >= 1 && n <= 0xffff))
      throw new RangeError(`terminal of ${columns}×${rows}: expected 1 to 65535 each`);
  }
  return Uint8Array.of(COMMAND_RESIZE, columns & 0xff, columns >>> 8, rows & 0xff, rows >>> 8);
}

/**
 * The command that holds back a port's output, for {@link Device.control}: the guest's buffers stay with the device, so its writers wait.
 * @param port one of the further ports, which count from 1; the terminal is not held @param held 1 to hold, 0 to let go
 */
export function consoleHold(port: number, held: number): Uint8Array {
  if (!(Number.isInteger(port) && port >= 1 && port <= MAX_PORTS) || (held !== 0 && held !== 1))
    throw new RangeError(`hold ${held} of port ${port}: expected 0 or 1 of a port from 1 to ${MAX_PORTS}`);
  return Uint8Array.of(COMMAND_HOLD, port, held);
}

export interface VirtioConsoleOptions {
  /** Size of the terminal at power-on, in characters; 80 × 25 if not given. */
  readonly columns?: number;
  readonly rows?: number;
  /** Names of ports besides the terminal: /dev/vportNpM in Linux, M counting from 1, with the name in /sys/class/virtio-ports. */
  readonly ports?: readonly string[];
}

/** One port of a console. */
interface ConsolePort {
  readonly name: Uint8Array;
  readonly door: DevicePort;
  /** The driver said it has the port. */
  ready: boolean;
  /** A program of the guest's has it open. */
  open: boolean;
  /** The host holds its output back. */
  held: boolean;
  /** What of {@link TELL} the driver is to hear. */
  untold: number;
}

/**
 * Console device (virtio 1.2, 5.3): a terminal, and further ports if it was given some. Output leaves at once, unless the host holds it back
 * (further ports only).
 * Input is taken as far as the driver has provided receive buffers and, on further ports, while the guest has the port open; the
 * machine offers the rest again later. A resize comes as a command ({@link consoleResize}) and raises the configuration
 * interrupt, or is a control message. A power-on reset forgets resizes: the machine sends the size again.
 */
class VirtioConsole implements VirtioModel {
  readonly name = 'console';
  readonly id = VIRTIO_ID.console;
  readonly features: readonly number[];
  readonly queueSizes: readonly number[];
  readonly config = new Uint8Array(CONFIG_SIZE);
  private readonly bus: VirtioBus;
  private readonly initial: Uint8Array;
  private readonly ports: readonly ConsolePort[];

  constructor(bus: VirtioBus, options: VirtioConsoleOptions) {
    this.bus = bus;
    const further = options.ports ?? [];
    this.features = further.length > 0 ? [F_SIZE, F_MULTIPORT, F_EMERG_WRITE] : [F_SIZE, F_EMERG_WRITE];
    const queues = further.length > 0 ? 4 + 2 * further.length : 2;
    this.queueSizes = Array<number>(queues).fill(QUEUE_SIZE);
    const port = (name: string, door: DevicePort): ConsolePort => ({
      name: new TextEncoder().encode(name),
      door,
      ready: false,
      open: false,
      held: false,
      untold: 0,
    });
    const add = (name: string, index: number): ConsolePort =>
      port(
        name,
        bus.addPort(name, (payload) => this.receive(index + 1, payload)),
      );
    this.ports = [port('', bus.context.port), ...further.map(add)];
    this.initial = consoleResize(options.columns ?? 80, options.rows ?? 25).subarray(1);
    this.config[CONFIG_MAX_PORTS] = this.ports.length;
    this.powerOn();
  }

  reset(): void {
    for (const port of this.ports) {
      port.ready = false;
      port.open = false;
      port.untold = 0;
    }
  }

  powerOn(): void {
    this.config.set(this.initial);
    for (const port of this.ports) port.held = false;
  }

  writeConfig(offset: number, value: number): void {
    if (offset === CONFIG_EMERG_WRITE) this.bus.context.port.emit(Uint8Array.of(value));
  }

  notify(index: number): void {
    if (index === CONTROL_RECEIVE) this.tellDriver();
    else if (index === CONTROL_TRANSMIT) this.hearDriver();
    else if (index % 2 === 1) this.transmit(index === 1 ? 0 : (index - 3) / 2);
  }

  input(payload: Uint8Array): number {
    return this.receive(0, payload);
  }

  control(command: Uint8Array): void {
    if (command.length === 5 && command[0] === COMMAND_RESIZE) {
      this.config.set(command.subarray(1));
      this.bus.configChanged();
      if (this.ports[0].ready) this.announce(0, tell(EVENT.resize));
    } else if (
      command.length === 3 &&
      command[0] === COMMAND_HOLD &&
      command[1] > 0 &&
      command[1] < this.ports.length
    ) {
      this.ports[command[1]].held = command[2] !== 0;
      if (this.bus.running) this.transmit(command[1]);
    } else {
      throw new RangeError(
        'a console knows no command but a resize (5 bytes) and a hold of one of its further ports (3 bytes)',
      );
    }
  }

  save(w: StateWriter): void {
    for (let i = 0; i < CONFIG_MAX_PORTS; i++) w.u8(this.config[i]);
    if (this.ports.length === 1) return;
    for (const { ready, open, held, untold } of this.ports) {
      w.bool(ready);
      w.bool(open);
      w.bool(held);
      w.u8(untold);
    }
  }

  restore(r: StateReader): void {
    for (let i = 0; i < CONFIG_MAX_PORTS; i++) this.config[i] = r.u8();
    if (this.ports.length === 1) return;
    for (const port of this.ports) {
      port.ready = r.bool();
      port.open = r.bool();
      port.held = r.bool();
      port.untold = r.u8();
    }
  }

  private transmit(index: number): void {
    const { door, held } = this.ports[index];
    const queue = this.bus.queue(transmitQueue(index));
    while (!held) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const length = totalLength(chain.readable);
      if (length > MAX_OUTPUT) throw new RingError(`console output of ${length} bytes in one buffer`);
      if (length > 0) door.emit(gather(this.bus.context.ram, chain.readable));
      queue.push(chain.head, 0);
    }
    this.bus.signal(transmitQueue(index));
  }

  private receive(index: number, payload: Uint8Array): number {
    if (index > 0 && !this.ports[index].open) return 0;
    const queue = this.bus.queue(receiveQueue(index));
    let taken = 0;
    while (taken < payload.length) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const written = scatter(this.bus.context.ram, chain.writable, payload.subarray(taken));
      if (written === 0) throw new RingError('receive buffer with no room');
      queue.push(chain.head, written);
      taken += written;
    }
    if (taken > 0) this.bus.signal(receiveQueue(index));
    return taken;
  }

  /** Control messages of the driver's; those that make no sense are passed over. */
  private hearDriver(): void {
    const queue = this.bus.queue(CONTROL_TRANSMIT);
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const message = gather(this.bus.context.ram, sliceSegments(chain.readable, 0, MESSAGE_SIZE));
      queue.push(chain.head, 0);
      if (message.length < MESSAGE_SIZE) continue;
      const view = new DataView(message.buffer);
      this.hear(view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true) !== 0);
    }
    this.bus.signal(CONTROL_TRANSMIT);
    this.tellDriver();
  }

  private hear(index: number, event: number, value: boolean): void {
    if (event === EVENT.deviceReady) {
      if (value) for (const port of this.ports) port.untold |= tell(EVENT.deviceAdd);
      return;
    }
    const port = this.ports[index];
    if (port === undefined) return;
    if (event === EVENT.portOpen) port.open = value;
    if (event !== EVENT.portReady) return;
    port.ready = value;
    if (!value) return;
    // The terminal is a console, of a size; the others have a name, and the host's end is always open.
    port.untold |=
      index === 0 ? tell(EVENT.consolePort) | tell(EVENT.resize) : tell(EVENT.portName) | tell(EVENT.portOpen);
  }

  private announce(index: number, what: number): void {
    this.ports[index].untold |= what;
    if (this.bus.running) this.tellDriver();
  }

  /** Sends what the driver is to hear, as far as it has provided buffers. */
  private tellDriver(): void {
    const queue = this.bus.queue(CONTROL_RECEIVE);
    this.ports.forEach((port, index) => {
      for (const event of TELL) {
        if ((port.untold & tell(event)) === 0) continue;
        const chain = queue.pop();
        if (chain === undefined) break;
        port.untold &= ~tell(event);
        queue.push(chain.head, scatter(this.bus.context.ram, chain.writable, this.message(index, event)));
      }
    });
    this.bus.signal(CONTROL_RECEIVE);
  }

  private message(index: number, event: (typeof TELL)[number]): Uint8Array {
    const more =
      event === EVENT.portName
        ? this.ports[index].name
        : event === EVENT.resize
          ? this.config.subarray(0, CONFIG_MAX_PORTS)
          : new Uint8Array(0);
    const message = new Uint8Array(MESSAGE_SIZE + more.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, index, true);
    view.setUint16(4, event, true);
    view.setUint16(6, 1, true);
    message.set(more, MESSAGE_SIZE);
    return message;
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
  /** Names of ports besides the terminal; each is a port of the door by that name. */
  readonly ports?: readonly string[];
}

export const consoleEntry: SlotEntry<ConsoleSlot> = {
  kind: 'console',
  host: { output: 'stream', commands: { resize: consoleResize, hold: consoleHold } },
  check({ columns, rows, ports = [] }) {
    try {
      consoleResize(columns, rows);
    } catch (error) {
      throw new ConfigError((error as RangeError).message);
    }
    if (!Array.isArray(ports) || ports.length > MAX_PORTS)
      throw new ConfigError(`a console's ports: expected a list of at most ${MAX_PORTS} names`);
    for (const name of ports) {
      if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name))
        throw new ConfigError(
          `"${String(name)}" is no name for a console's port: expected up to 64 of A–Z a–z 0–9 . _ -`,
        );
    }
  },
  model: ({ columns, rows, ports }) => virtioConsole({ columns, rows, ...(ports && { ports }) }),
};
