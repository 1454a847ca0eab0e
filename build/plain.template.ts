import { div, divu, divuw, divw, mulhu, rem, remu, remuw, remw } from "../integer";
import { countJump } from "../jit";
import {
  HART_DATA_BANK, HART_F, HART_FETCH_BANK, HART_MSTATUS, HART_PC, HART_X, OP_PAGE_END, TLB_EXECUTE, TLB_INDEX_MASK, TLB_WRITE,
  /*OPS*/
} from "./layout";

// The loop that executes most of what is interpreted. It calls nothing, so that the runtime's compiler keeps its variables in registers: what needs
// more than registers, this page and the TLB is left to the loop of ./interpreter.

/** Whether this loop counts jumps. */
// @ts-ignore: decorator
@inline const JIT: bool = /*JIT*/ false;

/** Why the inner loop was left, when not before an instruction that is not its own. */
const enum Act { NONE, JUMP, HOT }
const ACT_JUMP: i32 = Act.JUMP, ACT_HOT: i32 = Act.HOT;

/** Why {@link runPlain} came back: the instruction at HART.pc is not the loop's, or no ticks are left; its page is not in the TLB; a jump made it hot. */
export const enum Plain { OTHER, FETCH, HOT }

// @ts-ignore: decorator
@inline function ended(why: Plain, left: i32): u64 {
  return (<u64>why << 32) | <u64><u32>left;
}

/**
 * Executes plain instructions from pc on, at most `left`, where instructions may begin at any half-word (C). HART.pc is true afterwards.
 * @param pageIp decoded page of pc, which is not observed @returns why it ended (bits 63:32), and the ticks that are left
 */
export function runPlain(h: usize, pc: u64, pageIp: usize, left: i32): u64 {
  const dataBank = load<u32>(h, HART_DATA_BANK);
  const fetchBank = load<u32>(h, HART_FETCH_BANK) + <u32>TLB_EXECUTE;
  while (true) {
    // ---- a page: its addresses do not change in the inner loop
    const vpage = pc & ~0xfff;
    let ip = pageIp + ((<usize>pc & 0xffe) << 2);
    let act: i32 = Act.NONE;
    while (true) {
      left--;
      if (left < 0) break;
      let w = load<u32>(ip);
      switch (w & 0x3ff) {
      case OP_PAGE_END: {
        left++;
        pc = vpage + 0x1000;
        act = ACT_JUMP;
        break;
      }
      /*CASES*/
      default: break;
      }
      break;
    }
    if (act != ACT_JUMP) {
      store<u64>(h, vpage + ((ip - pageIp) >> 2), HART_PC);
      // the instruction at ip was counted, but not executed
      return act == ACT_HOT ? ended(Plain.HOT, left) : ended(Plain.OTHER, left + 1);
    }
    const e = fetchBank + (<u32>(pc >> 8) & TLB_INDEX_MASK);
    store<u64>(h, pc, HART_PC);
    if (load<u64>(e) != (pc & ~0xfff)) return ended(Plain.FETCH, left);
    pageIp = load<u32>(e, 8);
    if (JIT && countJump(pageIp + ((<usize>pc & 0xffe) << 2))) return ended(Plain.HOT, left);
  }
}
