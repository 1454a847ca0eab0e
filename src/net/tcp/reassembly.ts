import { seqAdd, seqDiff } from './sequence.ts';

/** Most separate pieces kept; with more the sender has to repeat some. */
const MAX_PIECES = 128;

interface Piece {
  readonly seq: number;
  readonly data: Uint8Array;
}

/** Data that came before what precedes it. All of it lies in the window that was offered, which bounds it. */
export class OutOfOrder {
  /** In order, none overlapping another. */
  private pieces: Piece[] = [];
  private held = 0;

  /** Bytes kept. */
  get length(): number {
    return this.held;
  }

  /** Keeps data from after `next`, the first byte that is missing. Where it overlaps what is there, what is there stays. */
  add(seq: number, data: Uint8Array, next: number): void {
    let from = seqDiff(seq, next);
    const end = from + data.length;
    const kept: Piece[] = [];
    const put = (start: number, until: number): void => {
      if (until <= start || kept.length >= MAX_PIECES) return;
      const at = start - (end - data.length);
      kept.push({ seq: seqAdd(next, start), data: data.slice(at, at + until - start) });
    };
    for (const piece of this.pieces) {
      const start = seqDiff(piece.seq, next);
      put(from, Math.min(end, start));
      from = Math.max(from, Math.min(end, start + piece.data.length));
      if (kept.length < MAX_PIECES) kept.push(piece);
    }
    put(from, end);
    this.pieces = kept;
    this.held = kept.reduce((sum, piece) => sum + piece.data.length, 0);
  }

  /** Takes what follows on `next` without a gap. */
  take(next: number): Uint8Array | undefined {
    while (this.pieces.length > 0) {
      const [{ seq, data }] = this.pieces;
      const old = seqDiff(next, seq);
      if (old < 0) return undefined;
      this.pieces.shift();
      this.held -= data.length;
      if (old < data.length) return data.subarray(old);
    }
    return undefined;
  }
}
