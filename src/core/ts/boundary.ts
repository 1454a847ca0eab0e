import { isLong } from '../../isa/decode.ts';
import { EXIT, type Exit } from '../../isa/layout.ts';
import type { DebugPoints } from './debug.ts';
import { FAR_START } from './decoded.ts';
import type { Pages } from './pages.ts';
import {
  BASE,
  CAUSE,
  DELTA,
  EVENT,
  EXECUTE_BANK,
  io,
  LEFT,
  PAGE_HI,
  PC_HI,
  PC_LO,
  pcFromSlot,
  SLOT,
  START,
  TVAL_HI,
  TVAL_LO,
  trap,
} from './registers.ts';
import { H, M, type State } from './state.ts';
import { entryOf } from './tlb.ts';
import type { Translation } from './translation.ts';
import type { Traps } from './traps.ts';

/** What {@link Boundary} returns when the run loop goes on. */
export const GO_ON = -1;
const ILLEGAL_INSTRUCTION = 2;

/** What happens between instructions: stops, interrupts, traps, debug points, entering pages (docs/core-semantics.md, "Ticks and stops"). */
export class Boundary {
  private readonly state: State;
  private readonly pages: Pages;
  private readonly translation: Translation;
  private readonly traps: Traps;
  private readonly debug: DebugPoints;

  constructor(state: State, pages: Pages, translation: Translation, traps: Traps, debug: DebugPoints) {
    this.state = state;
    this.pages = pages;
    this.translation = translation;
    this.traps = traps;
    this.debug = debug;
  }

  /** Enters `run`. @returns an exit or GO_ON */
  begin(hart: number, ticks: number): Exit | typeof GO_ON {
    const { state } = this;
    const { m32 } = state;
    state.select(hart);
    const { h } = state;
    state.setNumber(M.timeEnd, state.number(M.timeEnd) + ticks);
    state.setNumber(h + H.ticksEnd, state.number(h + H.ticksEnd) + ticks);
    state.loadRegisters();
    io[LEFT] = ticks;
    state.withheld = 0;
    this.debug.skipping = false;
    if (m32[h + H.hsm] !== 0) return this.leave(EXIT.WAIT);
    if (m32[h + H.waiting] !== 0) {
      if (!this.traps.wakes) return this.leave(EXIT.WAIT);
      m32[h + H.waiting] = 0;
    }
    if (m32[M.debugSkip] !== 0) {
      m32[M.debugSkip] = 0;
      this.debug.skipping = this.debug.count !== 0;
    }
    return this.proceed(true, true);
  }

  /** Leaves `run`: PC, LEFT and the registers go back to the shared memory. */
  private leave(exit: Exit): Exit {
    const { state } = this;
    const at = state.h + H.ticksEnd;
    const { left } = state;
    state.storeRegisters();
    state.setNumber(M.timeEnd, state.number(M.timeEnd) - left);
    state.setNumber(at, state.number(at) - left);
    state.m32[M.left] = 0;
    io[LEFT] = 0;
    state.withheld = 0;
    this.debug.skipping = false;
    return exit;
  }

  /**
   * An instruction reported an event to the run loop; SLOT, LEFT and the page registers are set.
   * @param length of the instruction @returns an exit, or GO_ON with everything set for the next instruction
   */
  handleEvent(event: number, length: number): Exit | typeof GO_ON {
    if (event === EVENT.CROSSED) {
      // nothing was executed yet
      io[LEFT]++;
      return GO_ON;
    }
    if (event === EVENT.GO) return this.proceed(false, false);
    if (event === EVENT.RETURNED) return this.proceed(true, true);
    pcFromSlot();
    const { m32 } = this.state;
    if (event < 0) {
      if (event === EVENT.WATCH) {
        io[LEFT]++;
        return this.leave(EXIT.DEBUG);
      }
      if (event === EVENT.ILLEGAL) this.traps.exception(ILLEGAL_INSTRUCTION, this.pages.decoded.bits(io[SLOT]), 0);
      else this.traps.exception(io[CAUSE], io[TVAL_LO], io[TVAL_HI]);
    } else if (event !== EVENT.STOP) {
      const lo = io[PC_LO];
      io[PC_LO] = lo + length;
      if (io[PC_LO] >>> 0 < lo >>> 0) io[PC_HI]++;
      if (event === EVENT.REPLAN) return this.leave(EXIT.REPLAN);
      if (event === EVENT.WAIT) return this.leave(EXIT.WAIT);
      if (event === EVENT.SBI) return this.leave(EXIT.SBI);
    }
    if (this.state.reachedDevice) {
      this.state.reachedDevice = false;
      if (m32[M.attention] !== 0) {
        m32[M.attention] = 0;
        return this.leave(EXIT.REPLAN);
      }
    }
    const look = event !== EVENT.REFETCH && event !== EVENT.STOP;
    return this.proceed(look, look);
  }

