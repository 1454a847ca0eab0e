import { formatInstant } from './divergence.ts';
import {
  compareInstants,
  type Door,
  EVENT,
  type HostEvent,
  type Input,
  QUESTION,
  type Question,
  type Witness,
} from './door.ts';

/** Supplies a recording's events, and refuses anything that is not in it (contract 2). */
export class ReplayDoor implements Door {
  private readonly events: readonly HostEvent[];
  private at: number;

  /** @param from index of the first event to supply */
  constructor(events: readonly HostEvent[], from = 0) {
    this.events = events;
    this.at = from;
  }

  /** The event that enters next. */
  get next(): HostEvent | undefined {
    return this.events[this.at];
  }

  /** Index of {@link next}. */
  get position(): number {
    return this.at;
  }

  get nextAt(): number {
    return this.next?.at.instructions ?? Infinity;
  }

  /** Goes on from another event: the machine was moved in time. */
  seek(index: number): void {
    this.at = index;
  }

  take(machine: Witness): Input | undefined {
    const { next } = this;
    if (next === undefined) return undefined;
    const ahead = compareInstants(machine.instant, next.at);
    if (ahead > 0)
      throw machine.diverged(
        `event of ${machine.portName(next.port)}`,
        `at ${next.at.instructions}.${next.at.sequence}`,
        'the machine went past it',
      );
    if (ahead < 0 || next.kind === EVENT.ANSWER) return undefined;
    if (next.time !== machine.time) throw machine.diverged('guest time of an event', `${next.time}`, `${machine.time}`);
    return next as Input;
  }

  entered(input: Input, event: HostEvent, machine: Witness): void {
    const { next } = this;
    const port = machine.portName(event.port);
    if (input !== next)
      throw machine.diverged(
        'an input',
        next === undefined ? 'none any more' : this.describe(next, machine),
        `an event of ${port} that is not in the recording`,
      );
    if (event.payload.length !== next.payload.length)
      throw machine.diverged(`input of ${port}`, `${next.payload.length} bytes taken`, `${event.payload.length}`);
    this.at++;
  }

  refused({ kind, payload }: Input, port: number, reason: string | undefined, machine: Witness): never {
    const expected = kind === EVENT.INPUT ? `${payload.length} bytes taken` : 'taken';
    throw machine.diverged(`input of ${machine.portName(port)}`, expected, reason ?? '0');
  }

  touched(): boolean {
    return false;
  }

  ask(port: number, question: Question, length: number, machine: Witness): Uint8Array {
    const { next } = this;
    const { instant, time } = machine;
    const asked = `${length} bytes of ${question} for ${machine.portName(port)} at ${formatInstant(instant)}`;
    if (next === undefined) throw machine.diverged('question', 'none any more', asked);
    const sound =
      next.kind === EVENT.ANSWER &&
      next.port === port &&
      next.payload[0] === QUESTION[question] &&
      next.payload.length === length + 1 &&
      compareInstants(next.at, instant) === 0 &&
      next.time === time;
    if (!sound) throw machine.diverged('question', this.describe(next, machine), asked);
    this.at++;
    return next.payload.slice(1);
  }

  private describe(event: HostEvent, machine: Witness): string {
    const port = machine.portName(event.port);
    if (event.kind !== EVENT.ANSWER) return `an event of ${port} at ${formatInstant(event.at)}`;
    const question = event.payload[0] === QUESTION.clock ? 'clock' : 'entropy';
    return `${event.payload.length - 1} bytes of ${question} for ${port} at ${formatInstant(event.at)}`;
  }
}
