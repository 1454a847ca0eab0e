/** Bytes of a piece: what is allocated at a time. */
const PIECE = 65_536;
const ZEROS = new Uint8Array(PIECE);

/** The contents of a file that may have holes: pieces that were written, zeros elsewhere. */
export class SparseBytes {
  private readonly pieces = new Map<number, Uint8Array>();
  private length = 0;

  get size(): number {
    return this.length;
  }

  /** Bytes that are allocated. */
  get allocated(): number {
    return this.pieces.size * PIECE;
  }

  read(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.length - offset));
    this.walk(offset, count, (index, within, at, length) => {
      const piece = this.pieces.get(index) ?? ZEROS;
      into.set(piece.subarray(within, within + length), at);
    });
    return count;
  }

  write(offset: number, data: Uint8Array): void {
    this.walk(offset, data.length, (index, within, at, length) => {
      let piece = this.pieces.get(index);
      if (piece === undefined) this.pieces.set(index, (piece = new Uint8Array(PIECE)));
      piece.set(data.subarray(at, at + length), within);
    });
    this.length = Math.max(this.length, offset + data.length);
  }

  resize(size: number): void {
    if (size < this.length) this.zero(size, this.length - size);
    this.length = size;
  }

  /** Makes a range read as zeros, whole pieces of it a hole; the size stays. */
  zero(offset: number, length: number): void {
    for (const [index, piece] of [...this.pieces]) {
      const from = Math.max(0, offset - index * PIECE);
      const to = Math.min(PIECE, offset + length - index * PIECE);
      if (from >= to) continue;
      if (from === 0 && (to === PIECE || index * PIECE + to >= this.length)) this.pieces.delete(index);
      else piece.fill(0, from, to);
    }
  }

  /** First offset from `offset` on that lies in an allocated piece, or in a hole; undefined if there is none before the end. */
  find(offset: number, allocated: boolean): number | undefined {
    for (let at = offset; at < this.length; at = (Math.floor(at / PIECE) + 1) * PIECE)
      if (this.pieces.has(Math.floor(at / PIECE)) === allocated) return at;
    return undefined;
  }

  private walk(
    offset: number,
    length: number,
    visit: (index: number, within: number, at: number, length: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const index = Math.floor((offset + at) / PIECE);
      const within = offset + at - index * PIECE;
      const count = Math.min(PIECE - within, length - at);
      visit(index, within, at, count);
      at += count;
    }
  }
}
