import type { Exit } from '../isa/layout.ts';

/** For programs without the DOM's declarations, which alone have WebAssembly's: where both are there they are one interface. */
declare global {
  namespace WebAssembly {
    interface Memory {}
    interface Module {}
  }
}

/** What a core calls when an access misses RAM, or what is there of it. Called with MACHINE.left stored, so guest time can be read. */
export interface CoreHost {
  /**
   * Physical read outside RAM: leaves the value in MACHINE.mmioLow/mmioHigh. @param address physical, below 2^53
   * @param width 1, 2, 4 or 8 bytes, naturally aligned @returns false: nothing is there (access fault).
   */
  mmioRead(address: number, width: number): boolean;
  /** Physical write outside RAM: the value is in MACHINE.mmioLow/mmioHigh. */
  mmioWrite(address: number, width: number): boolean;
  /**
   * The instruction at pc has an execute point of one address, MACHINE.asksHost is set, and no other point is met. Called before the instruction, with
   * the hart's registers and MACHINE.left in memory; may read everything, change nothing. Cores may instead end the run (EXIT.DEBUG).
   * @param index among the addresses at POINTS_AT @returns whether the run goes on
   */
  pointMet(index: number): boolean;
  /** A page of RAM flagged PAGE_FLAG.ABSENT is about to be used: fetches its contents and clears the flag. */
  pageAbsent(page: number): void;
}

/** How an address is used. */
export const ACCESS = { READ: 0, WRITE: 1, EXECUTE: 2 } as const;
export type Access = (typeof ACCESS)[keyof typeof ACCESS];

/**
 * An engine that executes harts. All architectural state lives in the shared linear memory ({@link ../isa/layout.ts}); what a core
 * keeps besides (TLB, decoded or translated code) is derived and may be dropped at any time without a trace (contract 5).
 */
export interface Core {
  readonly kind: 'ts' | 'wasm' | 'jit';
  /**
   * Executes one hart for exactly `ticks` attempted instructions, or fewer when it has a reason to come back. Interrupts are taken before an
   * instruction, cost no tick, and are looked at on entry and after whatever can change them. STIP of Sstc is computed from guest time.
   * A hart that is waiting with (pending & mie) = 0 returns EXIT.WAIT at once; one that has wakes.
   * @param ticks 1 … 2^31−1 @returns why it came back; MACHINE.timeEnd and HART.ticksEnd are exact and MACHINE.left is 0.
   */
  run(hart: number, ticks: number): Exit;
  /** The host changed RAM [offset, offset+length): marks the pages dirty, drops code decoded and translations read from there, and reservations on it. */
  ramChanged(offset: number, length: number): void;
  /** The host changed a hart's registers or CSRs: derived per-hart state (banks, mode) is recomputed. */
  hartChanged(hart: number): void;
  /** Drops everything derived: TLBs, decoded and translated code. After a restore or a change of core. */
  dropDerived(): void;
  /** Drops translations (TLBs) only: after a restore that reported every changed page of RAM by {@link ramChanged}. Code stays. */
  dropTranslations(): void;
  /** The debug points in MACHINE changed. @param places MACHINE.places did, too */
  debugPointsChanged(places: boolean): void;
  /**
   * Functions to be called in place of {@link CoreHost.pointMet}, by the place of their point at POINTS_AT: (address of the hart's block) → 1 when that is
   * all there is to do at the point, 0 when they have done nothing. They may use TALLIES_AT and read everything else. Cores need not make use of them.
   */
  setActions?(actions: readonly (CallableFunction | undefined)[]): void;
  /** Forgets which pages are dirty (clears the flag of all) and makes the next store to each page set it again. */
  clearDirty(): void;
  /**
   * Where a virtual address leads for a hart as an access of the given kind would, without any side effect (no A/D update, no fault taken).
   * @returns the physical address, or −1 when the access would fault. Addresses are u64 as BigInt; debugger's path, not a hot one.
   */
  translate(hart: number, address: bigint, access: Access): bigint;
  /** Reads a CSR without side effects as if in M-mode; undefined when the CSR does not exist. */
  readCsr(hart: number, csr: number): bigint | undefined;
  /** Writes a CSR as M-mode would (WARL rules apply). @returns false when it does not exist or is read-only. */
  writeCsr(hart: number, csr: number, value: bigint): boolean;
}
