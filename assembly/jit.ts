import { hartAt } from "./banks";
import { csrOperation, csrQuiet } from "./csr";
import { clearTrap, trapped } from "./fault";
import { floatByNumber } from "./generated/jit-float";
import {
  BATCH_DELAY_AT, COUNTS_AT, COUNT_ENTERED, COUNT_LEFT, COUNT_TICKS, CSR_DONE_ILLEGAL, CSR_DONE_LEAVE, CSR_DONE_YES, CSR_STATUS_AT, ENTRIES_AT, ENTRY_FUNC,
  ENTRY_HASH, ENTRY_KEY, ENTRY_LABEL, ENTRY_OFFSET, ENTRY_SIZE, ENTRY_SLOTS, EXECUTED_AT, EXECUTED_SIZE, HOTNESS_AT, HOTNESS_BITS, HOTNESS_COUNTERS, HOTNESS_MASK, JUMPS_AT, JUMPS_SIZE, JUMP_DECODED,
  JUMP_FUNC, JUMP_KEY, JUMP_LABEL, JUMP_OFFSET, JUMP_PC, JUMP_SIZE, JUMP_SLOTS, KERNEL_ROUNDS, LEAVE_CHECK, PAGE_HASH_AT, LEAVE_CONTINUE, LEAVE_INTERPRET, LEAVE_RARE,
  LINKS_AT, LINK_BITS, LINK_MASK_AT, LINK_NEVER, QUEUE_AT, QUEUE_COUNT_AT, QUEUE_SLOTS, RARE_AT, RARE_COUNTERS, REQUEST_FROM, REQUEST_FROM_VA, REQUEST_HART, REQUEST_KEY,
  REQUEST_PRV, REQUEST_SIZE, REQUEST_VA, SAMPLE_STRIDE_AT, SLOT_ENTRY, THRESHOLD_AT,
} from "./generated/jit-layout";
import {
  DEBUG_READ, DEBUG_WRITE, HART_FETCH_BANK, HART_FFLAGS, HART_FRM, HART_INDEX, HART_PC, HART_PRV, MACHINE_DEBUG_COUNT,
  MACHINE_ASKS_HOST, MACHINE_LEFT, MACHINE_POINT_COUNT, MACHINE_TABLE_COUNT, MAX_TABLES, OP_ECALL, OP_SRET, PAGE_FLAG_DECODED, POINTS_AT, PAGE_FLAG_TRANSLATED, RAM_AT, RAM_BASE, TLB_EXECUTE, TLB_INDEX_MASK,
} from "./generated/layout";
import { actionServes, data, debugOnPage, firstPoint, physical } from "./memory";
import { decodedPage, flagsAt, flagsOf, inRam, isSpecial, ownerOf, watchStores } from "./ram";
import { fflags, setFlags } from "./softfloat";
import { ecall, enabledInterrupts, sret, takeException, takeInterrupt, ticksNow } from "./trap";
import { Access, NOWHERE } from "./walk";

// The translator's part of the core: finding and calling translated code, counting where control goes, and what that code may call.

/** The host translates what waits in the queue. */
@external("jit", "translate")
declare function translate(): void;

/** Reports to the host that the slow path at `offset` of RAM, which the hart executes at `low`, `high`, is taken often. */
@external("jit", "slowPathIsHot")
declare function slowPathIsHot(hart: u32, offset: u32, low: u32, high: u32): void;

/** In place of a LEAVE code: nothing was executed. */
export const NO_REGION: i32 = -1;

/** Requests wait until there are so many of them, or for so many ticks: a module costs more than what is in it. */
const BATCH: u32 = QUEUE_SLOTS;
/** Guest time at which waiting requests are translated. */
let flushAt: u64 = 0;
/** Requests to link regions, whose code is translated already, may wait so many times as long. */
const LINK_PATIENCE: u64 = 8;

// ---- counting

// @ts-ignore: decorator
@inline function hotnessAt(slot: usize): usize {
  return HOTNESS_AT + ((slot >>> 2) & ((HOTNESS_COUNTERS - 1) << 1));
}

