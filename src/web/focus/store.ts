/** A value that is replaced as a whole, and those who want to know. */
export class Store<T extends object> {
  private value: T;
  private readonly listeners = new Set<(now: T, before: T) => void>();

  constructor(initial: T) {
    this.value = initial;
  }

  get now(): T {
    return this.value;
  }

  /** Changes some of it; who listens hears of it only where something differs. */
  set(changes: Partial<T>): void {
    const before = this.value;
    const keys = Object.keys(changes) as (keyof T)[];
    if (keys.every((key) => Object.is(before[key], changes[key]))) return;
    this.value = { ...before, ...changes };
    for (const listener of [...this.listeners]) listener(this.value, before);
  }

  /** @returns what ends it */
  listen(listener: (now: T, before: T) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
