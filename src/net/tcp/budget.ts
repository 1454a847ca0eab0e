/** Bytes that a connection may hold in each direction, at first and at most. */
export const SMALL_BUFFER = 64 * 1024;
export const LARGE_BUFFER = 4 * 1024 * 1024;
/** Bytes beyond {@link SMALL_BUFFER} for all connections together. */
const SHARED = 64 * 1024 * 1024;

/** What all connections of a network may hold. Every connection has its small buffers; what they take beyond is shared. */
export class BufferBudget {
  private taken = 0;

  /** Takes bytes of what is shared, if there are as many. */
  take(bytes: number): boolean {
    if (this.taken + bytes > SHARED) return false;
    this.taken += bytes;
    return true;
  }

  /** Gives them back. */
  give(bytes: number): void {
    this.taken -= bytes;
  }
}

/** How large one buffer may become: doubled as long as there is something to share. */
export class BufferLimit {
  private readonly budget: BufferBudget;
  private bytes = SMALL_BUFFER;

  constructor(budget: BufferBudget) {
    this.budget = budget;
  }

  get value(): number {
    return this.bytes;
  }

  /** Doubles the limit if that is possible. */
  grow(): void {
    if (this.bytes < LARGE_BUFFER && this.budget.take(this.bytes)) this.bytes *= 2;
  }

  /** Gives back all but the small buffer's. */
  release(): void {
    this.budget.give(this.bytes - SMALL_BUFFER);
    this.bytes = SMALL_BUFFER;
  }
}
