import type { ByteSource } from '../bytes/source.ts';

/** Bytes fetched at once. */
const SIZE = 2 ** 20;

/** Reads a source mostly forward, in large pieces. */
export class SourceWindow {
  readonly source: ByteSource;
  private start = 0;
  private bytes: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Bytes from `offset` on, valid until the next call; all must lie within the source. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.start || offset + length > this.start + this.bytes.length) {
      this.bytes = await this.source.read(offset, Math.min(Math.max(length, SIZE), this.source.size - offset));
      this.start = offset;
    }
    return this.bytes.subarray(offset - this.start, offset - this.start + length);
  }
}
