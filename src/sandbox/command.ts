import { SIGNALS } from '../linux/flags.ts';
import type { ChannelRequest, RequestListener } from './channel.ts';
import { SessionEndedError } from './errors.ts';

/** The number of a signal's name, with or without `SIG`. @throws RangeError for a name that is none */
function signalNumber(name: string | number): number {
  const number =
    typeof name === 'number'
      ? name
      : SIGNALS.findIndex((known) => known !== '0' && (known === name || known === `SIG${name}`));
  if (number < 1 || number > 64)
    throw new RangeError(`"${name}" is no signal: expected a name such as SIGTERM, or 1 to 64`);
  return number;
}

/** How a command ended. */
export interface CommandExit {
  /** Its exit status; 128 + the signal's number if a signal ended it, as shells have it. */
  readonly exitCode: number;
  /** The signal that ended it, e.g. `SIGKILL`. */
  readonly signal?: string;
}

/** One of a command's two outputs, once; what nobody reads stays in the guest, whose program waits as on a full pipe. */
class OutputStream implements AsyncIterableIterator<Uint8Array> {
  private readonly chunks: Uint8Array[] = [];
  private readonly consumed: (bytes: number) => void;
  private waiting: { resolve(result: IteratorResult<Uint8Array>): void; reject(error: Error): void } | undefined;
  private finished: { readonly error?: Error } | undefined;
  /** Nobody reads any more: what comes is dropped. */
  private dropped = false;

  constructor(consumed: (bytes: number) => void) {
    this.consumed = consumed;
  }

  push(bytes: Uint8Array): void {
    if (this.dropped) return this.consumed(bytes.length);
    if (this.waiting === undefined) {
      this.chunks.push(bytes);
      return;
    }
    this.consumed(bytes.length);
    const { resolve } = this.waiting;
    this.waiting = undefined;
    resolve({ value: bytes, done: false });
  }

  finish(error?: Error): void {
    this.finished ??= { ...(error !== undefined && { error }) };
    const { waiting } = this;
    this.waiting = undefined;
    if (error === undefined) waiting?.resolve({ value: undefined, done: true });
    else waiting?.reject(error);
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.chunks.shift();
    if (value !== undefined) {
      this.consumed(value.length);
      return Promise.resolve({ value, done: false });
    }
    if (this.finished?.error !== undefined) return Promise.reject(this.finished.error);
    if (this.finished !== undefined || this.dropped) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.dropped = true;
    for (const { length } of this.chunks.splice(0)) this.consumed(length);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Standard input of a command. */
class InputStream {
  private readonly request: ChannelRequest;
  private room = 0;
  private readonly queue: { bytes: Uint8Array; resolve(): void }[] = [];
  private ending = false;
  private closed = false;

  constructor(request: ChannelRequest) {
    this.request = request;
  }

  /** Resolves when the guest had room for all of it. What is written after the command ended, or {@link end}, is dropped. */
  write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    if (this.closed || this.ending || bytes.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.queue.push({ bytes, resolve });
      this.flow(0);
    });
  }

  /** The end of input, after what was written. */
  end(): void {
    if (this.ending) return;
    this.ending = true;
    this.flow(0);
  }

  flow(more: number): void {
    this.room += more;
    for (let first = this.queue[0]; first !== undefined && this.room > 0; first = this.queue[0]) {
      const piece = first.bytes.subarray(0, this.room);
      this.request.input(piece);
      this.room -= piece.length;
      first.bytes = first.bytes.subarray(piece.length);
      if (first.bytes.length > 0) return;
      this.queue.shift();
      first.resolve();
    }
    if (this.ending && !this.closed && this.queue.length === 0) {
      this.closed = true;
      this.request.endInput();
    }
  }

  /** The command is over. */
  close(): void {
    this.closed = true;
    for (const { resolve } of this.queue.splice(0)) resolve();
  }
}

/** A command in the guest. */
export class GuestCommand {
  /** What it prints, once. */
  readonly stdout: AsyncIterableIterator<Uint8Array>;
  readonly stderr: AsyncIterableIterator<Uint8Array>;
  /** How it ends. Rejects with GuestError when it cannot begin, with SessionEndedError when the machine ends before it does. */
  readonly exit: Promise<CommandExit>;
  private readonly request: ChannelRequest;
  private readonly input: InputStream;

  /** @param start begins the request with the listener it is given */
  constructor(start: (listener: RequestListener) => ChannelRequest) {
    let ended: (exit: CommandExit) => void = () => undefined;
    let failed: (error: Error) => void = () => undefined;
    this.exit = new Promise((resolve, reject) => {
      ended = resolve;
      failed = reject;
    });
    // Whoever only reads the output hears of a failure there.
    this.exit.catch(() => undefined);
    const outputs = ([0, 1] as const).map(
      (stream) => new OutputStream((bytes) => this.request.consumed(stream, bytes)),
    );
    [this.stdout, this.stderr] = outputs as [OutputStream, OutputStream];
    const finish = (error?: Error): void => {
      this.input.close();
      for (const output of outputs) output.finish(error);
    };
    this.request = start({
      output: (stream, bytes) => outputs[stream]!.push(bytes),
      inputRoom: (bytes) => this.input.flow(bytes),
      exit: (status, signal) => {
        finish();
        ended(
          signal === 0
            ? { exitCode: status }
            : { exitCode: 128 + signal, signal: SIGNALS[signal] ?? `signal ${signal}` },
        );
      },
      failed: (error) => {
        finish(error instanceof SessionEndedError ? error : undefined);
        failed(error);
      },
    });
    this.input = new InputStream(this.request);
  }

  /** Writes to standard input. Resolves when the guest had room for it: awaiting it keeps memory bounded. */
  write(data: string | Uint8Array): Promise<void> {
    return this.input.write(data);
  }

  /** Ends standard input. */
  end(): void {
    this.input.end();
  }

  /** Sends a signal to the command's process group; SIGTERM if not said. */
  kill(signal: string | number = 'SIGTERM'): void {
    this.request.signal(signalNumber(signal));
  }

  /** The size of its terminal, if it was started on one. */
  resize(columns: number, rows: number): void {
    this.request.resize(columns, rows);
  }
}
