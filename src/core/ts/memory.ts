import { CACHE_BLOCK_SIZE, DEBUG, RAM_AT } from '../../isa/layout.ts';
import { ACCESS, type CoreHost } from '../core.ts';
import type { DebugPoints } from './debug.ts';
import type { Pages } from './pages.ts';
import { CAUSE, EVENT, HI, io, LO, pcFromSlot, trap } from './registers.ts';
import { M, type State } from './state.ts';
import type { Translation } from './translation.ts';

const PAGE = 4096;
/** Physical addresses from here on are not exact numbers, and nothing lies there. */
const LIMIT = 2 ** 53;
const LOAD_MISALIGNED = 4;
const LOAD_FAULT = 5;
const STORE_MISALIGNED = 6;
const STORE_FAULT = 7;

/** Loads and stores that the TLB probe in the run loop does not serve: misses, page crossings, devices, watched and tracked pages. */
export class Memory {
  private readonly state: State;
  private readonly pages: Pages;
  private readonly translation: Translation;
  private readonly debug: DebugPoints;
  private readonly host: CoreHost;

  constructor(state: State, pages: Pages, translation: Translation, debug: DebugPoints, host: CoreHost) {
    this.state = state;
    this.pages = pages;
    this.translation = translation;
    this.debug = debug;
    this.host = host;
  }

  /** Loads 1, 2, 4 or 8 bytes, zero-extended, into LO and HI. @returns an event */
  load(lo: number, hi: number, width: number): number {
    if (this.debug.watched(lo, hi, width, DEBUG.READ)) return EVENT.WATCH;
    const first = PAGE - (lo & (PAGE - 1));
    if (first < width) return this.loadAcross(lo, hi, first, width);
    const address = this.translation.forData(lo, hi, width, ACCESS.READ);
    if (address < 0) return EVENT.TRAP;
    const offset = this.state.ramOffset(address, width);
    if (offset < 0) return this.loadDevice(address, lo, hi, width);
    this.state.readRam(offset, width, io);
    return this.done();
  }

  /** What a completed access to RAM means for the run loop. */
  done(): number {
    return this.pages.refetch ? EVENT.REFETCH : EVENT.NONE;
  }

  private loadAcross(lo: number, hi: number, first: number, width: number): number {
    const nextLo = (lo + first) | 0;
    const nextHi = (hi + (nextLo === 0 ? 1 : 0)) | 0;
    const low = this.translation.forData(lo, hi, first, ACCESS.READ);
    if (low < 0) return EVENT.TRAP;
    const high = this.translation.forData(nextLo, nextHi, width - first, ACCESS.READ);
    if (high < 0) return EVENT.TRAP;
    const lowAt = this.state.ramOffset(low, first);
    const highAt = this.state.ramOffset(high, width - first);
    if (lowAt < 0 || highAt < 0) return trap(LOAD_MISALIGNED, lo, hi);
    let valueLo = 0;
    let valueHi = 0;
    for (let i = width - 1; i >= 0; i--) {
      valueHi = (valueHi << 8) | (valueLo >>> 24);
      valueLo = (valueLo << 8) | this.state.m8[RAM_AT + (i < first ? lowAt + i : highAt + i - first)];
    }
    io[LO] = valueLo;
    io[HI] = valueHi;
    return this.done();
  }

  private loadDevice(address: number, lo: number, hi: number, width: number): number {
    const { m32 } = this.state;
    if ((lo & (width - 1)) !== 0) return trap(LOAD_MISALIGNED, lo, hi);
    if (address >= LIMIT) return trap(LOAD_FAULT, lo, hi);
    this.announce();
    if (!this.host.mmioRead(address, width)) return trap(LOAD_FAULT, lo, hi);
    const value = m32[M.mmioLow];
    io[LO] = width === 1 ? value & 0xff : width === 2 ? value & 0xffff : value;
    io[HI] = width === 8 ? m32[M.mmioHigh] : 0;
    return EVENT.CHECK;
  }

  /** Makes guest time and the pc visible to the host. */
  private announce(): void {
    this.state.m32[M.left] = this.state.left;
    this.state.reachedDevice = true;
    pcFromSlot();
    this.state.storePc();
  }

  /** Stores the low `width` bytes of a pair. @returns an event */
  store(lo: number, hi: number, width: number, valueLo: number, valueHi: number): number {
    if (this.debug.watched(lo, hi, width, DEBUG.WRITE)) return EVENT.WATCH;
    const first = PAGE - (lo & (PAGE - 1));
    if (first < width) return this.storeAcross(lo, hi, first, width, valueLo, valueHi);
    const address = this.translation.forData(lo, hi, width, ACCESS.WRITE);
    if (address < 0) return EVENT.TRAP;
    const offset = this.state.ramOffset(address, width);
    if (offset < 0) return this.storeDevice(address, lo, hi, width, valueLo, valueHi);
    this.writeRam(offset, width, valueLo, valueHi);
    return this.done();
  }

