/**
 * Numbers the turns in which machines on one wire run, so that what they did can be put in order later: with those of one process in the
 * order it was in, with those of others as far as frames tell (L. Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, 1978).
 */
export class TurnClock {
  private turn = 0;
  private last: object | undefined;

  /** The turn under way: what is sent to another clock carries its number. */
  get now(): number {
    return this.turn;
  }

  /** A machine runs. @returns the number of its turn when it is a new one */
  begin(machine: object): number | undefined {
    if (this.last === machine) return undefined;
    this.last = machine;
    return ++this.turn;
  }

  /** Something came that was sent in a turn of another clock: what follows is later. */
  heard(turn: number): void {
    if (!Number.isSafeInteger(turn) || turn < this.turn) return;
    this.turn = turn;
    this.last = undefined;
  }
}
