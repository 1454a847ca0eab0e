import { NOWHERE, Queues } from './queues.ts';

/** Which of many blocks a cache of limited size keeps. A policy knows nothing of what lies behind the blocks' numbers. */
export interface CachePolicy {
  /**
   * A block is used. @param key its number, from 0 on; memory is taken for all numbers up to the largest
   * @returns whether it was there; where it was not, it is now
   */
  use(key: number): boolean;
  /** Whether the block is there; changes nothing. */
  has(key: number): boolean;
  /** How many blocks are there. */
  readonly size: number;
}

/** Makes a policy for `capacity` blocks, at least 1; `evict` hears of every block that goes. */
export type PolicyFactory = (capacity: number, evict?: (key: number) => void) => CachePolicy;

/** Least recently used. */
class Lru implements CachePolicy {
  private readonly queues = new Queues(1);
  private readonly capacity: number;
  private readonly evict: (key: number) => void;

  constructor(capacity: number, evict: (key: number) => void) {
    this.capacity = capacity;
    this.evict = evict;
  }

  get size(): number {
    return this.queues.size(1);
  }

  has(key: number): boolean {
    return this.queues.of(key) !== NOWHERE;
  }

  use(key: number): boolean {
    const { queues } = this;
    const hit = queues.of(key) !== NOWHERE;
    queues.add(1, key);
    if (queues.size(1) > this.capacity) {
      const gone = queues.oldest(1);
      queues.remove(gone);
      this.evict(gone);
    }
    return hit;
  }
}

// The queues of the other policies; ghosts are blocks that went, whose numbers are remembered.
const RECENT = 1;
const FREQUENT = 2;
const GHOSTS = 3;
const FREQUENT_GHOSTS = 4;

/** What the policies with a queue for what is new have in common. */
abstract class Segmented implements CachePolicy {
  protected readonly queues = new Queues(FREQUENT_GHOSTS);
  protected readonly capacity: number;
  private readonly evict: (key: number) => void;

  constructor(capacity: number, evict: (key: number) => void) {
    this.capacity = capacity;
    this.evict = evict;
  }

  get size(): number {
    return this.queues.size(RECENT) + this.queues.size(FREQUENT);
  }

  has(key: number): boolean {
    const queue = this.queues.of(key);
    return queue === RECENT || queue === FREQUENT;
  }

  abstract use(key: number): boolean;

  /** The oldest block of a queue goes. @param ghosts where its number is remembered, if it is, and how many of them at most */
  protected drop(queue: number, ghosts = NOWHERE, most = Infinity): void {
    const { queues } = this;
    const gone = queues.oldest(queue);
    if (ghosts === NOWHERE) queues.remove(gone);
    else {
      queues.add(ghosts, gone);
      if (queues.size(ghosts) > most) this.forget(ghosts);
    }
    this.evict(gone);
  }

  protected forget(ghosts: number): void {
    this.queues.remove(this.queues.oldest(ghosts));
  }
}

/**
 * 2Q, full version (Johnson and Shasha, VLDB 1994): what is used once passes through a short queue; only what is used again after it left
 * that queue, and is still remembered, comes to the long-lived part.
 */
class TwoQueue extends Segmented {
  private readonly recentLimit = Math.max(1, Math.floor(this.capacity / 4));
  private readonly remembered = Math.max(1, Math.floor(this.capacity / 2));

  use(key: number): boolean {
    const { queues } = this;
    const queue = queues.of(key);
    if (queue === FREQUENT) queues.add(FREQUENT, key);
    if (queue === FREQUENT || queue === RECENT) return true;
    queues.remove(key);
    if (this.size >= this.capacity) {
      if (queues.size(RECENT) > this.recentLimit || queues.size(FREQUENT) === 0)
        this.drop(RECENT, GHOSTS, this.remembered);
      else this.drop(FREQUENT);
    }
    queues.add(queue === GHOSTS ? FREQUENT : RECENT, key);
    return false;
  }
}

