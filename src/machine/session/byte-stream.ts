/** Chunks of bytes from one who pushes to one who iterates. */
export class ByteStream implements AsyncIterableIterator<Uint8Array> {
  private readonly chunks: Uint8Array[] = [];
  private readonly onReturn: () => void;
  private waiting: { resolve(result: IteratorResult<Uint8Array>): void; reject(error: unknown): void } | undefined;
  private ended = false;
  private error: { readonly cause: unknown } | undefined;

  /** @param onReturn called when nobody reads any more */
  constructor(onReturn: () => void) {
    this.onReturn = onReturn;
  }

  push(chunk: Uint8Array): void {
    if (this.waiting === undefined) this.chunks.push(chunk);
    else this.settle()?.resolve({ value: chunk, done: false });
  }

  end(): void {
    this.ended = true;
    this.settle()?.resolve({ value: undefined, done: true });
  }

  fail(cause: unknown): void {
    this.error = { cause };
    this.settle()?.reject(cause);
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.chunks.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.error !== undefined) return Promise.reject(this.error.cause);
    if (this.ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => (this.waiting = { resolve, reject }));
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.end();
    this.onReturn();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private settle(): typeof this.waiting {
    const { waiting } = this;
    this.waiting = undefined;
    return waiting;
  }
}
