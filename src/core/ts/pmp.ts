import { H, type State, TWO32 } from './state.ts';

/** Permission bits as in pmpcfg. */
export const PMP = { READ: 1, WRITE: 2, EXECUTE: 4 } as const;
const ALL = 7;
const LOCKED = 0x80;
const ENTRIES = 16;
/** A pmpaddr of this many ones covers every address. */
const EVERYTHING = 54;

/** Physical memory protection of one hart (privileged ISA, "Physical Memory Protection"): 16 entries, grain 4 bytes. */
export class Pmp {
  private readonly low = new Float64Array(ENTRIES);
  private readonly high = new Float64Array(ENTRIES);
  private readonly config = new Uint8Array(ENTRIES);
  private used = 0;
  private fresh = false;
  private readonly state: State;
  private readonly h: number;

  /** @param h word index of the hart's block */
  constructor(state: State, h: number) {
    this.state = state;
    this.h = h;
  }

  /** The registers changed. */
  changed(): void {
    this.fresh = false;
  }

  /**
   * What [address, address + length) may be used for.
   * @returns permission bits, or −1 when the first entry that matches covers only a part
   */
  check(address: number, length: number, privilege: number): number {
    if (!this.fresh) this.refresh();
    const end = address + length;
    for (let i = 0; i < this.used; i++) {
      const low = this.low[i];
      const high = this.high[i];
      if (end <= low || address >= high) continue;
      if (address < low || end > high) return -1;
      const config = this.config[i];
      return privilege === 3 && (config & LOCKED) === 0 ? ALL : config & ALL;
    }
    return privilege === 3 ? ALL : 0;
  }

  private refresh(): void {
    const { m8, m32 } = this.state;
    this.fresh = true;
    this.used = 0;
    let previous = 0;
    for (let i = 0; i < ENTRIES; i++) {
      const config = m8[((this.h + H.pmpcfg) << 2) + i];
      const lo = m32[this.h + H.pmpaddr + 2 * i];
      const hi = m32[this.h + H.pmpaddr + 2 * i + 1];
      const address = ((hi >>> 0) * TWO32 + (lo >>> 0)) * 4;
      const mode = (config >> 3) & 3;
      let low = address;
      let high = address;
      if (mode === 1) low = previous;
      else if (mode === 2) high = address + 4;
      else if (mode === 3) {
        const ones = lo === -1 ? 32 + trailingOnes(hi) : trailingOnes(lo);
        const size = ones < EVERYTHING ? 2 ** (ones + 3) : Infinity;
        low = ones < EVERYTHING ? Math.floor(address / size) * size : 0;
        high = low + size;
      }
      previous = address;
      if (mode === 0 || low >= high) continue;
      this.low[this.used] = low;
      this.high[this.used] = high;
      this.config[this.used++] = config;
    }
  }
}

function trailingOnes(word: number): number {
  const zeros = ~word;
  return zeros === 0 ? 32 : 31 - Math.clz32(zeros & -zeros);
}
