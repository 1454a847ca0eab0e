/** Which of many blocks a cache of limited size keeps. Keys are numbers; a policy knows nothing of what lies behind them. */
export interface CachePolicy {
  /**
   * A block is used. @returns whether it was there; where it was not, it is now, unless the policy does not admit it
   */
  use(key: number): boolean;
  /** Whether the block is there; changes nothing. */
  has(key: number): boolean;
  /** How many blocks are there. */
  readonly size: number;
}

/** Makes a policy for `capacity` blocks, at least 1; `evict` is told of every block that goes. */
export type PolicyFactory = (capacity: number, evict?: (key: number) => void) => CachePolicy;

/** The oldest key of a map or set. */
function oldest<K>(keys: Map<K, unknown> | Set<K>): K {
  return keys.keys().next().value as K;
}

/** Least recently used. */
class Lru implements CachePolicy {
  private readonly keys = new Set<number>();
  private readonly capacity: number;
  private readonly evict: (key: number) => void;

  constructor(capacity: number, evict: (key: number) => void) {
    this.capacity = capacity;
    this.evict = evict;
  }

  get size(): number {
    return this.keys.size;
  }

  has(key: number): boolean {
    return this.keys.has(key);
  }

  use(key: number): boolean {
    const hit = this.keys.delete(key);
    this.keys.add(key);
    if (this.keys.size > this.capacity) {
      const gone = oldest(this.keys);
      this.keys.delete(gone);
      this.evict(gone);
    }
    return hit;
  }
}

/**
 * 2Q, full version (Johnson and Shasha, VLDB 1994): what is used once passes through a short queue; only what is used again after it left
 * that queue, and is still remembered, comes to the long-lived part.
 */
class TwoQueue implements CachePolicy {
  private readonly recent = new Set<number>();
  private readonly remembered = new Set<number>();
  private readonly frequent = new Set<number>();
  private readonly capacity: number;
  private readonly recentLimit: number;
  private readonly rememberedLimit: number;
  private readonly evict: (key: number) => void;

  constructor(capacity: number, evict: (key: number) => void) {
    this.capacity = capacity;
    this.recentLimit = Math.max(1, Math.floor(capacity / 4));
    this.rememberedLimit = Math.max(1, Math.floor(capacity / 2));
    this.evict = evict;
  }

  get size(): number {
    return this.recent.size + this.frequent.size;
  }

  has(key: number): boolean {
    return this.recent.has(key) || this.frequent.has(key);
  }

  use(key: number): boolean {
    if (this.frequent.delete(key)) {
      this.frequent.add(key);
      return true;
    }
    if (this.recent.has(key)) return true;
    const known = this.remembered.delete(key);
    this.makeRoom();
    if (known) this.frequent.add(key);
    else this.recent.add(key);
    return false;
  }

  private makeRoom(): void {
    if (this.size < this.capacity) return;
    let gone: number;
    if (this.recent.size > this.recentLimit || this.frequent.size === 0) {
      gone = oldest(this.recent);
      this.recent.delete(gone);
      this.remembered.add(gone);
      if (this.remembered.size > this.rememberedLimit) this.remembered.delete(oldest(this.remembered));
    } else {
      gone = oldest(this.frequent);
      this.frequent.delete(gone);
    }
    this.evict(gone);
  }
}

/** ARC (Megiddo and Modha, FAST 2003): recency and frequency share the space, and what was evicted wrongly moves the border. */
class Arc implements CachePolicy {
  private readonly recent = new Set<number>();
  private readonly frequent = new Set<number>();
  private readonly recentGhosts = new Set<number>();
  private readonly frequentGhosts = new Set<number>();
  private readonly capacity: number;
  /** Wanted size of {@link recent}. */
  private border = 0;
  private readonly evict: (key: number) => void;

  constructor(capacity: number, evict: (key: number) => void) {
    this.capacity = capacity;
    this.evict = evict;
  }

  get size(): number {
    return this.recent.size + this.frequent.size;
  }

