import { JIT_AT, JIT_SIZE } from '../isa/layout.ts';

/**
 * The translator's part of the linear memory (all derived: never saved, never hashed).
 *
 * ```
 * ENTRIES   open-addressed hash of code addresses: where regions can be entered
 * HOTNESS      u16 per hash of a decoded slot: how often control jumped there
 * QUEUE     code addresses that became hot and wait for translation
 * COUNTS    statistics
 * RARE      how often rare cases of an instruction occurred
 * LINKS     how often control went from one region to another
 * JUMPS     jump cache: what a virtual address was last found to enter
 * EXECUTED  which instructions of a page have been executed
 * NEW_CODE  pages that code was executed on for the first time
 * ```
 */

/** Slots of the entry table; a power of two. */
export const ENTRY_SLOTS = 65536;
/**
 * key u32: RAM offset of the code | 1; 0 free, 2 deleted. func u32: index in the core's table. label u32: the function's second argument.
 * offset i32: of the code from the region's base.
 */
export const ENTRY = { key: 0, func: 4, label: 8, offset: 12 } as const;
export const ENTRY_SIZE = 16;
/** Multiplier of the table's hash: slot = (key × this mod 2^32) >>> 16. */
export const ENTRY_HASH = 0x9e3779b1;

/** Counters; a power of two. */
export const HOTNESS_COUNTERS = 65536;
/** Low bits of a counter, which count jumps; above them rounds. */
export const HOTNESS_BITS = 14;
export const HOTNESS_MASK = 2 ** HOTNESS_BITS - 1;
/** The counter of jumps to a decoded slot. */
export const hotnessAt = (slot: number): number => HOTNESS_AT + ((slot >>> 2) & ((HOTNESS_COUNTERS - 1) << 1));
/** Rounds that code of the kernel has to be counted for. */
export const KERNEL_ROUNDS = 2;
/** Bit of a decoded slot's word that says: a region may be entered here. */
export const SLOT_ENTRY = 0x400;

/** Requests that fit. */
export const QUEUE_SLOTS = 64;
/** key u32, hart u32, va u64, then of the region's entry that led here: its va u64, later its key u32 (0: none). prv u32. */
export const REQUEST = { key: 0, hart: 4, va: 8, fromVa: 16, prv: 24, from: 28 } as const;
export const REQUEST_SIZE = 32;

export const ENTRIES_AT = JIT_AT;
export const HOTNESS_AT = ENTRIES_AT + ENTRY_SLOTS * ENTRY_SIZE;
export const QUEUE_AT = HOTNESS_AT + HOTNESS_COUNTERS * 2;
export const QUEUE_COUNT_AT = QUEUE_AT + QUEUE_SLOTS * REQUEST_SIZE;
/** How many jumps to a place make it hot (u32). */
export const THRESHOLD_AT = QUEUE_COUNT_AT + 4;
/** How many ticks a request may wait for others to share its module (u32). */
export const BATCH_DELAY_AT = QUEUE_COUNT_AT + 8;
/** Every so many transitions between two regions are reported: a power of two, less 1 (u32). */
export const LINK_MASK_AT = QUEUE_COUNT_AT + 12;
/** One of how many transitions between regions is looked at (u32). */
export const SAMPLE_STRIDE_AT = QUEUE_COUNT_AT + 16;
/** u64 each: ticks spent in regions, entries into regions, and returns by {@link ../jit/abi.ts} LEAVE code (5; those that go on are not counted). */
export const COUNTS_AT = QUEUE_AT + QUEUE_SLOTS * REQUEST_SIZE + 64;
export const COUNT = { ticks: 0, entered: 8, left: 16 } as const;
/** How the last CSR instruction of translated code went (u32, {@link ../jit/abi.ts} CSR_DONE). */
export const CSR_STATUS_AT = COUNTS_AT + 56;
/** Per-pc count of rare leaves, hashed as HOTNESS: u8 each. */
export const RARE_COUNTERS = 16384;
export const RARE_AT = COUNTS_AT + 64;
/** Transitions between regions, counted in u16 by a hash of both ends. */
export const LINK_BITS = 16;
export const LINKS_AT = RARE_AT + RARE_COUNTERS * 4;
/** A count of transitions that never changes: nothing can come of them. */
export const LINK_NEVER = 0xffff;
/** Index of the counter of transitions from one key to another. */
export const linkIndex = (from: number, key: number): number =>
  Math.imul(Math.imul(from, ENTRY_HASH) ^ key, ENTRY_HASH) >>> (32 - LINK_BITS);
/**
 * The jump cache, direct-mapped by virtual address. An entry holds when pc and the decoded page that the fetch TLB gives for it are its own: then it
 * leads to a region that is entered there. So no change of mappings, privilege or address space can make it wrong; entries are
 * removed when their region is dropped or another takes its place, and when their decoded page gets another owner.
 */
export const JUMP_SLOTS = 4096;
/** pc u64, decoded u32 (0: free), then the entry's key, func, label and offset. */
export const JUMP = { pc: 0, decoded: 8, key: 12, func: 16, label: 20, offset: 24 } as const;
export const JUMP_SIZE = 32;
export const JUMPS_AT = LINKS_AT + 2 * 2 ** LINK_BITS;
export const JUMPS_SIZE = JUMP_SLOTS * JUMP_SIZE;
/** Answer of the core's `executedCode`: a bit per half-word of a page. */
export const EXECUTED_AT = JUMPS_AT + JUMPS_SIZE;
export const EXECUTED_SIZE = 256;
/** RAM pages that got a decoded page since the host looked: how many, then u32 each. More than fit are not noted. */
export const NEW_CODE_SLOTS = 1024;
export const NEW_CODE_COUNT_AT = EXECUTED_AT + EXECUTED_SIZE;
export const NEW_CODE_AT = NEW_CODE_COUNT_AT + 8;
/** Answer of the core's `hashPage` (f64). */
export const PAGE_HASH_AT = NEW_CODE_AT + NEW_CODE_SLOTS * 4;
export const AREA_END = PAGE_HASH_AT + 8;
if (AREA_END > JIT_AT + JIT_SIZE) throw new Error("the translator's area does not fit its place in the layout");
