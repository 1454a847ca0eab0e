import { amoAddress, cacheAllowed, cacheBlock, loadReserved, storeConditional, zeroBlock } from "../atomic";
import { hartAt, selectBanks } from "../banks";
import { clearReplan, csrOperation, csrQuiet, csrReplan } from "../csr";
import { DEBUG_MET, clearTrap, setTrap, trapCause, trapValue, trapped } from "../fault";
import { bitsOf, decodeCrossing, decodeObserved, decodeSlot, fetchPage, observedPage } from "../fetch";
import { box32, clmul, clmulh, clmulr, div, divu, divuw, divw, mulh, mulhsu, mulhu, orcb, rem, remu, remuw, remw, rev8, unbox32 } from "../integer";
import {
  EXIT_BUDGET, EXIT_DEBUG, EXIT_REPLAN, EXIT_SBI, EXIT_WAIT, EXT_C, HART_DATA_BANK, HART_F, HART_FETCH_BANK, HART_FFLAGS, HART_FRM,
  HART_HSM, HART_MIE, HART_MSTATUS, HART_PC, HART_PRV, HART_SINK, HART_TICKS_END, HART_WAITING, HART_X, MACHINE_ATTENTION,
  MACHINE_DEBUG_SKIP, MACHINE_LEFT, MACHINE_TIME_END, OP_CROSSING, OP_DECODE, OP_ILLEGAL, OP_OBSERVED, OP_PAGE_END, RAM_AT, TLB_EXECUTE, TLB_INDEX_MASK, TLB_WRITE,
  /*OPS*/
} from "./layout";
import { NO_REGION, countJump, runRegions } from "../jit";
import { LEAVE_BUDGET, LEAVE_CONTINUE } from "./jit-layout";
import { Met, executeMet, loadSlow, storeSlow } from "../memory";
import { Plain, runPlain } from "./PLAIN";
import { clearRefetch, refetch, writeRam } from "../ram";
import { extension } from "../slot";
import {
  f32_add, f32_add_nx, f32_class, f32_div, f32_div_nx, f32_eq, f32_fma, f32_fma_nx, f32_le, f32_lt, f32_max, f32_min, f32_mul, f32_mul_nx,
  f32_sqrt, f32_sqrt_nx, f32_sub, f32_sub_nx, f32_to_f64, f32_to_i32, f32_to_i64, f32_to_u32, f32_to_u64, f64_add, f64_add_nx, f64_class,
  f64_div, f64_div_nx, f64_eq, f64_fma, f64_fma_nx, f64_le, f64_lt, f64_max, f64_min, f64_mul, f64_mul_nx, f64_sqrt, f64_sqrt_nx, f64_sub,
  f64_sub_nx, f64_to_f32, f64_to_i32, f64_to_i64, f64_to_u32, f64_to_u64, fflags, i32_to_f32, i32_to_f64, i64_to_f32, i64_to_f64, setFlags,
  u32_to_f32, u32_to_f64, u64_to_f32, u64_to_f64,
} from "../softfloat";
import { ecall, fenceAllowed, mret, pendingBits, sret, takeException, takeInterrupt, waitAllowed } from "../trap";

/** Why the inner loop was left, when not by a trap. */
const enum Act { NONE, JUMP, LEAVE, RETURN, WAIT, SBI, HOT, REFETCH }
const ACT_JUMP: i32 = Act.JUMP, ACT_LEAVE: i32 = Act.LEAVE, ACT_RETURN: i32 = Act.RETURN, ACT_WAIT: i32 = Act.WAIT, ACT_SBI: i32 = Act.SBI, ACT_HOT: i32 = Act.HOT, ACT_REFETCH: i32 = Act.REFETCH;
/** Whether this loop counts jumps and calls translated code. */
// @ts-ignore: decorator
@inline const JIT: bool = /*JIT*/ false;

/** Instructions that this loop executes before the plain one goes on; where floating point begins, which is seldom alone, more. */
const CHUNK: i32 = 8, FLOAT_CHUNK: i32 = 128;

/** An illegal instruction: its bits are filled in where the trap is taken. */
function illegal(): void {
  setTrap(2, ~0);
}
function misalignedJump(target: u64): void {
  setTrap(0, target);
}

/** Ends a run: `left` ticks were not used. */
function finish(h: usize, left: i32, reason: i32): i32 {
  store<u64>(MACHINE_TIME_END, load<u64>(MACHINE_TIME_END) - <u64>left);
  store<u64>(h, load<u64>(h, HART_TICKS_END) - <u64>left, HART_TICKS_END);
  store<u32>(MACHINE_LEFT, 0);
  store<u64>(h, 0, HART_SINK);
  return reason;
}