  has(key: number): boolean {
    return this.recent.has(key) || this.frequent.has(key);
  }

  use(key: number): boolean {
    const { recent, frequent, recentGhosts, frequentGhosts, capacity } = this;
    if (recent.delete(key) || frequent.delete(key)) {
      frequent.add(key);
      return true;
    }
    if (recentGhosts.has(key)) {
      this.border = Math.min(capacity, this.border + Math.max(1, frequentGhosts.size / recentGhosts.size));
      this.replace(false);
      recentGhosts.delete(key);
      frequent.add(key);
      return false;
    }
    if (frequentGhosts.has(key)) {
      this.border = Math.max(0, this.border - Math.max(1, recentGhosts.size / frequentGhosts.size));
      this.replace(true);
      frequentGhosts.delete(key);
      frequent.add(key);
      return false;
    }
    if (recent.size + recentGhosts.size >= capacity) {
      if (recent.size < capacity) {
        recentGhosts.delete(oldest(recentGhosts));
        this.replace(false);
      } else this.drop(recent);
    } else if (this.size + recentGhosts.size + frequentGhosts.size >= capacity) {
      if (this.size + recentGhosts.size + frequentGhosts.size >= 2 * capacity)
        frequentGhosts.delete(oldest(frequentGhosts));
      this.replace(false);
    }
    recent.add(key);
    return false;
  }

  private replace(frequentGhost: boolean): void {
    if (this.size < this.capacity) return;
    const { recent, frequent } = this;
    const fromRecent = recent.size > 0 && (recent.size > this.border || (frequentGhost && recent.size >= this.border));
    if (fromRecent || frequent.size === 0) this.recentGhosts.add(this.drop(recent));
    else this.frequentGhosts.add(this.drop(frequent));
  }

  private drop(from: Set<number>): number {
    const gone = oldest(from);
    from.delete(gone);
    this.evict(gone);
    return gone;
  }
}

/** Most uses that are counted of a block in S3-FIFO. */
const MAX_COUNT = 3;

/**
 * S3-FIFO (Yang and others, SOSP 2023): a small queue for what is new, a main queue for what was used again, ghosts of what left the small one.
 */
class S3Fifo implements CachePolicy {
  /** Blocks in the order in which they came, and how often each was used since. */
  private readonly small = new Map<number, number>();
  private readonly main = new Map<number, number>();
  private readonly ghosts = new Set<number>();
  private readonly capacity: number;
  private readonly smallLimit: number;
  private readonly evict: (key: number) => void;

  constructor(capacity: number, evict: (key: number) => void) {
    this.capacity = capacity;
    this.smallLimit = Math.max(1, Math.floor(capacity / 10));
    this.evict = evict;
  }

  get size(): number {
    return this.small.size + this.main.size;
  }

  has(key: number): boolean {
    return this.small.has(key) || this.main.has(key);
  }

  use(key: number): boolean {
    for (const queue of [this.small, this.main]) {
      const count = queue.get(key);
      if (count === undefined) continue;
      if (count < MAX_COUNT) queue.set(key, count + 1);
      return true;
    }
    while (this.size >= this.capacity) this.makeRoom();
    if (this.ghosts.delete(key)) this.main.set(key, 0);
    else this.small.set(key, 0);
    return false;
  }

  private makeRoom(): void {
    if (this.small.size > 0 && (this.small.size >= this.smallLimit || this.main.size === 0)) this.fromSmall();
    else this.fromMain();
  }

  private fromSmall(): void {
    const key = oldest(this.small);
    const count = this.small.get(key)!;
    this.small.delete(key);
    if (count > 1) {
      this.main.set(key, 0);
      return;
    }
    this.ghosts.add(key);
    if (this.ghosts.size > this.capacity) this.ghosts.delete(oldest(this.ghosts));
    this.evict(key);
  }

  private fromMain(): void {
    for (;;) {
      const key = oldest(this.main);
      const count = this.main.get(key)!;
      this.main.delete(key);
      if (count === 0) return this.evict(key);
      this.main.set(key, count - 1);
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
