/** Data of the host's that devices wait for (contract 4): guest time stops at their deadlines until it is there. */
export class LateData {
  private readonly waiting = new Map<number, Set<Promise<void>>>();
  private settled = new WeakSet<Promise<void>>();
  private failure: { readonly error: unknown } | undefined;
  private generation = 0;

  /** Device `id` needs the promise to settle before its deadline. */
  wait(id: number, promise: Promise<void>): void {
    if (this.settled.has(promise)) return;
    const { generation } = this;
    let set = this.waiting.get(id);
    if (set === undefined) this.waiting.set(id, (set = new Set()));
    if (set.has(promise)) return;
    set.add(promise);
    const done = (): void => {
      this.settled.add(promise);
      set.delete(promise);
    };
    promise.then(done, (error: unknown) => {
      done();
      if (generation === this.generation) this.failure = { error };
    });
  }

  /** Whether device `id` waits. @throws what a promise was rejected with */
  has(id: number): boolean {
    if (this.failure !== undefined) throw this.failure.error;
    return (this.waiting.get(id)?.size ?? 0) > 0;
  }

  /** Resolves when what is waited for now has settled. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.waiting.values()].flatMap((set) => [...set]));
  }

  /** Forgets all: the machine was restored to another state. */
  clear(): void {
    this.generation++;
    this.waiting.clear();
    this.failure = undefined;
  }
}