/** Counts a jump to a decoded slot. @returns whether the place is hot, or a region begins there */
// @ts-ignore: decorator
@inline export function countJump(slot: usize): bool {
  return (load<u32>(slot) & SLOT_ENTRY) != 0 || reachesThreshold(slot);
}

// @ts-ignore: decorator
@inline function reachesThreshold(slot: usize): bool {
  const at = hotnessAt(slot);
  const n = <u32>load<u16>(at);
  if ((n & HOTNESS_MASK) < load<u32>(THRESHOLD_AT)) {
    store<u16>(at, <u16>(n + 1));
    return false;
  }
  return true;
}

/**
 * Begins counting from 0. @returns whether the place is hot: in user mode after one round, else after {@link KERNEL_ROUNDS}, because a kernel spreads
 * its time over many paths, and what it does in a loop is over soon
 */
function hotEnough(h: usize, slot: usize): bool {
  const at = hotnessAt(slot);
  const round = (<u32>load<u16>(at) >>> HOTNESS_BITS) + 1;
  const enough = load<u32>(h, HART_PRV) == 0 || round >= KERNEL_ROUNDS || load<u32>(THRESHOLD_AT) == 0;
  store<u16>(at, enough ? 0 : <u16>(round << HOTNESS_BITS));
  return enough;
}

/**
 * Asks for translation of the code at pc, together with the region whose entry `from` was entered at `fromVa`. @param patience how many times
 * the usual delay it may wait for others
 */
function request(h: usize, key: u32, pc: u64, from: u32, fromVa: u64, patience: u64): void {
  const count = load<u32>(QUEUE_COUNT_AT);
  if (count < QUEUE_SLOTS) {
    const r = QUEUE_AT + count * REQUEST_SIZE;
    store<u32>(r, key, REQUEST_KEY);
    store<u32>(r, load<u32>(h, HART_INDEX), REQUEST_HART);
    store<u64>(r, pc, REQUEST_VA);
    store<u64>(r, fromVa, REQUEST_FROM_VA);
    store<u32>(r, load<u32>(h, HART_PRV), REQUEST_PRV);
    store<u32>(r, from, REQUEST_FROM);
    store<u32>(QUEUE_COUNT_AT, count + 1);
    const due = ticksNow() + load<u32>(BATCH_DELAY_AT) * patience;
    if (count + 1 == BATCH) flushAt = 0;
    else if (count == 0 || due < flushAt) flushAt = due;
  }
}

/** Counts control going from one region to another. @returns whether it should be reported */
// @ts-ignore: decorator
@inline function countTransition(from: u32, key: u32): bool {
  const at = LINKS_AT + ((((from * ENTRY_HASH) ^ key) * ENTRY_HASH) >>> (32 - LINK_BITS)) * 2;
  const n = <u32>load<u16>(at);
  if (n == LINK_NEVER) return false;
  const next = (n + 1) & load<u32>(LINK_MASK_AT);
  store<u16>(at, <u16>next);
  return next == 0;
}

/** Has the host translate what waits. */
function flush(): void {
  translate();
  store<u32>(QUEUE_COUNT_AT, 0);
}

function countSlowPath(h: usize, decoded: usize, pc: u64): void {
  const at = RARE_AT + ((<u32>pc >>> 1) & (RARE_COUNTERS - 1)) * 4;
  const n = load<u32>(at) + 1;
  store<u32>(at, n);
  // the count goes on, so that a place is reported again should its translation be lost
  if ((n & 1023) == 0) {
    const e = load<u32>(h, HART_FETCH_BANK) + <u32>TLB_EXECUTE + (<u32>(pc >> 8) & TLB_INDEX_MASK);
    if (load<u64>(e) == (pc & ~0xfff)) slowPathIsHot(load<u32>(h, HART_INDEX), (ownerOf(load<u32>(e, 8)) << 12) | (<u32>pc & 0xfff), <u32>pc, <u32>(pc >> 32));
  }
}

// ---- calling

