/** A named stretch of addresses. */
export interface NamedAddress {
  readonly address: bigint;
  /** Bytes; 0 when unknown: it then reaches to the next symbol. */
  readonly size: number;
  readonly name: string;
  /** Code rather than data. */
  readonly code: boolean;
}

/** A symbol and the distance from its beginning. */
export interface Near {
  readonly name: string;
  readonly start: bigint;
  readonly offset: number;
  /** Whether it is known to reach this far. */
  readonly within: boolean;
}

/** Farthest from a symbol of unknown size that an address is still called by it. */
const REACH = 1n << 20n;

/** Symbols in order of address, found from both sides. */
export class SymbolTable {
  private readonly sorted: readonly NamedAddress[];
  private readonly byName = new Map<string, NamedAddress>();

  constructor(symbols: Iterable<NamedAddress>) {
    const all = [...symbols];
    // Equal addresses: the last one is found, so preferred ones go last.
    all.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : rank(a) - rank(b)));
    this.sorted = all;
    for (const s of all) {
      const known = this.byName.get(s.name);
      if (known === undefined || rank(known) < rank(s)) this.byName.set(s.name, s);
    }
  }

  get size(): number {
    return this.sorted.length;
  }

  /** The symbol an address lies in. */
  near(address: bigint): Near | undefined {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    const s = this.sorted[low - 1];
    if (s === undefined) return undefined;
    const offset = address - s.address;
    if (s.size > 0 ? offset >= BigInt(s.size) : offset > REACH) return undefined;
    return { name: s.name, start: s.address, offset: Number(offset), within: s.size > 0 || s.code };
  }

  /** The symbol of a name. */
  find(name: string): NamedAddress | undefined {
    return this.byName.get(name);
  }

  /** Every symbol, by address. */
  [Symbol.iterator](): Iterator<NamedAddress> {
    return this.sorted[Symbol.iterator]();
  }
}

/** Code before data, plain names before those of the compiler. */
const rank = (s: NamedAddress): number => (s.code ? 2 : 0) + (/^[.$_]/.test(s.name) ? 0 : 1);

/** `name+0x10`, or just the name. */
export const nearText = ({ name, offset }: Near): string => (offset === 0 ? name : `${name}+0x${offset.toString(16)}`);