  private storeAcross(lo: number, hi: number, first: number, width: number, valueLo: number, valueHi: number): number {
    const nextLo = (lo + first) | 0;
    const nextHi = (hi + (nextLo === 0 ? 1 : 0)) | 0;
    const low = this.translation.forData(lo, hi, first, ACCESS.WRITE);
    if (low < 0) return EVENT.TRAP;
    const high = this.translation.forData(nextLo, nextHi, width - first, ACCESS.WRITE);
    if (high < 0) return EVENT.TRAP;
    const lowAt = this.state.ramOffset(low, first);
    const highAt = this.state.ramOffset(high, width - first);
    if (lowAt < 0 || highAt < 0) return trap(STORE_MISALIGNED, lo, hi);
    this.writeBytes(lowAt, first, valueLo, valueHi);
    const shift = 8 * first;
    const restLo = shift >= 32 ? valueHi >>> (shift - 32) : (valueLo >>> shift) | ((valueHi << 1) << (31 - shift));
    this.writeBytes(highAt, width - first, restLo, shift >= 32 ? 0 : valueHi >>> shift);
    return this.done();
  }

  private storeDevice(
    address: number,
    lo: number,
    hi: number,
    width: number,
    valueLo: number,
    valueHi: number,
  ): number {
    const { m32 } = this.state;
    if ((lo & (width - 1)) !== 0) return trap(STORE_MISALIGNED, lo, hi);
    if (address >= LIMIT) return trap(STORE_FAULT, lo, hi);
    this.announce();
    m32[M.mmioLow] = width === 1 ? valueLo & 0xff : width === 2 ? valueLo & 0xffff : valueLo;
    m32[M.mmioHigh] = width === 8 ? valueHi : 0;
    return this.host.mmioWrite(address, width) ? EVENT.CHECK : trap(STORE_FAULT, lo, hi);
  }

  /** Writes 1 to 8 bytes to one RAM page, with all that follows from a store. */
  writeRam(offset: number, width: number, lo: number, hi: number): void {
    const { m32, m16, m8 } = this.state;
    const at = RAM_AT + offset;
    if (at % width !== 0) {
      this.writeBytes(offset, width, lo, hi);
      return;
    }
    if (width === 1) m8[at] = lo;
    else if (width === 2) m16[at / 2] = lo;
    else {
      m32[at / 4] = lo;
      if (width === 8) m32[at / 4 + 1] = hi;
    }
    this.pages.stored(offset, width);
  }

  private writeBytes(offset: number, width: number, lo: number, hi: number): void {
    const { m8 } = this.state;
    const at = RAM_AT + offset;
    for (let i = 0; i < width; i++) m8[at + i] = i < 4 ? lo >>> (8 * i) : hi >>> (8 * i - 32);
    this.pages.stored(offset, width);
  }

  /**
   * RAM offset of an aligned word that an atomic instruction acts on; −1 when it must not: the event is then in {@link refused}.
   * @param access READ for LR, WRITE for SC and AMO @param kinds what watchpoints see
   */
  atomic(
    lo: number,
    hi: number,
    width: number,
    access: typeof ACCESS.READ | typeof ACCESS.WRITE,
    kinds: number,
  ): number {
    const store = access === ACCESS.WRITE;
    if (this.debug.watched(lo, hi, width, kinds)) return this.refuse(EVENT.WATCH);
    if ((lo & (width - 1)) !== 0) return this.refuse(trap(store ? STORE_MISALIGNED : LOAD_MISALIGNED, lo, hi));
    const address = this.translation.forData(lo, hi, width, access);
    if (address < 0) return this.refuse(EVENT.TRAP);
    const offset = this.state.ramOffset(address, width);
    return offset >= 0 ? offset : this.refuse(trap(store ? STORE_FAULT : LOAD_FAULT, lo, hi));
  }

  /** Event of the last {@link atomic} that returned −1. */
  refused: number = EVENT.NONE;

  private refuse(event: number): number {
    this.refused = event;
    return -1;
  }

  /** cbo.zero on the block of an address. @returns an event */
  zeroBlock(lo: number, hi: number): number {
    const block = lo & -CACHE_BLOCK_SIZE;
    if (this.debug.watched(block, hi, CACHE_BLOCK_SIZE, DEBUG.WRITE)) return EVENT.WATCH;
    const address = this.translation.forData(block, hi, CACHE_BLOCK_SIZE, ACCESS.WRITE);
    if (address < 0) return trap(io[CAUSE], lo, hi);
    const offset = this.state.ramOffset(address, CACHE_BLOCK_SIZE);
    if (offset < 0) return trap(STORE_FAULT, lo, hi);
    this.state.m8.fill(0, RAM_AT + offset, RAM_AT + offset + CACHE_BLOCK_SIZE);
    this.pages.stored(offset, CACHE_BLOCK_SIZE);
    return this.done();
  }

  /** cbo.clean, cbo.flush, cbo.inval: only the permission counts. @returns an event */
  touchBlock(lo: number, hi: number): number {
    if (this.translation.forData(lo, hi, 1, ACCESS.READ) >= 0) return this.done();
    return this.translation.forData(lo, hi, 1, ACCESS.WRITE) >= 0 ? this.done() : EVENT.TRAP;
  }
}
