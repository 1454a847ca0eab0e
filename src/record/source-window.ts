import type { ByteSource } from '../bytes/source.ts';

/** Bytes fetched first: more than most headers have. What is read on and on is fetched in larger pieces. */
const FIRST = 2 ** 16;
const LARGEST = 2 ** 20;

/** Reads a source mostly forward, in large pieces. */
export class SourceWindow {
  readonly source: ByteSource;
  private start = 0;
  private bytes: Uint8Array = new Uint8Array(0);
  private size = FIRST;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Bytes from `offset` on, valid until the next call; all must lie within the source. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.start || offset + length > this.start + this.bytes.length) {
      this.bytes = await this.source.read(offset, Math.min(Math.max(length, this.size), this.source.size - offset));
      this.start = offset;
      this.size = Math.min(LARGEST, this.size * 4);
    }
    return this.bytes.subarray(offset - this.start, offset - this.start + length);
  }
}
