import { hartAt, MAX_HARTS, PAGE_SHIFT, PAGE_SIZE, RAM_AT } from '../../isa/layout.ts';
import { ACCESS, type Access } from '../core.ts';
import type { DebugPoints } from './debug.ts';
import { MACHINE_MODE, Mmu } from './mmu.ts';
import type { Pages } from './pages.ts';
import { PMP, Pmp } from './pmp.ts';
import { EXECUTE_BANK, io, READ_BANK, trap, WRITE_BANK } from './registers.ts';
import { H, type State } from './state.ts';
import { EXECUTE, READ, WRITE } from './tlb.ts';

const MPP_SHIFT = 11;
const MSTATUS_MPRV = 1 << 17;
const MSTATUS_SUM = 1 << 18;
const MSTATUS_MXR = 1 << 19;
const PERMISSION = [PMP.READ, PMP.WRITE, PMP.EXECUTE] as const;

/** The hart's translations: chooses its TLB banks, walks when they miss, and keeps what may be kept. */
export class Translation {
  private readonly state: State;
  private readonly pages: Pages;
  private readonly debug: DebugPoints;
  private readonly mmu: Mmu;
  private readonly pmps: readonly Pmp[];
  private readonly data = { privilege: 0, sum: false, mxr: false };
  private readonly fetches = { privilege: 0, sum: false, mxr: false };

  constructor(state: State, pages: Pages, debug: DebugPoints) {
    this.state = state;
    this.pages = pages;
    this.debug = debug;
    this.mmu = new Mmu(state, pages);
    this.pmps = Array.from({ length: MAX_HARTS }, (_, hart) => new Pmp(state, hartAt(hart) >> 2));
  }

  /** How a hart's accesses are looked at now. */
  private look(h: number, data: { privilege: number; sum: boolean; mxr: boolean }): void {
    const status = this.state.m32[h + H.mstatus];
    const privilege = this.state.m32[h + H.prv];
    data.privilege =
      privilege === MACHINE_MODE && (status & MSTATUS_MPRV) !== 0 ? (status >> MPP_SHIFT) & 3 : privilege;
    data.sum = (status & MSTATUS_SUM) !== 0;
    data.mxr = (status & MSTATUS_MXR) !== 0;
  }

  /** Chooses the banks of the hart at work: needed on entry and after anything that changes satp, privilege or mstatus. */
  selectBanks(): void {
    const { m32, h, hart } = this.state;
    const { data, fetches } = this;
    this.look(h, data);
    fetches.privilege = m32[h + H.prv];
    const paged = m32[h + H.satp + 1] >>> 28 !== 0;
    const fetchPaged = paged && fetches.privilege !== MACHINE_MODE;
    const dataPaged = paged && data.privilege !== MACHINE_MODE;
    const lo = m32[h + H.satp];
    const hi = m32[h + H.satp + 1];
    const { tlb } = this.pages;
    const fetchBank = tlb.bank(hart, fetchPaged ? lo : 0, fetchPaged ? hi : 0, fetches.privilege, -1);
    const mode = data.privilege | (dataPaged ? (data.sum ? 4 : 0) | (data.mxr ? 8 : 0) : 0);
    const dataBank = tlb.bank(hart, dataPaged ? lo : 0, dataPaged ? hi : 0, mode, fetchBank);
    io[READ_BANK] = dataBank + READ;
    io[WRITE_BANK] = dataBank + WRITE;
    io[EXECUTE_BANK] = fetchBank + EXECUTE;
  }

  /**
   * Physical address of a data access that lies in one page, kept in the TLB when plain.
   * @returns −1 when it faults: then CAUSE and TVAL (the given address) are set
   */
  forData(lo: number, hi: number, length: number, access: Access): number {
    const known = this.pages.tlb.find(access === ACCESS.READ ? io[READ_BANK] : io[WRITE_BANK], lo, hi);
    if (known >= 0) return known;
    const pmp = this.pmps[this.state.hart];
    const address = this.mmu.physical(lo, hi, length, access, this.data, pmp, false);
    if (address < 0) {
      trap(this.mmu.cause, lo, hi);
      return -1;
    }
    const offset = this.state.ramOffset(address, length);
    if (offset >= 0) this.keep(lo, hi, Math.floor(offset / PAGE_SIZE), access, address, pmp);
    return address;
  }

