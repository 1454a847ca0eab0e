import { extensionBit } from '../../isa/decode.ts';
import { RAM_AT } from '../../isa/layout.ts';
import { ACCESS, type Access } from '../core.ts';
import type { Pages } from './pages.ts';
import { PMP, type Pmp } from './pmp.ts';
import { H, type State, TWO32 } from './state.ts';

/** Privilege modes. */
const USER = 0;
const SUPERVISOR = 1;
export const MACHINE_MODE = 3;

const PTE_V = 1;
const PTE_R = 2;
const PTE_W = 4;
const PTE_X = 8;
const PTE_U = 16;
const PTE_A = 64;
const PTE_D = 128;
/** High half: N, PBMT, reserved bits 60:54, and what a non-leaf must not have of them. */
const PTE_N_HI = 1 << 31;
const PTE_PBMT_HI = 0x60000000;
const PTE_RESERVED_HI = 0x1fc00000;
const PTE_PPN_HI = 0x003fffff;
/** menvcfg's high half. */
const ADUE_HI = 1 << 29;
const PBMTE_HI = 1 << 30;

const PAGE_FAULT = [13, 15, 12] as const;
const ACCESS_FAULT = [5, 7, 1] as const;
const PERMISSION = [PMP.READ, PMP.WRITE, PMP.EXECUTE] as const;
const SVNAPOT = extensionBit('svnapot');

/** How an access is looked at: privilege, and mstatus.SUM and MXR. */
export interface View {
  readonly privilege: number;
  readonly sum: boolean;
  readonly mxr: boolean;
}

/** Walks page tables (privileged ISA, "Virtual Address Translation Process") and applies physical memory protection. */
export class Mmu {
  /** Cause of the fault when {@link physical} returned −1. */
  cause = 0;
  /** RAM offsets of the entries the last walk read, root first; and how many. None when translation was off. */
  readonly path = new Float64Array(5);
  depth = 0;
  /** Level of the last walk's leaf. */
  level = 0;
  private readonly state: State;
  private readonly pages: Pages;

  constructor(state: State, pages: Pages) {
    this.state = state;
    this.pages = pages;
  }

  /**
   * The physical address of `length` bytes (in one page), or −1 and {@link cause}. It is exact below 2^53, and nothing lies above.
   * @param quiet change nothing in memory: as for a debugger
   */
  physical(lo: number, hi: number, length: number, access: Access, view: View, pmp: Pmp, quiet: boolean): number {
    const { m32, h } = this.state;
    const mode = m32[h + H.satp + 1] >>> 28;
    this.depth = 0;
    let address: number;
    if (view.privilege === MACHINE_MODE || mode === 0) address = (hi >>> 0) * TWO32 + (lo >>> 0);
    else address = this.walk(lo, hi, mode - 5, access, view, pmp, quiet);
    if (address < 0) return -1;
    const allowed = pmp.check(address, length, view.privilege);
    if (allowed < 0 || (allowed & PERMISSION[access]) === 0) return this.fail(ACCESS_FAULT[access]);
    const offset = this.state.ramOffset(address, length);
    if (offset >= 0) this.state.present(offset);
    return address;
  }

  private fail(cause: number): number {
    this.cause = cause;
    return -1;
  }

