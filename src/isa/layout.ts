/**
 * The one layout of the linear memory that cores, translated code and hosts share. Every location is the previous one plus its
 * size; the AssemblyScript constants are generated from here, so no offset is written twice.
 *
 * ```
 * 0          NULL page (never touched)
 * MACHINE    one block: time, mailbox, configuration, debug points
 * HARTS      MAX_HARTS blocks of HART_SIZE
 * TLBS       MAX_HARTS × TLB_BANKS banks (derived: never saved, never hashed)
 * DECODE     DECODE_PAGES decoded pages of DECODE_STRIDE bytes (derived)
 * RAM        guest RAM, then per RAM page: flags (1 B), decoded-page index (2 B), write entry (4 B), page-table-entry bitmap (64 B)
 * ```
 */

/** Field width in bytes, and how many of it. */
type Field = readonly [name: string, width: 1 | 2 | 4 | 8, count?: number];

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Gives each field its offset, naturally aligned. */
function place<const F extends readonly Field[]>(
  fields: F,
  start = 0,
): { offsets: Record<F[number][0], number>; size: number } {
  let at = start;
  const offsets: Record<string, number> = {};
  for (const [name, width, count = 1] of fields) {
    at = align(at, width);
    offsets[name] = at;
    at += width * count;
  }
  return { offsets: offsets as Record<F[number][0], number>, size: align(at, 8) - start };
}

export const MAX_HARTS = 8;
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 1 << PAGE_SHIFT;
/** Bytes that cbo.* instructions work on. */
export const CACHE_BLOCK_SIZE = 64;
/** Physical address of the first byte of guest RAM. */
export const RAM_BASE = 0x8000_0000;

/** Architectural state of a hart, saved and hashed as these bytes. */
export const HART_STATE_FIELDS = [
  ['x', 8, 32],
  /** x[32]: where writes to x0 go. Cores zero it before `run` returns. */
  ['sink', 8],
  ['f', 8, 32],
  ['pc', 8],
  /** Instructions attempted (retired or trapped); the hart's mcycle before its offset. Valid value = ticksEnd − MACHINE.left while running. */
  ['ticksEnd', 8],
  /** Added to ticks to give minstret: −(traps taken synchronously) + what was written to the counter. */
  ['instretOffset', 8],
  /** Added to ticks to give mcycle. */
  ['cycleOffset', 8],
  ['mstatus', 8],
  ['misa', 8],
  ['medeleg', 8],
  ['mideleg', 8],
  ['mie', 8],
  /** Software-writable pending bits (SSIP, STIP, SEIP as written by M). */
  ['mip', 8],
  ['mtvec', 8],
  ['mscratch', 8],
  ['mepc', 8],
  ['mcause', 8],
  ['mtval', 8],
  ['menvcfg', 8],
  ['stvec', 8],
  ['sscratch', 8],
  ['sepc', 8],
  ['scause', 8],
  ['stval', 8],
  ['satp', 8],
  ['senvcfg', 8],
  ['stimecmp', 8],
  ['pmpcfg', 8, 2],
  ['pmpaddr', 8, 16],
  /** Physical address of the LR reservation, or −1. */
  ['reservation', 8],
  /** Pending bits driven by wires: MSIP, MTIP, MEIP, SEIP. */
  ['lines', 4],
  ['mcounteren', 4],
  ['scounteren', 4],
  ['fflags', 4],
  ['frm', 4],
  /** Privilege: 0 U, 1 S, 3 M. */
  ['prv', 4],
  /** 1 while stalled in WFI. */
  ['waiting', 4],
  /** SBI HSM state: 0 started, 1 stopped, 4 suspended. Only started harts run. */
  ['hsm', 4],
  /** Byte width of the LR reservation: 4 or 8. */
  ['reservationWidth', 4],
] as const satisfies readonly Field[];

/** Derived state of a hart, rebuilt from the architectural state. */
export const HART_DERIVED_FIELDS = [
  /** Address of the TLB bank for loads and stores under the present satp, privilege, SUM, MXR, MPRV. */
  ['dataBank', 4],
  /** Address of the TLB bank for fetches. */
  ['fetchBank', 4],
  /** Round-robin victim among the banks. */
  ['nextBank', 4],
  ['index', 4],
  /** What each bank caches: satp (u64) and the mode word (u32 in a u64 slot); mode −1 = empty. */
  ['bankSatp', 8, 16],
  ['bankMode', 8, 16],
  /** Decoded record for an instruction that crosses a page: two slots and a page end. */
  ['crossing', 8, 3],
] as const satisfies readonly Field[];