/** Address of the table entry of a key, 0 when there is none. */
function find(key: u32): usize {
  let i: u32 = (key * ENTRY_HASH) >>> 16;
  while (true) {
    const at = <usize>(ENTRIES_AT + i * ENTRY_SIZE);
    const k = load<u32>(at, ENTRY_KEY);
    if (k == key) return at;
    if (k == 0) return 0;
    i = (i + 1) & (ENTRY_SLOTS - 1);
  }
}

/**
 * Executes the instruction of a slot when it is one of those between a system call's code and its caller's: ECALL and SRET. Expects
 * MACHINE.left and HART.pc stored. @returns false: it is the interpreter's
 */
function transfer(h: usize, slot: usize): bool {
  const op = load<u32>(slot) & 0x3ff;
  const left = load<i32>(MACHINE_LEFT);
  if (left == 0 || (op != OP_ECALL && op != OP_SRET)) return false;
  store<i32>(MACHINE_LEFT, left - 1);
  if (op == OP_SRET ? sret(h) : !ecall(h)) {
    if (op == OP_ECALL) takeException(h);
    return true;
  }
  store<i32>(MACHINE_LEFT, left);
  return false;
}

/** Decoded page that the hart fetches from at pc, 0 when the TLB does not hold it. */
// @ts-ignore: decorator
@inline function fetched(h: usize, pc: u64): usize {
  const e = load<u32>(h, HART_FETCH_BANK) + <u32>TLB_EXECUTE + (<u32>(pc >> 8) & TLB_INDEX_MASK);
  return load<u64>(e) == (pc & ~0xfff) ? load<u32>(e, 8) : 0;
}

/** Transitions until the next one that is looked at. */
let untilSample: i32 = 1;

/** A transition that is looked at: counts it and has waiting requests translated. @returns whether that was done */
function sample(h: usize, pc: u64, from: u32, fromVa: u64, key: u32): bool {
  // a kernel's regions stay as they are: what making them one saves, the making costs
  if (from != 0 && load<u32>(h, HART_PRV) != 1 && countTransition(from, key)) request(h, key, pc, from, fromVa, LINK_PATIENCE);
  return flushDue();
}

/** Has the host translate when requests have waited long enough, also when time went back to a state that was kept. */
function flushDue(): bool {
  if (load<u32>(QUEUE_COUNT_AT) == 0 || flushAt - ticksNow() - 1 < load<u32>(BATCH_DELAY_AT) * LINK_PATIENCE) return false;
  flush();
  return true;
}

/** Finds the region that begins at pc and puts it in slot `j` of the jump cache; where there is none, counts. @returns whether there is one */
function lookUp(h: usize, pc: u64, decoded: usize, counted: bool, from: u32, fromVa: u64, j: usize): bool {
  const key = (ownerOf(decoded) << 12) | (<u32>pc & 0xfff) | 1;
  let e = find(key);
  if (e == 0) {
    const slot = decoded + ((<usize>pc & 0xffe) << 2);
    const w = load<u32>(slot);
    // the region that began here is gone
    if (w & SLOT_ENTRY) store<u32>(slot, w & ~SLOT_ENTRY);
    if (counted && reachesThreshold(slot) && hotEnough(h, slot)) request(h, key, pc, from, fromVa, 1);
    if (flushDue()) e = find(key);
    if (e == 0) return false;
  }
  store<u64>(j, pc, JUMP_PC);
  store<u32>(j, <u32>decoded, JUMP_DECODED);
  store<u32>(j, key, JUMP_KEY);
  store<u32>(j, load<u32>(e, ENTRY_FUNC), JUMP_FUNC);
  store<u32>(j, load<u32>(e, ENTRY_LABEL), JUMP_LABEL);
  store<u32>(j, load<u32>(e, ENTRY_OFFSET), JUMP_OFFSET);
  return true;
}

/**
 * Runs regions from pc on, one after the other, until there is none. `decoded` is the decoded page of pc; MACHINE.left and HART.pc are stored.
 * @param hot whether pc was reached by a jump that made it hot @returns NO_REGION or a LEAVE code, never CONTINUE when pc has no region
 */
