import type { StateReader, StateWriter } from '../bytes/state-stream.ts';
import type { DmaMemory } from './dma.ts';

/**
 * What a device may know of the machine around it. A device never learns its address, never names a clock and never
 * reaches the host but through its port of the door.
 */
export interface DeviceContext {
  /** Guest RAM for DMA. */
  readonly ram: DmaMemory;
  /** Drives the device's interrupt wire (level-triggered; repeated equal levels are free). */
  irq(level: boolean): void;
  /** Guest time now, in ticks (integer below 2^53; one executed instruction is one tick is one nanosecond). */
  now(): number;
  /** The device's one deadline: {@link Device.deadline} is called once guest time reaches `at`; re-arming replaces it. */
  arm(at: number): void;
  /** Takes the deadline back. */
  disarm(): void;
  /** The device's port of the door (contract 2). */
  readonly port: DevicePort;
  /**
   * A further port of the door, for a device with several channels to the host; only while the device is built.
   * @param name unique in the machine @param input what comes in there, as {@link Device.input}
   */
  addPort(name: string, input: (payload: Uint8Array) => number): DevicePort;
  /**
   * Something of the host's (a disk read) that the device needs at guest time `at` may be late: a deadline of the device's at that
   * time or later is held back until the promise settles (contract 4). A rejection stops the run with that error.
   */
  waitFor(promise: Promise<void>, at: number): void;
}

/**
 * The device's side of the door: what comes in is recorded, what goes out is not.
 *
 * A question that the host may take its time over (a file's bytes, a server's reply) is not asked but emitted, as a request that the
 * host's side knows how to read; a replay computes it again. The answer comes as {@link Device.input} or {@link Device.control} at
 * a recorded instant. Until then {@link Device.awaitsAnswer} keeps the machine from skipping idle time (contract 11).
 */
export interface DevicePort {
  /**
   * Asks the host a question and has the answer at once: `clock` (wall-clock time, 8 bytes: nanoseconds since 1970, u64
   * little-endian) or `entropy` (`length` random bytes). Recorded live; supplied from the log on replay.
   */
  ask(question: 'clock' | 'entropy', length: number): Uint8Array;
  /** Bytes for the host (console output, a frame, a request). Not part of the machine's state; the host may drop it. */
  emit(payload: Uint8Array): void;
}

/** The one shape of every device: offset + width → value. */
export interface Device {
  /** Stable short name of the model, e.g. `uart16550`; part of saved states. */
  readonly kind: string;
  /** Size of the register window in bytes (a multiple of 4096 is not required). */
  readonly size: number;
  /** Back to power-on state; keeps backends (disks, sinks). Drops its deadline, lowers its wire. */
  reset(): void;
  /**
   * Reads a register. @param offset 0 ≤ offset < size @param width 1, 2 or 4 bytes (the bus splits 8 into two of 4, low half
   * first). @returns an unsigned 32-bit number; unknown offsets read 0.
   */
  read(offset: number, width: 1 | 2 | 4): number;
  /** Writes a register; unknown offsets are ignored. `value` is unsigned, below 2^(8·width). */
  write(offset: number, width: 1 | 2 | 4, value: number): void;
  /** Reads what {@link read} would, changing nothing: for debuggers. */
  peek(offset: number, width: 1 | 2 | 4): number;
  /** Bytes of input that it holds and the guest has not read yet, where the guest reads them one by one. */
  readonly unread?: number;
  /**
   * Whether the device emitted a request that the host has not answered. Part of its state. Idle guest time that would be skipped is
   * not skipped then: to the guest an answer takes no longer than the host's clock says, or no time at all without one.
   */
  readonly awaitsAnswer?: boolean;
  /**
   * Emits again the requests that await an answer: the machine goes on live from a state whose requests this host has not heard.
   * Changes nothing.
   */
  repeatRequests?(): void;
  /** Guest time reached the armed deadline. */
  deadline?(): void;
  /**
   * Bytes from the host, delivered at a recorded instant. @returns how many bytes were taken; the rest is offered again when the
   * device has called for more by taking fewer (console flow control). Frames are taken whole (their length) or not (0). An
   * offer of which nothing was taken (0) has changed nothing, so it needs no place in a recording.
   */
  input?(payload: Uint8Array): number;
  /**
   * A command from the host that is no data (a terminal's new size), delivered at a recorded instant and always taken whole.
   * @throws RangeError when it is not one of the device's commands
   */
  control?(command: Uint8Array): void;
  /** Writes the whole state; {@link restore} reads the same fields in the same order. */
  save(w: StateWriter): void;
  /** Reads what {@link save} wrote; re-arms its deadline and drives its wire as they were. */
  restore(r: StateReader): void;
}