/**
 * Executes hart number `hart` for `ticks` attempted instructions or until it has a reason to come back (src/core/core.ts, `Core.run`).
 *
 * Plain instructions are executed by the loop in ./plain, and what it leaves by this one, which can do all. Here
 * the outer loop is at instruction boundaries with everything in memory; the inner one keeps where it is in locals:
 * `ip` the slot, `pageIp` the slot of the page's first half-word, `vpage` its virtual address, `limit` how far slots reach from pageIp (0 while
 * executing the hart's own slots of an instruction that crosses pages), `left` ticks of this chunk, `rest` ticks after it.
 */
export function run(hart: u32, ticks: i32): i32 {
  const h = hartAt(hart);
  store<u64>(MACHINE_TIME_END, load<u64>(MACHINE_TIME_END) + <u64>ticks);
  store<u64>(h, load<u64>(h, HART_TICKS_END) + <u64>ticks, HART_TICKS_END);
  const alignment: u32 = extension(EXT_C) ? 0 : 2;
  let left: i32 = ticks;
  let rest: i32 = 0;
  let skip = load<u32>(MACHINE_DEBUG_SKIP) != 0;
  let check = true;
  // translated code: pc was reached by a hot jump; the next instruction is the interpreter's; too few ticks are left
  let hot = false, held = false, short = false;
  if (load<u32>(h, HART_HSM) != 0) return finish(h, ticks, EXIT_WAIT);
  while (true) {
    // ---- an instruction boundary: HART.pc is true
    left += rest;
    rest = 0;
    clearRefetch();
    store<i32>(MACHINE_LEFT, left);
    if (left == 0) return finish(h, 0, EXIT_BUDGET);
    if (check) {
      check = false;
      if (load<u32>(h, HART_WAITING)) {
        if ((pendingBits(h) & load<u64>(h, HART_MIE)) == 0) return finish(h, left, EXIT_WAIT);
        store<u32>(h, 0, HART_WAITING);
      }
      takeInterrupt(h);
    }
    let pc = load<u64>(h, HART_PC);
    const dataBank = load<u32>(h, HART_DATA_BANK);
    const fetchBank = load<u32>(h, HART_FETCH_BANK) + <u32>TLB_EXECUTE;
    let pageIp: usize;
    let observed = false;
    const e = fetchBank + (<u32>(pc >> 8) & TLB_INDEX_MASK);
    if (load<u64>(e) == (pc & ~0xfff)) pageIp = load<u32>(e, 8);
    else {
      const met = executeMet(h, pc);
      if (met == Met.STOP) return finish(h, left, EXIT_DEBUG);
      if (met == Met.PASSED) {
        skip = true;
        store<u32>(MACHINE_DEBUG_SKIP, 1);
      }
      pageIp = fetchPage(h, pc);
      if (trapped()) {
        left--;
        store<i32>(MACHINE_LEFT, left);
        takeException(h);
        check = true;
        continue;
      }
      observed = observedPage;
    }
    if (JIT && !observed && !skip && !short) {
      if (held) held = false;
      else {
        const leave = runRegions(h, pc, pageIp, hot);
        hot = false;
        if (leave != NO_REGION) {
          left = load<i32>(MACHINE_LEFT);
          held = leave != LEAVE_CONTINUE;
          short = leave == LEAVE_BUDGET;
          continue;
        }
      }
    }
    if (observed || skip) {
      // one instruction at a time, each boundary looked at
      if (load<u32>(MACHINE_DEBUG_SKIP) == 0) {
        const met = executeMet(h, pc);
        if (met == Met.STOP) return finish(h, left, EXIT_DEBUG);
        if (met == Met.PASSED) {
          skip = true;
          store<u32>(MACHINE_DEBUG_SKIP, 1);
        }
      }
      rest = left - 1;
      left = 1;
    } else if (alignment == 0) {
      const result = runPlain(h, pc, pageIp, left);
      left = <i32>result;
      const why = <u32>(result >> 32);
      if (left == 0 || why != Plain.OTHER) {
        hot = JIT && why == Plain.HOT;
        continue;
      }
      pc = load<u64>(h, HART_PC);
      pageIp = load<u32>(fetchBank + (<u32>(pc >> 8) & TLB_INDEX_MASK), 8);
      // still in the TLB: the plain loop came from there
      const op = load<u32>(pageIp + ((<usize>pc & 0xffe) << 2)) & 0x3ff;
      const chunk = op - OP_FLW <= OP_FCVT_D_S - OP_FLW ? FLOAT_CHUNK : CHUNK;
      if (left > chunk) {
        rest = left - chunk;
        left = chunk;
      }
    }
    let vpage = pc & ~0xfff;
    let ip = pageIp + ((<usize>pc & 0xffe) << 2);
    let limit: usize = 0x4000;
    let limitBytes: u64 = 0x1000;
    let act: i32 = Act.NONE;
    while (true) {
      if (left == 0) {
        store<u64>(h, vpage + ((ip - pageIp) >> 2), HART_PC);
        held = JIT;
        break;
      }
      left--;
      const w = load<u32>(ip);
      switch (w & 0x3ff) {
      case OP_DECODE: {
        left++;
        decodeSlot(pageIp, ip);
        continue;
      }
      case OP_PAGE_END: {
        left++;
        pc = vpage + ((ip - pageIp) >> 2);
        act = ACT_JUMP;
        break;
      }
      case OP_CROSSING: {
        store<i32>(MACHINE_LEFT, left + rest);
        store<u64>(h, vpage + 0xffe, HART_PC);
        const at = decodeCrossing(h, pageIp, vpage + 0xffe);
        if (trapped()) break;
        left++;
        ip = at;
        pageIp = at - 0x3ff8;
        limit = 0;
        limitBytes = 0;
        continue;
      }
      case OP_OBSERVED: {
        pc = vpage + ((ip - pageIp) >> 2);
        store<u64>(h, pc, HART_PC);
        store<i32>(MACHINE_LEFT, left + rest + 1);
        if (executeMet(h, pc) == Met.STOP) return finish(h, left + rest + 1, EXIT_DEBUG);
        store<i32>(MACHINE_LEFT, left + rest);
        const at = decodeObserved(h, pageIp, pc);
        if (trapped()) break;
        left++;
        ip = at;
        pageIp = at - ((<usize>pc & 0xfff) << 2);
        limit = 0;
        limitBytes = 0;
        continue;
      }
      case OP_ILLEGAL: {
        illegal();
        break;
      }
      /*CASES*/
      default: {
        illegal();
        break;
      }
      }
      // ---- a trap, or a reason to leave
      if (trapped()) {
        store<u64>(h, vpage + ((ip - pageIp) >> 2), HART_PC);
        if (trapCause == DEBUG_MET) {
          clearTrap();
          return finish(h, left + rest + 1, EXIT_DEBUG);
        }
        if (trapCause == 2 && trapValue == ~0) setTrap(2, bitsOf(pageIp, ip));
        store<i32>(MACHINE_LEFT, left + rest);
        takeException(h);
        check = true;
        break;
      }
      if (act == ACT_JUMP) {
        const e = fetchBank + (<u32>(pc >> 8) & TLB_INDEX_MASK);
        if (load<u64>(e) == (pc & ~0xfff)) {
          act = Act.NONE;
          pageIp = load<u32>(e, 8);
          vpage = pc & ~0xfff;
          ip = pageIp + ((<usize>pc & 0xffe) << 2);
          if (JIT && countJump(ip)) {
            hot = true;
            store<u64>(h, pc, HART_PC);
            break;
          }
          limit = 0x4000;
          limitBytes = 0x1000;
          continue;
        }
        store<u64>(h, pc, HART_PC);
        break;
      }
      if (JIT && act == ACT_HOT) {
        hot = true;
        store<u64>(h, pc, HART_PC);
        break;
      }
      if (act != ACT_RETURN) store<u64>(h, vpage + ((ip - pageIp + ((w >>> 10) & 0x18)) >> 2), HART_PC);
      check = check || act != ACT_REFETCH;
      break;
    }
    // ---- between instructions again
    if (skip) {
      skip = false;
      store<u32>(MACHINE_DEBUG_SKIP, 0);
    }
    if (act == ACT_SBI) return finish(h, left + rest, EXIT_SBI);
    if (act == ACT_WAIT) {
      store<i32>(MACHINE_LEFT, left + rest);
      if ((pendingBits(h) & load<u64>(h, HART_MIE)) == 0) {
        store<u32>(h, 1, HART_WAITING);
        return finish(h, left + rest, EXIT_WAIT);
      }
    }
    if (act == ACT_LEAVE && (load<u32>(MACHINE_ATTENTION) != 0 || csrReplan)) {
      store<u32>(MACHINE_ATTENTION, 0);
      clearReplan();
      return finish(h, left + rest, EXIT_REPLAN);
    }
  }
}