export function runRegions(h: usize, pc: u64, decoded: usize, hot: bool): i32 {
  let entered: u32 = 0;
  let from: u32 = 0;
  let fromVa: u64 = 0;
  let until = untilSample;
  const before = load<i32>(MACHINE_LEFT);
  let leave = NO_REGION;
  while (true) {
    const j: usize = JUMPS_AT + ((<u32>(pc >> 1) ^ <u32>(pc >> 13)) & (JUMP_SLOTS - 1)) * JUMP_SIZE;
    if (load<u64>(j, JUMP_PC) != pc || load<u32>(j, JUMP_DECODED) != <u32>decoded) {
      if (!lookUp(h, pc, decoded, hot || entered != 0, from, fromVa, j)) {
        if (entered != 0) leave = LEAVE_INTERPRET;
        break;
      }
    }
    const key = load<u32>(j, JUMP_KEY);
    if (--until <= 0) {
      until = load<i32>(SAMPLE_STRIDE_AT);
      if (sample(h, pc, from, fromVa, key)) continue;
    }
    entered++;
    from = key;
    fromVa = pc;
    leave = call_indirect<i32>(load<u32>(j, JUMP_FUNC), h, load<u32>(j, JUMP_LABEL), pc - <u64><i64>load<i32>(j, JUMP_OFFSET));
    pc = load<u64>(h, HART_PC);
    if (leave != LEAVE_CONTINUE) {
      const count = COUNTS_AT + (<u32>leave << 3);
      store<u64>(count, load<u64>(count, COUNT_LEFT) + 1, COUNT_LEFT);
      if (leave == LEAVE_INTERPRET) {
        decoded = fetched(h, pc);
        if (decoded == 0 || !transfer(h, decoded + ((<usize>pc & 0xffe) << 2))) break;
      } else if (leave != LEAVE_CHECK) {
        if (leave == LEAVE_RARE) countSlowPath(h, decoded, pc);
        break;
      }
      // on at another privilege, perhaps in an interrupt's handler; without ticks, the next run looks for interrupts
      leave = LEAVE_CONTINUE;
      from = 0;
      if (load<i32>(MACHINE_LEFT) == 0) break;
      takeInterrupt(h);
      pc = load<u64>(h, HART_PC);
    }
    decoded = fetched(h, pc);
    if (decoded == 0) break;
  }
  untilSample = until;
  store<u64>(COUNTS_AT, load<u64>(COUNTS_AT, COUNT_ENTERED) + entered, COUNT_ENTERED);
  store<u64>(COUNTS_AT, load<u64>(COUNTS_AT, COUNT_TICKS) + (before - load<i32>(MACHINE_LEFT)), COUNT_TICKS);
  return leave;
}

// ---- what the host needs

/** The jump cache forgets what leads to a function of the table. */
export function forgetFunction(func: u32): void {
  for (let j: usize = JUMPS_AT; j < JUMPS_AT + JUMPS_SIZE; j += JUMP_SIZE)
    if (load<u32>(j, JUMP_FUNC) == func) store<u32>(j, 0, JUMP_DECODED);
}

/** Marks a RAM page as holding translated code: stores to it are reported. */
export function markTranslated(page: u32): void {
  watchStores(page, PAGE_FLAG_TRANSLATED);
}

/** The page holds no translated code any more. */
export function unmarkTranslated(page: u32): void {
  store<u8>(flagsAt + page, <u8>(flagsOf(page) & ~PAGE_FLAG_TRANSLATED));
}

/** RAM offset of the page that the hart would fetch from at va with privilege `prv`, −1 when there is none. Without side effects. */
export function codePage(hart: u32, low: u32, high: u32, prv: u32): i32 {
  const pa = physical(hartAt(hart), <u64>low | (<u64>high << 32), 2, Access.EXECUTE, prv, false);
  clearTrap();
  if (pa == NOWHERE) return -1;
  const page = pa & ~0xfff;
  return inRam(page, 4096) ? <i32>(page - RAM_BASE) : -1;
}

