/** Why {@link Machine.expect} did not find what it looked for. */
export class ExpectError extends Error {
  override name = 'ExpectError';
  /** `timeout` · `aborted` by the signal · `ended` the guest ended, or the machine was closed · `idle` the guest waits for input · `failed`, see cause */
  readonly reason: 'timeout' | 'aborted' | 'ended' | 'idle' | 'failed';
  /** The console's output that was looked through, as far as it is kept. */
  readonly text: string;

  constructor(reason: ExpectError['reason'], pattern: string | RegExp, text: string, options?: ErrorOptions) {
    const why = {
      timeout: 'in time',
      aborted: 'before it was aborted',
      ended: 'before the guest ended',
      idle: 'and the guest waits for input',
      failed: 'before the run failed',
    }[reason];
    const wanted = typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);
    super(`the console did not show ${wanted} ${why}; its last output: ${JSON.stringify(text.slice(-SHOWN))}`, options);
    this.reason = reason;
    this.text = text;
  }
}

/** What {@link Machine.expect} found. */
export interface ExpectResult {
  /** What matched; for a RegExp with its groups, as RegExp.exec gives it. */
  readonly match: string | RegExpExecArray;
  /** The console's output from the last expectation's match, or the beginning, up to the end of this match. */
  readonly text: string;
}

/** Characters of the console's output that are kept to be looked through. */
const KEPT = 256 * 1024;
/** Characters that an error shows. */
const SHOWN = 200;

interface Waiting {
  readonly pattern: string | RegExp;
  readonly resolve: (result: ExpectResult) => void;
  readonly reject: (error: ExpectError) => void;
}

/** Looks through the console's output for what is expected, in order: each match begins after the one before. */
export class Expectations {
  private readonly decoder = new TextDecoder();
  private text = '';
  private readonly waiting: Waiting[] = [];

  /** More output. */
  push(bytes: Uint8Array): void {
    this.text += this.decoder.decode(bytes, { stream: true });
    this.look();
    if (this.text.length > 2 * KEPT) this.text = this.text.slice(-KEPT);
  }

  /** @returns the promise of a match, and what gives it up */
  expect(pattern: string | RegExp): {
    readonly found: Promise<ExpectResult>;
    readonly giveUp: (reason: ExpectError['reason'], options?: ErrorOptions) => void;
  } {
    let waiting!: Waiting;
    const found = new Promise<ExpectResult>((resolve, reject) => (waiting = { pattern, resolve, reject }));
    this.waiting.push(waiting);
    this.look();
    return {
      found,
      giveUp: (reason, options) => {
        const at = this.waiting.indexOf(waiting);
        if (at < 0) return;
        this.waiting.splice(at, 1);
        waiting.reject(new ExpectError(reason, pattern, this.text.slice(-KEPT), options));
      },
    };
  }

  private look(): void {
    while (this.waiting.length > 0) {
      const { pattern, resolve } = this.waiting[0];
      const found = find(pattern, this.text);
      if (found === undefined) return;
      this.waiting.shift();
      const text = this.text.slice(0, found.end);
      this.text = this.text.slice(found.end);
      resolve({ match: found.match, text });
    }
  }
}

function find(
  pattern: string | RegExp,
  text: string,
): { readonly match: string | RegExpExecArray; readonly end: number } | undefined {
  if (typeof pattern === 'string') {
    const at = text.indexOf(pattern);
    return at < 0 ? undefined : { match: pattern, end: at + pattern.length };
  }
  // Without the flags that make a search depend on the one before.
  const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(text);
  return match === null ? undefined : { match, end: match.index + match[0].length };
}
