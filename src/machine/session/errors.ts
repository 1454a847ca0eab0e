/** What was asked for cannot be done while something else is under way. */
export class SessionBusyError extends Error {
  override name = 'SessionBusyError';
  /** What was asked for. */
  readonly operation: string;
  /** What is under way. */
  readonly underWay: string;

  constructor(operation: string, underWay: string) {
    const hint = underWay === 'run' ? 'the machine is running: pause it first' : 'wait for it to end';
    super(`cannot ${operation} while a ${underWay} is under way; ${hint}`);
    this.operation = operation;
    this.underWay = underWay;
  }
}

/** What was asked for cannot be done where the session is: live, in the past, on a branch, or closed. */
export class SessionStateError extends Error {
  override name = 'SessionStateError';
}
