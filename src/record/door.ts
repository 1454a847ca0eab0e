/**
 * The door (contract 2): everything that enters the machine from the host passes one of these. Live it is passed on, recording it is
 * written down, replaying it is supplied from the log.
 */

/** A point between two instructions: how many were attempted over all harts, and how many boundary steps were made since the last. */
export interface Instant {
  /** Instructions attempted over all harts since the machine began; integer below 2^53. */
  readonly instructions: number;
  /** Steps of the machine between two instructions: deadlines, turns, idle skips, events from the host. */
  readonly sequence: number;
}

/** Earlier first. */
export const compareInstants = (a: Instant, b: Instant): number =>
  a.instructions - b.instructions || a.sequence - b.sequence;

/** What entered. The numbers are those of the recording format. */
export const EVENT = {
  /** Answer to a device's question; not delivered but asked for. Payload: the question (u8), then the bytes. */
  ANSWER: 0,
  /** Bytes for a device; payload as the device took them. */
  INPUT: 1,
  /** A command for a device. */
  CONTROL: 2,
  /** Guest time moves on without an instruction. Payload: ticks, u64. */
  WARP: 3,
  /** The user's doing. Payload: one byte of {@link COMMAND}, and what a debugger writes (../machine/engine/debug-write.ts). */
  COMMAND: 4,
} as const;
export type EventKind = (typeof EVENT)[keyof typeof EVENT];

/** The user's switches, and writes by a debugger. */
export const COMMAND = { RESET: 0, POWER_OFF: 1, WRITE_RAM: 2, WRITE_REGISTER: 3 } as const;
export type Command = typeof COMMAND.RESET | typeof COMMAND.POWER_OFF;

/** Questions devices ask. The numbers are those of the recording format. */
export const QUESTION = { clock: 0, entropy: 1 } as const;
export type Question = keyof typeof QUESTION;

/** Port of events that concern the machine as a whole. */
export const MACHINE_PORT = 255;

/** Something that entered the machine. */
export interface HostEvent {
  readonly at: Instant;
  /** Guest time in ticks. */
  readonly time: number;
  /** Index of the device, or {@link MACHINE_PORT}. */
  readonly port: number;
  readonly kind: EventKind;
  readonly payload: Uint8Array;
}

/** The machine, as far as a door needs it: to say where a replay went astray. */
export interface Witness {
  diverged(field: string, expected: string, found: string): Error;
  portName(port: number): string;
}

/** Where the machine's inputs come from. */
export interface Door {
  /** Whether the host's inputs may come in now; false while replaying. */
  readonly open: boolean;
  /** The event to deliver or answer next, when it is known before: while replaying. */
  readonly next: HostEvent | undefined;
  /** Answers a device's question at once. `machine` makes the error when a replay asks something else than was recorded. */
  ask(port: number, question: Question, length: number, at: Instant, time: number, machine: Witness): Uint8Array;
  /** An event was delivered: recorded live; taken off the log while replaying (it is {@link next}). */
  delivered(event: HostEvent): void;
}

/** Where answers come from. */
export interface Sources {
  /** Nanoseconds since 1970. */
  clock(): bigint;
  entropy(length: number): Uint8Array;
}

/** The answer of `sources` to a question. */
export function answer(sources: Sources, question: Question, length: number): Uint8Array {
  if (question === 'entropy') return sources.entropy(length);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, sources.clock()), true);
  return bytes;
}

/** Passes on what comes, and tells a listener, if there is one, of every event: that is all that recording is. */
export class LiveDoor implements Door {
  readonly open = true;
  readonly next = undefined;
  private readonly sources: Sources;
  /** Told of every event, with a payload that is its own to keep. */
  listener: ((event: HostEvent) => void) | undefined;

  constructor(sources: Sources, listener?: (event: HostEvent) => void) {
    this.sources = sources;
    this.listener = listener;
  }

  ask(port: number, question: Question, length: number, at: Instant, time: number): Uint8Array {
    const bytes = answer(this.sources, question, length);
    if (this.listener !== undefined) {
      const payload = new Uint8Array(bytes.length + 1);
      payload[0] = QUESTION[question];
      payload.set(bytes, 1);
      this.listener({ at, time, port, kind: EVENT.ANSWER, payload });
    }
    return bytes;
  }

  delivered(event: HostEvent): void {
    this.listener?.({ ...event, payload: event.payload.slice() });
  }
}

/**
 * Sources without a host, for machines that are to be the same every time: a wall clock that starts at a fixed date and a seeded
 * stream of bytes (xorshift32; nothing to build keys on).
 */
export function fixedSources(seed: number, epoch = 1_767_225_600n * 1_000_000_000n): Sources {
  let state = (seed ^ 0x6c07_8965) >>> 0 || 1;
  return {
    clock: () => epoch,
    entropy(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        bytes[i] = (state >>> 8) & 0xff;
      }
      return bytes;
    },
  };
}