/** Notes in EXECUTED at which half-words of a RAM page the interpreter has decoded instructions. */
export function executedCode(page: u32): void {
  memory.fill(EXECUTED_AT, 0, EXECUTED_SIZE);
  if ((flagsOf(page) & PAGE_FLAG_DECODED) == 0) return;
  const decoded = decodedPage(page);
  for (let n: u32 = 0; n < EXECUTED_SIZE * 8; n++) {
    if (load<u32>(decoded + (n << 3)) == 0) continue;
    const at = EXECUTED_AT + (n >>> 3);
    store<u8>(at, load<u8>(at) | <u8>(<u32>1 << (n & 7)));
  }
}

/** Hashes a RAM page to 53 bits, in PAGE_HASH as a number. */
export function hashPage(page: u32): void {
  let hash: u64 = 0xcbf29ce484222325;
  const end = RAM_AT + (<usize>page << 12) + 4096;
  for (let at = end - 4096; at < end; at += 8) hash = rotl((hash ^ load<u64>(at)) * 0x9e3779b97f4a7c15, 29);
  store<f64>(PAGE_HASH_AT, <f64>(hash >>> 11));
}

// ---- what translated code calls

/** See src/jit/abi.ts, `loadAddress`. */
export function loadAddress(h: usize, va: u64, width: u32): usize {
  return plainAddress(h, va, width, Access.READ);
}

/** See src/jit/abi.ts, `storeAddress`. */
export function storeAddress(h: usize, va: u64, width: u32): usize {
  const at = plainAddress(h, va, width, Access.WRITE);
  return at != 0 && isSpecial((<u32>at - <u32>RAM_AT) >>> 12) ? 0 : at;
}

function plainAddress(h: usize, va: u64, width: u32, access: Access): usize {
  if (width & 16) {
    // an atomic's
    width &= 15;
    if (va & (width - 1)) return 0;
  }
  if ((<u32>va & 0xfff) + width > 4096) return 0;
  // a walk must not end the watching of tables that the running region relies on
  if (load<u32>(MACHINE_TABLE_COUNT) + 5 > MAX_TABLES) return 0;
  const pa = data(h, va, width, access);
  if (pa == NOWHERE) {
    clearTrap();
    return 0;
  }
  if (!inRam(pa, width)) return 0;
  if (load<u32>(MACHINE_DEBUG_COUNT) != 0 && debugOnPage(va, access == Access.WRITE ? DEBUG_WRITE : DEBUG_READ)) return 0;
  return RAM_AT + <usize>(pa - RAM_BASE);
}

/** See src/jit/abi.ts, `probe`. */
export function probe(h: usize, pc: u64): bool {
  const count = load<u32>(MACHINE_POINT_COUNT);
  if (count == 0 && load<u32>(MACHINE_DEBUG_COUNT) == 0) return true;
  if (load<u32>(MACHINE_ASKS_HOST) == 0) return false;
  const place = firstPoint(pc);
  return place == count || load<u64>(POINTS_AT + (<usize>place << 3)) != pc || actionServes(h, place);
}

/** See src/jit/abi.ts, `float`. */
export function float(h: usize, n: u32, a: u64, b: u64, c: u64, rm: u32): u64 {
  const result = floatByNumber(n, a, b, c, rm == 7 ? load<u32>(h, HART_FRM) : rm);
  if (fflags) {
    store<u32>(h, load<u32>(h, HART_FFLAGS) | fflags, HART_FFLAGS);
    setFlags(0);
  }
  return result;
}

/** See src/jit/abi.ts, `csr`. */
export function csr(h: usize, what: u32, operand: u64): u64 {
  const old = csrOperation(h, what & 0xfff, (what >>> 12) & 3, operand, what >>> 14 != 0);
  let status: u32 = CSR_DONE_YES;
  if (trapped()) {
    clearTrap();
    status = CSR_DONE_ILLEGAL;
  } else if (!csrQuiet && ((what & 0xfff) == SATP || enabledInterrupts(h) != 0)) status = CSR_DONE_LEAVE;
  store<u32>(CSR_STATUS_AT, status);
  return old;
}

const SATP: u32 = 0x180;
