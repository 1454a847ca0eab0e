import type { Engine } from '../engine/engine.ts';

/** Input that waits outside the machine until its devices take it. */
export class InputQueues {
  private readonly engine: Engine;
  private items: { readonly port: () => number; bytes: Uint8Array }[] = [];
  private commands: (() => void)[] = [];

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** @param port asked for each time the bytes are offered */
  put(port: () => number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.items.push({ port, bytes: bytes.slice() });
  }

  /** Something to be done at the next boundary, in order with nothing else. */
  command(act: () => void): void {
    this.commands.push(act);
  }

  /** Whether something new waits that was not offered yet, or commands do. */
  get waiting(): boolean {
    return this.fresh || this.commands.length > 0;
  }

  private get fresh(): boolean {
    return this.items.length > this.refused;
  }

  /** How many items were offered and refused since the guest last ran. */
  private refused = 0;

  /** Offers what waits; each port's bytes stay in order. The machine must be between two instructions. */
  deliver(): void {
    for (const act of this.commands.splice(0)) act();
    const full = new Set<number>();
    const kept: typeof this.items = [];
    for (const item of this.items) {
      const port = item.port();
      if (!full.has(port)) {
        const taken = this.engine.input(port, item.bytes);
        item.bytes = item.bytes.subarray(taken);
        if (item.bytes.length > 0) full.add(port);
      }
      if (item.bytes.length > 0) kept.push(item);
    }
    this.items = kept;
    this.refused = kept.length;
    for (let port = 0; port < this.engine.board.slots.length; port++) this.engine.setHungry(port, full.has(port));
  }
}
