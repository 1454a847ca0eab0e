/** Data of the host's that devices wait for (contract 4): guest time stops at their deadlines until it has come. */
export class LateData {
  /** What each device waits for, and the guest time from which it needs it. */
  private readonly waiting = new Map<number, Map<Promise<void>, number>>();
  private failure: { readonly error: unknown } | undefined;
  private generation = 0;

  /** Device `id` needs the promise to settle before a deadline at guest time `at` or later. */
  wait(id: number, promise: Promise<void>, at: number): void {
    const { generation } = this;
    let waits = this.waiting.get(id);
    if (waits === undefined) this.waiting.set(id, (waits = new Map()));
    waits.set(promise, at);
    const done = (): void => void waits.delete(promise);
    promise.then(done, (error: unknown) => {
      done();
      if (generation === this.generation) this.failure = { error };
    });
  }

  /**
   * Whether a deadline of device `id` that fires at guest time `now` has to wait. All that is needed until then counts, not only what the
   * earliest deadline needs: time may have jumped over several. @throws what a promise was rejected with
   */
  has(id: number, now: number): boolean {
    if (this.failure !== undefined) throw this.failure.error;
    for (const at of this.waiting.get(id)?.values() ?? []) if (at <= now) return true;
    return false;
  }

  /** Resolves when all that is waited for now has come, or failed to. */
  async arrived(): Promise<void> {
    await Promise.allSettled([...this.waiting.values()].flatMap((waits) => [...waits.keys()]));
  }

  /** Forgets all: the machine was restored to another state. */
  clear(): void {
    this.generation++;
    this.waiting.clear();
    this.failure = undefined;
  }
}