  private keep(lo: number, hi: number, page: number, access: Access, address: number, pmp: Pmp): void {
    if (this.debug.watchesPage(lo, hi)) return;
    const allowed = pmp.check(address - (address % PAGE_SIZE), PAGE_SIZE, this.data.privilege);
    if (allowed < 0 || (allowed & PERMISSION[access]) === 0) return;
    const pte = this.noteWalk();
    const addend = (RAM_AT + page * PAGE_SIZE - (lo & -PAGE_SIZE)) | 0;
    const { tlb } = this.pages;
    if (access === ACCESS.READ) tlb.install(io[READ_BANK], lo, hi, addend, pte, false);
    else if (this.pages.isPlain(page)) {
      this.state.markDirty(page * PAGE_SIZE);
      tlb.install(io[WRITE_BANK], lo, hi, addend, pte, false);
      tlb.noteWriter(page, lo);
    } else tlb.install(io[WRITE_BANK], lo, hi, addend, pte, true);
  }

  /** Tracks the entries the last walk read. @returns what to keep as the translation's own entry */
  private noteWalk(): number {
    const { depth, path, level } = this.mmu;
    if (depth === 0) return -1;
    this.pages.prepare();
    for (let i = 0; i < depth - 1; i++) this.pages.noteEntry(path[i], true);
    this.pages.noteEntry(path[depth - 1], level > 0);
    return level > 0 ? -1 : path[depth - 1];
  }

  /**
   * Physical address of 2 bytes to be fetched, outside what the TLB keeps.
   * @returns −1 when they fault: then CAUSE and TVAL are set
   */
  forFetch(lo: number, hi: number): number {
    const address = this.mmu.physical(lo, hi, 2, ACCESS.EXECUTE, this.fetches, this.pmps[this.state.hart], false);
    if (address >= 0 && this.state.ramOffset(address, 2) >= 0) return address;
    trap(address < 0 ? this.mmu.cause : 1, lo, hi);
    return -1;
  }

  /**
   * After {@link forFetch}: the decoded page of that address.
   * @param keep whether the TLB may lead there @returns its first slot
   */
  decodedPage(lo: number, hi: number, address: number, keep: boolean): number {
    const page = this.state.ramOffset(address, 2) >>> PAGE_SHIFT;
    const allowed = this.pmps[this.state.hart].check(
      address - (address % PAGE_SIZE),
      PAGE_SIZE,
      this.fetches.privilege,
    );
    const start = this.pages.decodedPage(page);
    const pte = this.noteWalk();
    if (keep && allowed >= 0) this.pages.tlb.install(io[EXECUTE_BANK], lo, hi, start, pte, false);
    return start;
  }

  /** Whether every byte of a page may be fetched when one may. */
  isUniform(address: number): boolean {
    return this.pmps[this.state.hart].check(address - (address % PAGE_SIZE), PAGE_SIZE, this.fetches.privilege) >= 0;
  }

  /** Where a u64 address leads, changing nothing. @returns −1 when the access would fault */
  peek(hart: number, address: bigint, access: Access): bigint {
    const before = this.state.hart;
    const view = { privilege: 0, sum: false, mxr: false };
    this.state.select(hart);
    this.look(this.state.h, view);
    if (access === ACCESS.EXECUTE) view.privilege = this.state.m32[this.state.h + H.prv];
    const lo = Number(BigInt.asIntN(32, address));
    const hi = Number(BigInt.asIntN(32, address >> 32n));
    const physical = this.mmu.physical(lo, hi, 1, access, view, this.pmps[hart], true);
    this.state.select(before);
    // nothing lies above 2^53
    if (physical < 0 || physical >= 2 ** 53) return -1n;
    return this.mmu.depth === 0 ? BigInt.asUintN(64, address) : BigInt(physical);
  }

  /** PMP registers of a hart changed. */
  protectionChanged(hart: number): void {
    this.pmps[hart].changed();
    this.pages.tlb.dropHart(hart);
  }

  /** PMP registers of any hart may have changed. */
  forgetProtection(): void {
    for (const pmp of this.pmps) pmp.changed();
  }

  /** The rules of walks changed for the hart at work (menvcfg). */
  rulesChanged(): void {
    this.pages.tlb.dropHart(this.state.hart);
  }
}
