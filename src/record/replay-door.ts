import { formatInstant } from './divergence.ts';
import { type Door, EVENT, type HostEvent, type Instant, QUESTION, type Question, type Witness } from './door.ts';

const sameInstant = (a: Instant, b: Instant): boolean => a.instructions === b.instructions && a.sequence === b.sequence;

/** Supplies a recording's events, and refuses anything that is not in it (contract 2). */
export class ReplayDoor implements Door {
  readonly open = false;
  private readonly events: readonly HostEvent[];
  private at: number;

  /** @param from index of the first event to supply */
  constructor(events: readonly HostEvent[], from = 0) {
    this.events = events;
    this.at = from;
  }

  get next(): HostEvent | undefined {
    return this.events[this.at];
  }

  /** Index of {@link next}. */
  get position(): number {
    return this.at;
  }

  /** Goes on from another event: the machine was moved in time. */
  seek(index: number): void {
    this.at = index;
  }

  ask(port: number, question: Question, length: number, at: Instant, time: number, machine: Witness): Uint8Array {
    const { next } = this;
    const asked = `${length} bytes of ${question} for ${machine.portName(port)} at ${formatInstant(at)}`;
    if (next === undefined) throw machine.diverged('question', 'none any more', asked);
    const sound =
      next.kind === EVENT.ANSWER &&
      next.port === port &&
      next.payload[0] === QUESTION[question] &&
      next.payload.length === length + 1 &&
      sameInstant(next.at, at) &&
      next.time === time;
    if (!sound) throw machine.diverged('question', this.describe(next, machine), asked);
    this.at++;
    return next.payload.slice(1);
  }

  delivered(): void {
    this.at++;
  }

  private describe(event: HostEvent, machine: Witness): string {
    const port = machine.portName(event.port);
    if (event.kind !== EVENT.ANSWER) return `an event of ${port} at ${formatInstant(event.at)}`;
    const question = event.payload[0] === QUESTION.clock ? 'clock' : 'entropy';
    return `${event.payload.length - 1} bytes of ${question} for ${port} at ${formatInstant(event.at)}`;
  }
}
