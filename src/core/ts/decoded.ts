import { decode, isLong } from '../../isa/decode.ts';
import { FIRST_ROW, PSEUDO_OPS } from '../../isa/instruction.ts';
import { INSTRUCTIONS } from '../../isa/instructions.ts';
import { DECODE_PAGES, PAGE_SIZE, RAM_AT } from '../../isa/layout.ts';
import type { State } from './state.ts';

/**
 * Words of a decoded page: two for each half-word of code (so a slot's index grows as the address does), two for the end of the page,
 * two that keep pages at multiples of four.
 */
const STRIDE = PAGE_SIZE + 4;
const LENGTH_2 = 1 << 30;
const LENGTH_4 = 1 << 31;
const NONE = -1;
/** An instruction that crosses pages is put in scratch slots; this is the start of their page, far from every slot. */
export const FAR_START = 0x40000000;

/** Whether writes of an x0 destination must be diverted, per op. */
const WRITES_INTEGER = new Uint8Array(FIRST_ROW + INSTRUCTIONS.length);
for (const row of INSTRUCTIONS) if (/\brd\b/.test(row.syntax)) WRITES_INTEGER[row.index] = 1;

/** Writes a slot for one instruction: op, a << 10, b << 18, length << 29; then the immediate (see instruction.ts, Format). */
function encodeSlot(code: Int32Array, at: number, word: number, extensions: number): void {
  const d = decode(word, extensions);
  if (!d) {
    const long = isLong(word);
    code[at] = PSEUDO_OPS.ILLEGAL | (long ? LENGTH_4 : LENGTH_2);
    code[at + 1] = long ? word : word & 0xffff;
    return;
  }
  const { format } = d.row;
  const second = format === 'S' || format === 'B';
  const a = second ? d.rs2 : d.rd === 0 && WRITES_INTEGER[d.row.index] !== 0 ? 32 : d.rd;
  let { imm } = d;
  if (format === 'R' || format === 'AMO') imm = d.rs2;
  else if (format === 'R4') imm = d.rs2 | (d.rs3 << 8);
  if (d.row.rm) imm |= d.rm << 16;
  code[at] = d.row.index | (a << 10) | (d.rs1 << 18) | (d.length === 2 ? LENGTH_2 : LENGTH_4);
  code[at + 1] = imm;
}

/** Decoded instructions, per physical page. */
export class DecodedPages {
  /** Slots; see {@link STRIDE}. */
  readonly code: Int32Array;
  /** Where an instruction that crosses pages runs: two slots' room, then an end of page. */
  readonly scratch: number;
  private readonly count: number;
  /** RAM page of each decoded page. */
  private readonly owner: Int32Array;
  /** Stores seen by each decoded page since it was made. */
  private readonly stores: Int32Array;
  /** Decoded page of each RAM page, plus one. */
  private readonly index: Uint16Array;
  private next = 0;
  private scratchWord = 0;
  private readonly state: State;

  constructor(state: State, pages: number) {
    this.state = state;
    this.count = Math.min(DECODE_PAGES, pages);
    this.code = new Int32Array(this.count * STRIDE + 8);
    this.scratch = this.count * STRIDE;
    this.owner = new Int32Array(this.count).fill(NONE);
    this.stores = new Int32Array(this.count);
    this.index = new Uint16Array(pages);
    for (let i = 0; i < this.count; i++) this.code[i * STRIDE + PAGE_SIZE] = PSEUDO_OPS.PAGE_END;
    this.code[this.scratch + 4] = PSEUDO_OPS.PAGE_END;
  }

  /** First slot of a RAM page's decoded page, or −1. */
  find(page: number): number {
    return (this.index[page] - 1) * (this.index[page] === 0 ? 1 : STRIDE);
  }

  /** The RAM page that would have to go for a new one, or −1 when there is room. */
  get victim(): number {
    return this.owner[this.next];
  }

  /** Makes a decoded page; the victim must have been released. @returns its first slot */
  acquire(page: number): number {
    const chosen = this.next;
    this.next = (chosen + 1) % this.count;
    this.owner[chosen] = page;
    this.stores[chosen] = 0;
    this.index[page] = chosen + 1;
    return chosen * STRIDE;
  }

  /** Forgets a RAM page's decoded page. */
  release(page: number): void {
    const start = this.find(page);
    if (start < 0) return;
    this.index[page] = 0;
    this.owner[start / STRIDE] = NONE;
    this.code.fill(0, start, start + PAGE_SIZE);
  }

  /** Forgets all. */
  releaseAll(): void {
    for (const page of this.owner) if (page !== NONE) this.release(page);
  }

  /**
   * Bytes [offset, offset + length) of a page changed: the slots that read them are decoded again when next met.
   * @returns how often that happened to this page
   */
  changed(page: number, offset: number, length: number): number {
    const start = this.find(page);
    const first = Math.max((offset & ~1) - 2, 0);
    for (let at = first; at < offset + length; at += 2) this.code[start + at] = PSEUDO_OPS.DECODE;
    return ++this.stores[start / STRIDE];
  }

  /** Decodes the slot at an index. */
  fill(slot: number): void {
    const { m16, extensions } = this.state;
    const number = Math.floor(slot / STRIDE);
    const offset = slot - number * STRIDE;
    const at = (RAM_AT + this.owner[number] * PAGE_SIZE + offset) / 2;
    const half = m16[at];
    if (!isLong(half)) encodeSlot(this.code, slot, half, extensions);
    else if (offset === PAGE_SIZE - 2) {
      this.code[slot] = PSEUDO_OPS.CROSSING | LENGTH_4;
      this.code[slot + 1] = half;
    } else encodeSlot(this.code, slot, half | (m16[at + 1] << 16), extensions);
  }

  /** Puts an instruction in the scratch slots. */
  fillScratch(word: number): void {
    if (word === this.scratchWord) return;
    this.scratchWord = word;
    encodeSlot(this.code, this.scratch, word, this.state.extensions);
  }

  /** The bits of the instruction at a slot. */
  bits(slot: number): number {
    if (slot >= this.scratch) return this.scratchWord;
    const number = Math.floor(slot / STRIDE);
    const at = (RAM_AT + this.owner[number] * PAGE_SIZE + slot - number * STRIDE) / 2;
    const half = this.state.m16[at];
    return isLong(half) ? half | (this.state.m16[at + 1] << 16) : half;
  }
}
