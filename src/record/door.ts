/**
 * The door (contract 2): everything that enters the machine from the host passes one of these. The machine comes to its door between two
 * instructions and takes what there is; nobody can hand it anything elsewhere. Live the door gives what the host has put there, recording
 * writes it down, replaying it supplies the log.
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
/** Port of input for the console that the guest reads, whichever that is when the input enters. Never the port of an event. */
export const TERMINAL_PORT = -1;

/** Something that may enter the machine: all kinds but answers, which are asked for. */
export interface Input {
  /** Index of the device, {@link TERMINAL_PORT} or {@link MACHINE_PORT}. */
  readonly port: number;
  readonly kind: Exclude<EventKind, typeof EVENT.ANSWER>;
  /** Not changed afterwards. */
  readonly payload: Uint8Array;
}

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

/** The machine, as far as a door needs it: where it is, and to say where a replay went astray. */
export interface Witness {
  readonly instant: Instant;
  /** Guest time in ticks. */
  readonly time: number;
  diverged(field: string, expected: string, found: string): Error;
  portName(port: number): string;
}

/** Where the machine's inputs come from. */
export interface Door {
  /**
   * When the machine is to come to its door: it executes no instruction beyond so many without having asked. Infinity while nothing is known
   * to wait.
   */
  readonly nextAt: number;
  /** What enters here, if anything: asked before each boundary step once {@link nextAt} has come. */
  take(machine: Witness): Input | undefined;
  /** What {@link take} gave has entered as `event`: all of it, or as many of its first bytes as the device took. */
  entered(input: Input, event: HostEvent, machine: Witness): void;
  /**
   * Nothing of what {@link take} gave has entered. @param port the device @param reason why it never will; undefined when the device only has no room
   * now
   */
  refused(input: Input, port: number, reason: string | undefined, machine: Witness): void;
  /** The guest touched a register of device `port`. @returns whether input waits for that */
  touched(port: number): boolean;
  /** Answers a device's question at once. */
  ask(port: number, question: Question, length: number, machine: Witness): Uint8Array;
}
