/** Bytes that may wait for a reader before the one who pushes is to wait. */
const HIGH_WATER = 2 ** 20;

/** Chunks of bytes from one who pushes to one who iterates. */
export class ByteStream implements AsyncIterableIterator<Uint8Array> {
  private readonly chunks: Uint8Array[] = [];
  private readonly onReturn: () => void;
  private length = 0;
  private reader: { resolve(result: IteratorResult<Uint8Array>): void; reject(error: unknown): void } | undefined;
  private drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  private ended = false;
  private error: { readonly cause: unknown } | undefined;

  /** @param onReturn called when nobody reads any more */
  constructor(onReturn: () => void) {
    this.onReturn = onReturn;
  }

  push(chunk: Uint8Array): void {
    const reader = this.takeReader();
    if (reader !== undefined) return reader.resolve({ value: chunk, done: false });
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Resolves when the reader has caught up; undefined while it keeps up. */
  congested(): Promise<void> | undefined {
    if (this.length <= HIGH_WATER) return undefined;
    if (this.drained === undefined) {
      let resolve!: () => void;
      const promise = new Promise<void>((done) => (resolve = done));
      this.drained = { promise, resolve };
    }
    return this.drained.promise;
  }

  end(): void {
    this.ended = true;
    this.takeReader()?.resolve({ value: undefined, done: true });
  }

  fail(cause: unknown): void {
    this.error = { cause };
    this.takeReader()?.reject(cause);
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.chunks.shift();
    if (value !== undefined) {
      this.length -= value.length;
      if (this.length <= HIGH_WATER / 2) this.noteDrained();
      return Promise.resolve({ value, done: false });
    }
    if (this.error !== undefined) return Promise.reject(this.error.cause);
    if (this.ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => (this.reader = { resolve, reject }));
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.chunks.length = 0;
    this.length = 0;
    this.noteDrained();
    this.end();
    this.onReturn();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private noteDrained(): void {
    this.drained?.resolve();
    this.drained = undefined;
  }

  private takeReader(): typeof this.reader {
    const { reader } = this;
    this.reader = undefined;
    return reader;
  }
}
