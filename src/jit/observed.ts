import { MACHINE, MACHINE_AT, OBSERVED_AT, OBSERVED_BITS, OBSERVED_HASH } from '../isa/layout.ts';

/** The instructions of RAM that the core looks at one by one, as assembly/ram.ts keeps them. */
export class ObservedCode {
  private readonly memory: DataView;
  private readonly table: Uint32Array;

  constructor(memory: WebAssembly.Memory) {
    this.memory = new DataView(memory.buffer);
    this.table = new Uint32Array(memory.buffer, OBSERVED_AT, 2 ** OBSERVED_BITS);
  }

  /** RAM offsets of those in [start, end). */
  within(start: number, end: number): number[] {
    const found: number[] = [];
    if (this.memory.getUint32(MACHINE_AT + MACHINE.observedCount, true) === 0) return found;
    for (let at = start & ~1; at < end; at += 2) if (this.has((at >>> 1) + 1)) found.push(at);
    return found;
  }

  private has(key: number): boolean {
    const { table } = this;
    for (let i = Math.imul(key, OBSERVED_HASH) >>> (32 - OBSERVED_BITS); ; i = (i + 1) & (table.length - 1)) {
      if (table[i] === key) return true;
      if (table[i] === 0) return false;
    }
  }
}
