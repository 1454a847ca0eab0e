import { decode, ALL_EXTENSIONS, isLong } from '../isa/decode.ts';

/** A frame of a call stack. */
export interface Frame {
  readonly pc: bigint;
  /** Stack pointer at this frame's instruction. */
  readonly sp: bigint;
}

/** What unwinding needs. */
export interface Unwinding {
  /** Reads virtual memory; shorter where nothing more is mapped. */
  readonly read: (address: bigint, length: number) => Uint8Array;
  /** First address of the function around an address. */
  readonly functionStart: (address: bigint) => bigint | undefined;
}

const RA = 1;
const SP = 2;
const FP = 8;
/** Longest prologue looked through, in bytes. */
const PROLOGUE = 256;
const MAX_FRAMES = 128;

/** What a prologue has done up to an address. */
interface Prologue {
  /** Bytes the stack pointer was lowered by. */
  readonly size: bigint;
  /** Where ra and s0 are saved, from the lowered stack pointer. */
  readonly ra?: bigint;
  readonly fp?: bigint;
}

function value(bytes: Uint8Array): bigint | undefined {
  return bytes.length < 8 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

/** Follows the instructions from a function's beginning to `pc`: how it moved sp and where it saved ra. */
function prologue(u: Unwinding, start: bigint, pc: bigint): Prologue {
  const length = Number(pc - start < BigInt(PROLOGUE) ? pc - start : BigInt(PROLOGUE));
  const bytes = u.read(start, length);
  let size = 0n;
  let ra: bigint | undefined;
  let fp: bigint | undefined;
  for (let at = 0; at + 2 <= bytes.length;) {
    const half = bytes[at] | (bytes[at + 1] << 8);
    const long = isLong(half);
    if (long && at + 4 > bytes.length) break;
    const d = decode(long ? half | (bytes[at + 2] << 16) | (bytes[at + 3] << 24) : half, ALL_EXTENSIONS);
    if (!d) break;
    const { row } = d;
    if (row.name === 'addi' && d.rd === SP && d.rs1 === SP) {
      if (d.imm > 0) break; // an epilogue of an early return: what follows is reached with the frame still there
      size -= BigInt(d.imm);
      if (ra !== undefined) ra -= BigInt(d.imm);
      if (fp !== undefined) fp -= BigInt(d.imm);
    } else if (row.name === 'sd' && d.rs1 === SP && d.rs2 === RA && ra === undefined) ra = BigInt(d.imm);
    else if (row.name === 'sd' && d.rs1 === SP && d.rs2 === FP && fp === undefined) fp = BigInt(d.imm);
    else if (row.name === 'jal' && d.rd === 0) break;
    at += d.length;
  }
  return { size, ra, fp };
}

/** Whether a return address can be one: an even place behind a call. */
function plausible(u: Unwinding, address: bigint): boolean {
  return address !== 0n && (address & 1n) === 0n && u.read(address - 2n, 2).length === 2;
}

/**
 * The frames from the innermost outwards: by the function's prologue where its beginning is known, else by the frame pointer (RISC-V ABIs
 * Specification, "Frame Pointer Convention").
 */
export function backtrace(u: Unwinding, registers: { pc: bigint; ra: bigint; sp: bigint; fp: bigint }, limit = MAX_FRAMES): Frame[] {
  const frames: Frame[] = [{ pc: registers.pc, sp: registers.sp }];
  let { pc, sp, fp } = registers;
  let ra: bigint | undefined = registers.ra;
  while (frames.length < limit) {
    // A caller's pc lies behind its call: the call may be the function's last instruction.
    const inside = frames.length === 1 ? pc : pc - 1n;
    const start = u.functionStart(inside);
    let next: { pc: bigint; sp: bigint; fp: bigint } | undefined;
    if (start !== undefined) {
      const p = prologue(u, start, pc);
      const saved = p.ra === undefined ? ra : value(u.read(sp + p.ra, 8));
      const outer = p.fp === undefined ? fp : (value(u.read(sp + p.fp, 8)) ?? fp);
      if (saved !== undefined) next = { pc: saved, sp: sp + p.size, fp: outer };
      if (next && p.size === 0n && p.ra === undefined && frames.length > 1) next = undefined;
    }
    if (!next || !plausible(u, next.pc)) {
      const saved = value(u.read(fp - 8n, 8));
      const outer = value(u.read(fp - 16n, 8));
      if (saved === undefined || outer === undefined || fp <= sp || !plausible(u, saved)) break;
      next = { pc: saved, sp: fp, fp: outer };
    }
    if (next.sp < sp || (next.sp === sp && next.pc === pc)) break;
    ({ pc, sp, fp } = next);
    ra = undefined;
    frames.push({ pc, sp });
  }
  return frames;
}
