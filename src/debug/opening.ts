import type { MoveOptions } from '../timeline/driver.ts';

/** What is done before a machine can be looked at: clients may see how far it is, and end it where it is. */
export class Opening {
  private readonly controller = new AbortController();
  private readonly listeners = new Set<(done: number) => void>();
  private over = false;

  /** @param act goes where the machine shall be @returns resolves when that is done or was ended */
  async run(act: (o: MoveOptions) => Promise<unknown>): Promise<void> {
    try {
      await act({
        signal: this.controller.signal,
        onProgress: (done) => {
          for (const listener of this.listeners) listener(done);
        },
      });
    } finally {
      this.over = true;
      this.listeners.clear();
    }
  }

  /** Whether it goes on. */
  get underWay(): boolean {
    return !this.over;
  }

  /** Ends it: the machine stays where it is then. */
  interrupt(): void {
    this.controller.abort();
  }

  /** Has a listener hear of the part that is done, 0 to 1, until it is over. */
  onProgress(listener: (done: number) => void): void {
    if (!this.over) this.listeners.add(listener);
  }
}
