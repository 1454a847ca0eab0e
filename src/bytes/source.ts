/** Bytes that can be read anywhere without having them all: a file, a Blob, ranges over HTTP. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /**
   * Reads `length` bytes from `offset` on, all of which must lie within the size. The caller must not change them.
   * @throws Error naming the source when it cannot be read, or became shorter
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Gives back what the host holds for it. */
  close?(): void;
}

/** Bytes in memory as a source. */
export class MemorySource implements ByteSource {
  readonly size: number;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.size = bytes.length;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.bytes.subarray(offset, offset + length));
  }
}

/** Bytes that can be read anywhere at once, without waiting: memory, or an open local file. */
export interface ReadySource {
  /** Bytes in all. */
  readonly size: number;
  /** Reads `length` bytes from `offset` on, fewer only where the source ends. They are valid until the next call; the caller must not change them. */
  read(offset: number, length: number): Uint8Array;
}

/** All of a source, in memory of its own. */
export const copyOf = (source: ReadySource): Uint8Array<ArrayBuffer> => new Uint8Array(source.read(0, source.size));

/** Bytes in memory as a source that is always ready. */
export const readyBytes = (bytes: Uint8Array): ReadySource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});
