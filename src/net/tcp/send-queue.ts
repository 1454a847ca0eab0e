const SMALLEST = 4096;
const NOTHING = new Uint8Array(0);

/** Bytes on their way to the guest: a ring that grows with what is in it, and is given back when it is empty. */
export class SendQueue {
  private ring = NOTHING;
  private head = 0;
  private used = 0;

  /** Bytes in the queue. */
  get length(): number {
    return this.used;
  }

  /** Adds bytes at the end. */
  push(bytes: Uint8Array): void {
    this.reserve(this.used + bytes.length);
    const { ring } = this;
    const at = (this.head + this.used) & (ring.length - 1);
    const first = Math.min(bytes.length, ring.length - at);
    ring.set(bytes.subarray(0, first), at);
    ring.set(bytes.subarray(first), 0);
    this.used += bytes.length;
  }

  /** Copies the bytes from `offset` on into `target`, which they fill. */
  copy(offset: number, target: Uint8Array): void {
    const { ring } = this;
    const at = (this.head + offset) & (ring.length - 1);
    const first = Math.min(target.length, ring.length - at);
    target.set(ring.subarray(at, at + first));
    target.set(ring.subarray(0, target.length - first), first);
  }

  /** Takes bytes off the front. */
  drop(length: number): void {
    this.used -= length;
    this.head = this.used === 0 ? 0 : (this.head + length) & (this.ring.length - 1);
    if (this.used === 0 && this.ring.length > SMALLEST) this.ring = NOTHING;
  }

  private reserve(length: number): void {
    if (length <= this.ring.length) return;
    let size = Math.max(SMALLEST, this.ring.length);
    while (size < length) size *= 2;
    const ring = new Uint8Array(size);
    if (this.used > 0) this.copy(0, ring.subarray(0, this.used));
    this.ring = ring;
    this.head = 0;
  }
}
