/** Pieces below this are gathered: many small ones cost no more than their bytes. */
const SMALL = 4096;
const GATHERED = 16 * 1024;

/** Bytes of one piece, and room after them where small ones are gathered. */
interface Piece {
  readonly bytes: Uint8Array;
  length: number;
}

/** Bytes on their way to the guest: the pieces as they came from the host, copied only into frames. */
export class SendQueue {
  private pieces: Piece[] = [];
  /** Of {@link pieces}, how many were taken off; and how much of the one after them. */
  private gone = 0;
  private goneBytes = 0;
  private used = 0;
  /** Where {@link copy} was last: a piece, and the offset in the queue where it begins. */
  private cursor = 0;
  private cursorAt = 0;

  /** Bytes in the queue. */
  get length(): number {
    return this.used;
  }

  /** Adds bytes at the end, which are not changed from now on. */
  push(bytes: Uint8Array): void {
    this.used += bytes.length;
    if (bytes.length >= SMALL) {
      this.pieces.push({ bytes, length: bytes.length });
      return;
    }
    const last = this.pieces.at(-1);
    const room = last === undefined || this.gone === this.pieces.length ? 0 : last.bytes.length - last.length;
    const first = Math.min(room, bytes.length);
    if (first > 0) {
      last!.bytes.set(bytes.subarray(0, first), last!.length);
      last!.length += first;
    }
    if (first === bytes.length) return;
    const gathered = new Uint8Array(GATHERED);
    gathered.set(bytes.subarray(first));
    this.pieces.push({ bytes: gathered, length: bytes.length - first });
  }

  /** Copies the bytes from `offset` on into `target`, which they fill. */
  copy(offset: number, target: Uint8Array): void {
    if (this.cursor < this.gone || offset < this.cursorAt) {
      this.cursor = this.gone;
      this.cursorAt = -this.goneBytes;
    }
    for (let at = 0; at < target.length; ) {
      const { bytes, length } = this.pieces[this.cursor];
      const from = offset + at - this.cursorAt;
      if (from >= length) {
        this.cursorAt += length;
        this.cursor++;
        continue;
      }
      const taken = Math.min(length - from, target.length - at);
      target.set(bytes.subarray(from, from + taken), at);
      at += taken;
    }
  }

  /** Takes bytes off the front. */
  drop(length: number): void {
    this.used -= length;
    this.cursorAt -= length;
    this.goneBytes += length;
    while (this.gone < this.pieces.length && this.goneBytes >= this.pieces[this.gone].length) {
      this.goneBytes -= this.pieces[this.gone].length;
      this.gone++;
    }
    if (this.gone < 64 && this.gone < this.pieces.length) return;
    this.pieces = this.pieces.slice(this.gone);
    this.cursor = Math.max(0, this.cursor - this.gone);
    if (this.cursor === 0) this.cursorAt = -this.goneBytes;
    this.gone = 0;
  }
}
