import type { Door, HostEvent, Input, Question, Witness } from './door.ts';

/** The one door that a machine has for life; its owner says which of several doors that is at present. */
export class DoorSwitch implements Door {
  /** The door that is open. Changed between two runs only. */
  current: Door;

  constructor(first: Door) {
    this.current = first;
  }

  get nextAt(): number {
    return this.current.nextAt;
  }

  take(machine: Witness): Input | undefined {
    return this.current.take(machine);
  }

  entered(input: Input, event: HostEvent, machine: Witness): void {
    this.current.entered(input, event, machine);
  }

  refused(input: Input, port: number, reason: string | undefined, machine: Witness): void {
    this.current.refused(input, port, reason, machine);
  }

  touched(port: number): boolean {
    return this.current.touched(port);
  }

  ask(port: number, question: Question, length: number, machine: Witness): Uint8Array {
    return this.current.ask(port, question, length, machine);
  }
}
