import { ByteStream } from './byte-stream.ts';
import type { RunResult, RunUntil } from './driver.ts';
import { Expectations, type ExpectError, type ExpectResult } from './expectation.ts';
import type { HostRoom } from './host-room.ts';

/** What {@link Machine.expect} may be told. */
export interface ExpectOptions {
  /** Milliseconds on the wall; without it there is no limit. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** The machine, as far as those who read its console move it. */
export interface ConsoleMachine {
  /** Whether a run is under way. */
  readonly isRunning: boolean;
  /** The guest ended, or the machine was closed: nothing more will come. */
  readonly isOver: boolean;
  run(until: RunUntil): Promise<RunResult>;
}

/** The terminal's output for those who read it or look for something in it. Nothing is kept for those who do not. */
export class Console {
  private readonly machine: ConsoleMachine;
  private readonly room: HostRoom;
  private readonly streams = new Set<ByteStream>();
  private readonly expectations = new Expectations();
  private readonly onEnd = new Set<() => void>();

  constructor(machine: ConsoleMachine, room: HostRoom) {
    this.machine = machine;
    this.room = room;
  }

  /** The terminal showed more. */
  push(bytes: Uint8Array): void {
    this.expectations.push(bytes);
    for (const stream of this.streams) stream.push(bytes);
  }

  /** Nothing more will come. */
  end(): void {
    for (const stream of [...this.streams]) stream.end();
    this.streams.clear();
    for (const ends of [...this.onEnd]) ends();
  }

  /** Resolves when a reader that is behind has caught up; undefined when there is none. */
  congested(): Promise<void> | undefined {
    for (const stream of this.streams) {
      const drained = stream.congested();
      if (drained !== undefined) return drained;
    }
    return undefined;
  }

  /** A stream from here on. Runs the machine if nobody else does. */
  open(): ByteStream {
    const { machine } = this;
    const stream: ByteStream = new ByteStream(() => this.streams.delete(stream));
    if (machine.isOver) stream.end();
    else {
      this.streams.add(stream);
      if (!machine.isRunning) machine.run({ whenIdle: 'wait' }).catch((error: unknown) => stream.fail(error));
    }
    return stream;
  }

  /** See {@link Machine.expect}. */
  async expect(pattern: string | RegExp, { timeout, signal }: ExpectOptions): Promise<ExpectResult> {
    const { found, giveUp } = this.expectations.expect(pattern);
    const abort = (): void => giveUp('aborted', { cause: signal?.reason });
    const ended = (): void => giveUp('ended');
    if (signal?.aborted === true) abort();
    if (this.machine.isOver) ended();
    signal?.addEventListener('abort', abort);
    this.onEnd.add(ended);
    const cancel = timeout === undefined ? undefined : this.room.after(timeout, () => giveUp('timeout'));
    const run = this.machine.isRunning || this.machine.isOver ? undefined : this.runUntil(found, giveUp);
    try {
      return await found;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.onEnd.delete(ended);
      cancel?.();
      await run;
    }
  }

  /** Runs the machine until `found` is decided. */
  private async runUntil(
    found: Promise<unknown>,
    giveUp: (reason: ExpectError['reason'], options?: ErrorOptions) => void,
  ): Promise<void> {
    const stop = new AbortController();
    const decided = (): void => stop.abort();
    found.then(decided, decided);
    try {
      const { reason } = await this.machine.run({ signal: stop.signal });
      giveUp(reason === 'halt' ? 'ended' : reason === 'idle' ? 'idle' : 'aborted');
    } catch (error) {
      giveUp('failed', { cause: error });
    }
  }
}