/** ARC (Megiddo and Modha, FAST 2003): recency and frequency share the space, and what was evicted wrongly moves the border. */
class Arc extends Segmented {
  /** Wanted size of {@link RECENT}. */
  private border = 0;

  use(key: number): boolean {
    const { queues, capacity } = this;
    const queue = queues.of(key);
    if (queue === RECENT || queue === FREQUENT) {
      queues.add(FREQUENT, key);
      return true;
    }
    const ghosts = queues.size(GHOSTS);
    const frequentGhosts = queues.size(FREQUENT_GHOSTS);
    if (queue === GHOSTS) {
      this.border = Math.min(capacity, this.border + Math.max(1, frequentGhosts / ghosts));
      this.replace(false);
      queues.add(FREQUENT, key);
      return false;
    }
    if (queue === FREQUENT_GHOSTS) {
      this.border = Math.max(0, this.border - Math.max(1, ghosts / frequentGhosts));
      this.replace(true);
      queues.add(FREQUENT, key);
      return false;
    }
    const recent = queues.size(RECENT);
    if (recent + ghosts >= capacity) {
      if (recent < capacity) {
        this.forget(GHOSTS);
        this.replace(false);
      } else this.drop(RECENT);
    } else if (this.size + ghosts + frequentGhosts >= capacity) {
      if (this.size + ghosts + frequentGhosts >= 2 * capacity) this.forget(FREQUENT_GHOSTS);
      this.replace(false);
    }
    queues.add(RECENT, key);
    return false;
  }

  private replace(frequentGhost: boolean): void {
    if (this.size < this.capacity) return;
    const recent = this.queues.size(RECENT);
    const fromRecent = recent > 0 && (recent > this.border || (frequentGhost && recent >= this.border));
    if (fromRecent || this.queues.size(FREQUENT) === 0) this.drop(RECENT, GHOSTS);
    else this.drop(FREQUENT, FREQUENT_GHOSTS);
  }
}

/** Most uses that are counted of a block in S3-FIFO. */
const MAX_COUNT = 3;

/**
 * S3-FIFO (Yang and others, SOSP 2023): a small queue for what is new, a main queue for what was used again, ghosts of what left the small one.
 */
class S3Fifo extends Segmented {
  private readonly smallLimit = Math.max(1, Math.floor(this.capacity / 10));

  use(key: number): boolean {
    const { queues } = this;
    const queue = queues.of(key);
    if (queue === RECENT || queue === FREQUENT) {
      const count = queues.count(key);
      if (count < MAX_COUNT) queues.setCount(key, count + 1);
      return true;
    }
    while (this.size >= this.capacity) this.makeRoom();
    // Making room may have been what forgot it.
    queues.add(queues.of(key) === GHOSTS ? FREQUENT : RECENT, key);
    return false;
  }

  private makeRoom(): void {
    const { queues } = this;
    const small = queues.size(RECENT);
    if (small > 0 && (small >= this.smallLimit || queues.size(FREQUENT) === 0)) {
      const key = queues.oldest(RECENT);
      if (queues.count(key) > 1) queues.add(FREQUENT, key);
      else this.drop(RECENT, GHOSTS, this.capacity);
      return;
    }
    for (;;) {
      const key = queues.oldest(FREQUENT);
      const count = queues.count(key);
      if (count === 0) return this.drop(FREQUENT);
      queues.add(FREQUENT, key);
      queues.setCount(key, count - 1);
    }
  }
}

const nothing = (): void => undefined;

/** The policies, by the names that users type. */
export const POLICIES = {
  lru: (capacity, evict = nothing) => new Lru(capacity, evict),
  '2q': (capacity, evict = nothing) => new TwoQueue(capacity, evict),
  arc: (capacity, evict = nothing) => new Arc(capacity, evict),
  s3fifo: (capacity, evict = nothing) => new S3Fifo(capacity, evict),
} as const satisfies Record<string, PolicyFactory>;
export type PolicyName = keyof typeof POLICIES;