  /** @param levels 3 for Sv39, 4 for Sv48, 5 for Sv57 */
  private walk(lo: number, hi: number, levels: number, access: Access, view: View, pmp: Pmp, quiet: boolean): number {
    const { m32, h } = this.state;
    const pageFault = PAGE_FAULT[access];
    // bits above the translated ones must all equal the highest translated one
    const unused = 52 - 9 * levels;
    if ((hi << unused) >> unused !== hi) return this.fail(pageFault);
    const menvcfg = m32[h + H.menvcfg + 1];
    let table = ((m32[h + H.satp + 1] & 0xfff) * TWO32 + (m32[h + H.satp] >>> 0)) * 4096;
    for (let level = levels - 1; ; level--) {
      const at = table + vpn(lo, hi, level) * 8;
      const offset = this.state.ramOffset(at, 8);
      if (offset < 0) return this.fail(ACCESS_FAULT[access]);
      const allowed = pmp.check(at, 8, SUPERVISOR);
      if (allowed < 0 || (allowed & PMP.READ) === 0) return this.fail(ACCESS_FAULT[access]);
      this.state.present(offset);
      const word = (RAM_AT + offset) / 4;
      const pte = m32[word];
      const pteHi = m32[word + 1];
      this.path[this.depth++] = offset;
      if ((pte & PTE_V) === 0 || (pte & (PTE_R | PTE_W)) === PTE_W || (pteHi & PTE_RESERVED_HI) !== 0)
        return this.fail(pageFault);
      const memoryType = pteHi & PTE_PBMT_HI;
      if (memoryType === PTE_PBMT_HI || (memoryType !== 0 && (menvcfg & PBMTE_HI) === 0)) return this.fail(pageFault);
      const ppn = (pteHi & PTE_PPN_HI) * 4194304 + (pte >>> 10);
      if ((pte & (PTE_R | PTE_X)) === 0) {
        const odd = (pte & (PTE_A | PTE_D | PTE_U)) !== 0 || memoryType !== 0 || (pteHi & PTE_N_HI) !== 0;
        if (odd || level === 0) return this.fail(pageFault);
        table = ppn * 4096;
        continue;
      }
      if (!this.permits(pte, access, view)) return this.fail(pageFault);
      let frame = ppn;
      if ((pteHi & PTE_N_HI) !== 0) {
        if ((this.state.extensions & SVNAPOT) === 0 || level !== 0 || (ppn & 15) !== 8) return this.fail(pageFault);
        frame = ppn - 8 + ((lo >>> 12) & 15);
      }
      const span = 2 ** (9 * level);
      if (frame % span !== 0) return this.fail(pageFault);
      this.level = level;
      const wanted = access === ACCESS.WRITE ? PTE_A | PTE_D : PTE_A;
      if ((pte & wanted) !== wanted) {
        if ((menvcfg & ADUE_HI) === 0) return this.fail(pageFault);
        if ((allowed & PMP.WRITE) === 0) return this.fail(ACCESS_FAULT[access]);
        if (!quiet) {
          m32[word] = pte | wanted;
          this.pages.stored(offset, 8);
        }
      }
      return frame * 4096 + untranslated(lo, hi, level);
    }
  }

  private permits(pte: number, access: Access, view: View): boolean {
    if ((pte & PTE_U) !== 0) {
      if (view.privilege === SUPERVISOR && (access === ACCESS.EXECUTE || !view.sum)) return false;
    } else if (view.privilege === USER) return false;
    if (access === ACCESS.WRITE) return (pte & PTE_W) !== 0;
    if (access === ACCESS.EXECUTE) return (pte & PTE_X) !== 0;
    return (pte & (view.mxr ? PTE_R | PTE_X : PTE_R)) !== 0;
  }
}

/** Index into the table of a level. */
function vpn(lo: number, hi: number, level: number): number {
  switch (level) {
    case 0:
      return (lo >>> 12) & 511;
    case 1:
      return (lo >>> 21) & 511;
    case 2:
      return ((lo >>> 30) | (hi << 2)) & 511;
    case 3:
      return (hi >>> 7) & 511;
    default:
      return (hi >>> 16) & 511;
  }
}

/** The part of an address below a leaf's frame. */
function untranslated(lo: number, hi: number, level: number): number {
  switch (level) {
    case 0:
      return lo & 0xfff;
    case 1:
      return lo & 0x1fffff;
    case 2:
      return lo & 0x3fffffff;
    case 3:
      return (hi & 0x7f) * TWO32 + (lo >>> 0);
    default:
      return (hi & 0xffff) * TWO32 + (lo >>> 0);
  }
}