const state = place(HART_STATE_FIELDS);
const derived = place(HART_DERIVED_FIELDS, state.size);
/** Bytes of {@link HART_STATE_FIELDS}: offset 0 up to here is saved and hashed. */
export const HART_STATE_SIZE = state.size;
/** Offset of every hart field inside its block. */
export const HART = { ...state.offsets, ...derived.offsets };
export const HART_SIZE = align(state.size + derived.size, 1024);

/** Most debug points that are ranges, or are met by loads and stores. */
export const MAX_DEBUG_POINTS = 64;
/** Most execute points of one address. */
export const MAX_POINTS = 16_384;
/** Execute points of at most so many bytes are observed by places, longer ones by pages. */
export const NARROW_POINT = 64;
/** Most places observed; where more would be needed, points are observed by pages. */
export const MAX_PLACES = 256;

export const MACHINE_FIELDS = [
  /** Guest time in ticks, plus what is left of the running slice: now = timeEnd − left. */
  ['timeEnd', 8],
  /** Ticks left in the running slice; the core stores its local count here before every call that may look. */
  ['left', 4],
  ['hartCount', 4],
  /** Bytes of RAM. */
  ['ramSize', 8],
  /** Enabled extensions: bit = index in EXTENSIONS. */
  ['extensions', 8],
  /** Set to 1 by the host (inside an MMIO call) when interrupt wires changed or the machine should leave the slice. */
  ['attention', 4],
  /** 1: ECALL from S-mode leaves the core (host SBI). */
  ['hostSbi', 4],
  /** Highest satp mode accepted: 8, 9 or 10 (Sv39, Sv48, Sv57). */
  ['maxSatpMode', 4],
  /** Number of debug points in use. */
  ['debugCount', 4],
  /** After EXIT_DEBUG: index of the point that was met. */
  ['debugHit', 4],
  /** After EXIT_DEBUG on a watchpoint: the address touched. */
  ['debugAddress', 8],
  /** 1: execute points are passed over for the first instruction (continue from a breakpoint). */
  ['debugSkip', 4],
  /** Mailbox: value of an MMIO access. */
  ['mmioLow', 4],
  ['mmioHigh', 4],
  /** Reason of the last trap, for insight: cause (interrupt bit in bit 31) */
  ['lastTrap', 4],
  /** Statistics: page-table walks, TLB refills, decoded slots. */
  ['walks', 8],
  ['refills', 8],
  ['decodes', 8],
  /** Round-robin victim among decoded pages; number in use. */
  ['nextDecode', 4],
  ['tableCount', 4],
  /** Debug points: kind (DEBUG bits), first address and the address after the last. */
  ['debugKind', 8, MAX_DEBUG_POINTS],
  ['debugStart', 8, MAX_DEBUG_POINTS],
  ['debugEnd', 8, MAX_DEBUG_POINTS],
  /** Places in a page (addresses' low 12 bits) whose instructions are looked at one by one: those of narrow execute points, and more. */
  ['placeCount', 4],
  ['places', 2, MAX_PLACES],
  /** How many exact execute points lie at POINTS_AT. */
  ['pointCount', 4],
  /** How many entries OBSERVED_AT has. */
  ['observedCount', 4],
  /** 1: the host is called where an exact execute point is met ({@link CoreHost.pointMet}) that no function at ACTIONS_AT serves, and says whether the run goes on. */
  ['asksHost', 4],
] as const satisfies readonly Field[];

/** Kinds of debug points (bits): the access that meets them. */
export const DEBUG = { EXECUTE: 1, READ: 2, WRITE: 4 } as const;

const machine = place(MACHINE_FIELDS);
export const MACHINE = machine.offsets;

/** Entries of one TLB array, a power of two and at least those of a page table; a bank holds three arrays: read, write, execute. */
export const TLB_ENTRIES = 1024;
/**
 * tag u64: virtual page address; low 12 bits 0 = plain RAM, otherwise flags that make the inline compare miss.
 * addend u32: linear-memory address = addend + low 32 bits of the virtual address (execute: address of the decoded page).
 * pte u32: RAM offset of the leaf page-table entry, or −1 when none (bare).
 */
export const TLB_ENTRY = { tag: 0, addend: 8, pte: 12 } as const;
export const TLB_ENTRY_SIZE = 16;
/** Offset of an address's entry in its array: (address >>> 8) & this. */
export const TLB_INDEX_MASK = (TLB_ENTRIES - 1) * TLB_ENTRY_SIZE;
export const TLB_ARRAY_SIZE = TLB_ENTRIES * TLB_ENTRY_SIZE;
export const TLB_READ = 0;
export const TLB_WRITE = TLB_ARRAY_SIZE;
export const TLB_EXECUTE = 2 * TLB_ARRAY_SIZE;
export const TLB_BANK_SIZE = 3 * TLB_ARRAY_SIZE;
export const TLB_BANKS = 16;

