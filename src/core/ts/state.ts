import { extensionBit } from '../../isa/decode.ts';
import {
  HART,
  hartAt,
  MACHINE,
  MACHINE_AT,
  PAGE_FLAG,
  PAGE_SHIFT,
  RAM_AT,
  RAM_BASE,
  ramTables,
} from '../../isa/layout.ts';
import type { CoreHost } from '../core.ts';
import { io, LEFT, PC_HI, PC_LO, xh, xl } from './registers.ts';

const words = <T extends Record<string, number>>(fields: T, base: number): { readonly [K in keyof T]: number } =>
  Object.fromEntries(Object.entries(fields).map(([name, at]) => [name, (base + at) >> 2])) as {
    [K in keyof T]: number;
  };

/** Word offset of each hart field in its block. */
export const H = words(HART, 0);
/** Word index of each machine field. */
export const M = words(MACHINE, MACHINE_AT);

export const TWO32 = 4294967296;
const COMPRESSED = extensionBit('c');
const UNKNOWN = -1;

/** Views of the shared linear memory, and the hart at work. */
export class State {
  readonly m32: Int32Array;
  readonly m16: Uint16Array;
  readonly m8: Uint8Array;
  /** The hart at work and the word index of its block. */
  hart = 0;
  h = hartAt(0) >> 2;
  ramSize = 0;
  /** Enabled extensions: low word of MACHINE.extensions. */
  extensions = UNKNOWN;
  private flagsAt = 0;

  private readonly host: Pick<CoreHost, 'pageAbsent'>;

  constructor(memory: ArrayBuffer | WebAssembly.Memory, host: Pick<CoreHost, 'pageAbsent'>) {
    this.host = host;
    const buffer = memory instanceof ArrayBuffer ? memory : memory.buffer;
    this.m32 = new Int32Array(buffer);
    this.m16 = new Uint16Array(buffer);
    this.m8 = new Uint8Array(buffer);
  }

  /** Reads the machine's configuration. @returns whether it differs from what was read before */
  configure(): boolean {
    const ramSize = this.number(M.ramSize);
    const extensions = this.m32[M.extensions];
    if (ramSize === this.ramSize && extensions === this.extensions) return false;
    this.ramSize = ramSize;
    this.extensions = extensions;
    this.flagsAt = ramTables(ramSize).flags;
    return true;
  }

  /** Whether instructions may start at any even address (C extension). */
  get hasCompressed(): boolean {
    return (this.extensions & COMPRESSED) !== 0;
  }

  /** A u64 as a number: exact below 2^53, and on the right side of every such bound above. */
  number(word: number): number {
    return (this.m32[word + 1] >>> 0) * TWO32 + (this.m32[word] >>> 0);
  }

  /** Stores an integer below 2^53 (negative ones wrap) as u64. */
  setNumber(word: number, value: number): void {
    const hi = Math.floor(value / TWO32);
    this.m32[word] = value - hi * TWO32;
    this.m32[word + 1] = hi;
  }

  /** Makes a hart the one at work. */
  select(hart: number): void {
    this.hart = hart;
    this.h = hartAt(hart) >> 2;
  }

  /** Copies the integer registers and the pc to where the loop works on them. */
  loadRegisters(): void {
    const { m32, h } = this;
    for (let r = 0; r < 32; r++) {
      xl[r] = m32[h + 2 * r];
      xh[r] = m32[h + 2 * r + 1];
    }
    io[PC_LO] = m32[h + H.pc];
    io[PC_HI] = m32[h + H.pc + 1];
  }

  /** Copies them back. */
  storeRegisters(): void {
    const { m32, h } = this;
    for (let r = 1; r < 32; r++) {
      m32[h + 2 * r] = xl[r];
      m32[h + 2 * r + 1] = xh[r];
    }
    m32[h + H.sink] = 0;
    m32[h + H.sink + 1] = 0;
    this.storePc();
  }

  storePc(): void {
    this.m32[this.h + H.pc] = io[PC_LO];
    this.m32[this.h + H.pc + 1] = io[PC_HI];
  }

  /** RAM offset of `length` bytes at a physical address, or −1 when they are not all in RAM. */
  ramOffset(address: number, length: number): number {
    const offset = address - RAM_BASE;
    return offset >= 0 && offset + length <= this.ramSize ? offset : -1;
  }

  /** Place in linear memory of a physical address that lies in RAM. */
  ramPlace(address: number): number {
    return address - RAM_BASE + RAM_AT;
  }

  /** Has the contents of a page of RAM in place, before anything else is done with it. */
  present(offset: number): void {
    const page = offset >>> PAGE_SHIFT;
    if ((this.m8[this.flagsAt + page] & PAGE_FLAG.ABSENT) !== 0) this.host.pageAbsent(page);
  }

  markDirty(offset: number): void {
    this.m8[this.flagsAt + Math.floor(offset / (1 << PAGE_SHIFT))] |= PAGE_FLAG.DIRTY;
  }

  /** Clears the DIRTY flag of every page. */
  clearDirty(): void {
    const pages = this.ramSize >>> PAGE_SHIFT;
    for (let i = this.flagsAt; i < this.flagsAt + pages; i++) this.m8[i] &= ~PAGE_FLAG.DIRTY;
  }

  /** Reads 1 to 8 bytes of RAM into a pair; any alignment. */
  readRam(offset: number, width: number, into: Int32Array): void {
    const at = RAM_AT + offset;
    const { m8 } = this;
    let lo = 0;
    let hi = 0;
    for (let i = Math.min(width, 4) - 1; i >= 0; i--) lo = (lo << 8) | m8[at + i];
    for (let i = width - 1; i >= 4; i--) hi = (hi << 8) | m8[at + i];
    into[0] = lo;
    into[1] = hi;
  }

  /** The instruction at work reached a device: the host may have asked for attention. */
  reachedDevice = false;

  /** Withheld ticks: part of what is left that the loop does not see, because it must stop earlier (see boundary.ts). */
  withheld = 0;

  /** Ticks left in the slice. */
  get left(): number {
    return io[LEFT] + this.withheld;
  }

  /** Guest time in ticks, the instruction at work included. */
  get now(): number {
    return this.number(M.timeEnd) - this.left;
  }
}