  /** Goes on at PC. @param look for interrupts @param banks the TLB banks may have to change */
  private proceed(look: boolean, banks: boolean): Exit | typeof GO_ON {
    const { state, debug } = this;
    let lookNow = look;
    let banksNow = banks || this.pages.refetch;
    for (;;) {
      if (io[LEFT] === 0) {
        if (state.withheld === 0) return this.leave(EXIT.BUDGET);
        io[LEFT] = state.withheld;
        state.withheld = 0;
        debug.skipping = false;
      }
      if (lookNow && this.traps.interrupt()) banksNow = true;
      if (banksNow) this.translation.selectBanks();
      if (debug.count !== 0 && debug.stopsAt(io[PC_LO], io[PC_HI])) return this.leave(EXIT.DEBUG);
      if (this.enterPage(io[PC_LO], io[PC_HI])) return GO_ON;
      // the attempt to fetch used a tick
      io[LEFT]--;
      debug.skipping = false;
      this.traps.exception(io[CAUSE], io[TVAL_LO], io[TVAL_HI]);
      lookNow = true;
      banksNow = true;
    }
  }

  /** Sets the page registers for an address. @returns false: the fetch traps */
  private enterPage(lo: number, hi: number): boolean {
    const { tlb } = this.pages;
    this.pages.refetch = false;
    const at = io[EXECUTE_BANK] + entryOf(lo);
    if (!this.debug.skipping && tlb.entries[at] === (lo & -4096) && tlb.entries[at + 1] === hi) {
      this.setPage(lo, hi, tlb.entries[at + 2]);
      return true;
    }
    const address = this.translation.forFetch(lo, hi);
    if (address < 0) return false;
    const uniform = this.translation.isUniform(address);
    if (!uniform && !this.secondHalf(lo, hi, address)) return false;
    const observed = !uniform || this.debug.skipping || this.debug.stopsOnPage(lo, hi);
    const start = this.translation.decodedPage(lo, hi, address, !observed);
    if (this.pages.refetch) {
      // making room dropped the banks in use
      this.translation.selectBanks();
      this.pages.refetch = false;
    }
    this.setPage(lo, hi, start);
    if (observed) {
      this.state.withheld += io[LEFT] - 1;
      io[LEFT] = 1;
    }
    return true;
  }

  /** On a page that is protected in parts: whether the rest of a 4-byte instruction may be fetched too. */
  private secondHalf(lo: number, hi: number, address: number): boolean {
    const half = this.state.m16[this.state.ramPlace(address) / 2];
    if (!isLong(half) || (lo & 4095) === 4094) return true;
    return this.translation.forFetch((lo + 2) | 0, hi) >= 0;
  }

  private setPage(lo: number, hi: number, start: number): void {
    const slot = start + (lo & 4095);
    io[SLOT] = slot;
    io[START] = start;
    io[DELTA] = lo - slot;
    io[BASE] = lo & -4096;
    io[PAGE_HI] = hi;
  }

  /**
   * The instruction at SLOT, on the last two bytes of its page, continues on the next page: puts it in the scratch slots and moves there.
   * @returns an event
   */
  cross(firstHalf: number): number {
    pcFromSlot();
    const lo = io[PC_LO];
    const nextLo = (lo + 2) | 0;
    const nextHi = (io[PC_HI] + (nextLo === 0 ? 1 : 0)) | 0;
    const address = this.translation.forFetch(nextLo, nextHi);
    if (address < 0) return trap(io[CAUSE], nextLo, nextHi);
    this.pages.decoded.fillScratch(firstHalf | (this.state.m16[this.state.ramPlace(address) / 2] << 16));
    if (this.pages.refetch) {
      this.translation.selectBanks();
      this.pages.refetch = false;
    }
    io[SLOT] = this.pages.decoded.scratch;
    io[START] = FAR_START;
    io[DELTA] = lo - io[SLOT];
    return EVENT.CROSSED;
  }
}