/** A decoded instruction: op u16 (low 10 bits; bit 14 = 4 bytes long, bit 13 = 2 bytes long), a u8, b u8, imm i32. */
export const SLOT_SIZE = 8;
export const SLOTS_PER_PAGE = PAGE_SIZE / 2;
/** A decoded page: a slot per half-word and one PAGE_END slot. */
export const DECODE_STRIDE = (SLOTS_PER_PAGE + 1) * SLOT_SIZE + 8;
export const DECODE_PAGES = 2048;

/** Flags of a RAM page. */
export const PAGE_FLAG = {
  /** Written since the host last cleared it. */
  DIRTY: 1,
  /** Has a decoded page. */
  DECODED: 2,
  /** Has translated code (JIT). */
  TRANSLATED: 4,
  /** A live translation was read from it as the last level (4 KiB leaf). */
  TABLE_LEAF: 8,
  /** A live translation was read from it as an upper level or a superpage leaf. */
  TABLE_UPPER: 16,
  /** Its contents are to be fetched before anything is done with it: the host does so when it is asked (CoreHost.pageAbsent). */
  ABSENT: 32,
} as const;

export const MACHINE_AT = PAGE_SIZE;
export const HARTS_AT = MACHINE_AT + align(machine.size, PAGE_SIZE);
export const TLBS_AT = HARTS_AT + MAX_HARTS * HART_SIZE;
/** RAM page index (i32) that each decoded page belongs to, or −1. */
export const DECODE_OWNER_AT = align(TLBS_AT + MAX_HARTS * TLB_BANKS * TLB_BANK_SIZE, PAGE_SIZE);
/** RAM page indexes (u32) of the page tables that live translations were read from. */
export const TABLE_LIST_AT = DECODE_OWNER_AT + align(DECODE_PAGES * 4, PAGE_SIZE);
export const MAX_TABLES = 8192;
export const DECODE_AT = TABLE_LIST_AT + MAX_TABLES * 4;
/** Virtual addresses (u64, ascending) of execute points of one address. */
export const POINTS_AT = align(DECODE_AT + DECODE_PAGES * DECODE_STRIDE, PAGE_SIZE);
/** Set of half-words of RAM whose instructions are looked at one by one: hash table of u32, half of the RAM offset plus 1; 0 is free. */
export const OBSERVED_AT = POINTS_AT + MAX_POINTS * 8;
export const OBSERVED_BITS = 16;
/** Multiplier of its hash, of which the upper bits are used. */
export const OBSERVED_HASH = 0x9e37_79b1;
/** Of MACHINE.debugHit: an execute point of one address, by its index at POINTS_AT. */
export const EXACT_POINT = 0x8000_0000;
/** Numbers of functions (u32) that are called in place of the host where the exact points are met, in the order of POINTS_AT; 0: none. */
export const ACTIONS_AT = OBSERVED_AT + 4 * 2 ** OBSERVED_BITS;
/** What such functions count in. */
export const TALLIES_AT = ACTIONS_AT + MAX_POINTS * 4;
export const TALLIES_SIZE = 1 << 20;
/** Scratch for translated code and its tables (JIT): fixed size. */
export const JIT_AT = align(TALLIES_AT + TALLIES_SIZE, 65536);
export const JIT_SIZE = 4 << 20;
/** Guest RAM. */
export const RAM_AT = JIT_AT + JIT_SIZE;

/** Locations that depend on the size of RAM (bytes, multiple of the page size). */
export function ramTables(ramSize: number): {
  flags: number;
  decodeIndex: number;
  writeEntries: number;
  tableBits: number;
  end: number;
} {
  const pages = ramSize / PAGE_SIZE;
  const flags = RAM_AT + ramSize;
  const decodeIndex = align(flags + pages, PAGE_SIZE);
  const writeEntries = align(decodeIndex + pages * 2, PAGE_SIZE);
  const tableBits = align(writeEntries + pages * 4, PAGE_SIZE);
  return { flags, decodeIndex, writeEntries, tableBits, end: align(tableBits + pages * 64, 65536) };
}

/** Largest RAM that fits the 4 GiB linear memory with its tables. */
export const MAX_RAM = (3584 << 20) >>> 0;
/** Smallest RAM accepted. */
export const MIN_RAM = 1 << 20;

/** Why `run` came back. */
export const EXIT = {
  /** All ticks were used. */
  BUDGET: 0,
  /** The hart stalls in WFI. */
  WAIT: 1,
  /** ECALL for the host SBI; pc already points past it. */
  SBI: 2,
  /** A debug point was met; the instruction has not been executed (pc at it). */
  DEBUG: 3,
  /** The host asked for it (attention), or a deadline changed: plan the slice again. */
  REPLAN: 4,
} as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Address of a hart's block. */
export const hartAt = (hart: number): number => HARTS_AT + hart * HART_SIZE;
