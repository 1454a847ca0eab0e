/** In no queue. */
export const NOWHERE = 0;

/**
 * Numbered queues of small numbers, each number in one of them at most: doubly linked lists in typed arrays, which take ten bytes for every number up
 * to the largest. Sets of the language do the same at a tenth of the speed where there are many.
 */
export class Queues {
  private older = new Int32Array(1024);
  private newer = new Int32Array(1024);
  private where = new Uint8Array(1024);
  private counts = new Uint8Array(1024);
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  private readonly sizes: Int32Array;

  /** @param queues they are 1 to this */
  constructor(queues: number) {
    this.first = new Int32Array(queues + 1).fill(-1);
    this.last = new Int32Array(queues + 1).fill(-1);
    this.sizes = new Int32Array(queues + 1);
  }

  /** The queue that the number is in, or {@link NOWHERE}. */
  of(key: number): number {
    return key < this.where.length ? this.where[key] : NOWHERE;
  }

  size(queue: number): number {
    return this.sizes[queue];
  }

  /** What was added first of those in a queue, which must not be empty. */
  oldest(queue: number): number {
    return this.first[queue];
  }

  /** A count of the number's own, 0 when it is added. */
  count(key: number): number {
    return this.counts[key];
  }

  setCount(key: number, count: number): void {
    this.counts[key] = count;
  }

  /** Puts a number at the end of a queue, out of the one it is in. */
  add(queue: number, key: number): void {
    if (key >= this.where.length) this.grow(key);
    else this.remove(key);
    const last = this.last[queue];
    this.older[key] = last;
    this.newer[key] = -1;
    if (last < 0) this.first[queue] = key;
    else this.newer[last] = key;
    this.last[queue] = key;
    this.where[key] = queue;
    this.counts[key] = 0;
    this.sizes[queue]++;
  }

  /** Takes a number out of its queue. */
  remove(key: number): void {
    const queue = this.of(key);
    if (queue === NOWHERE) return;
    const older = this.older[key];
    const newer = this.newer[key];
    if (older < 0) this.first[queue] = newer;
    else this.newer[older] = newer;
    if (newer < 0) this.last[queue] = older;
    else this.older[newer] = older;
    this.where[key] = NOWHERE;
    this.sizes[queue]--;
  }

  private grow(key: number): void {
    const length = Math.max(key + 1, this.where.length * 2);
    const longer = <A extends Int32Array | Uint8Array>(array: A, bigger: A): A => {
      bigger.set(array);
      return bigger;
    };
    this.older = longer(this.older, new Int32Array(length));
    this.newer = longer(this.newer, new Int32Array(length));
    this.where = longer(this.where, new Uint8Array(length));
    this.counts = longer(this.counts, new Uint8Array(length));
  }
}
