import { ALL_EXTENSIONS, decode, isLong } from '../isa/decode.ts';

/** A frame of a call stack. */
export interface StackFrame {
  /** The next instruction: in callers, the one after the call. */
  readonly pc: bigint;
  /** An address within the instruction the frame is at: in callers, the call. It is what names the frame, since a call may be a function's last instruction. */
  readonly at: bigint;
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

/** Where a frame's parts are; addresses of saved registers are counted from the canonical frame address, sp at the function's first instruction. */
interface Layout {
  /** Bytes the stack pointer was lowered by. */
  size: bigint;
  ra?: bigint;
  fp?: bigint;
  /** What s0 plus this is the canonical frame address, where s0 holds a frame pointer: sp may have been lowered further by any amount. */
  fromFp?: bigint;
}

function value(bytes: Uint8Array): bigint | undefined {
  return bytes.length < 8 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

/** The instructions in some bytes of code, as far as they are known ones. */
function* instructions(bytes: Uint8Array): Generator<NonNullable<ReturnType<typeof decode>>> {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const half = bytes[at] | (bytes[at + 1] << 8);
    const long = isLong(half);
    if (long && at + 4 > bytes.length) return;
    const d = decode(long ? half | (bytes[at + 2] << 16) | (bytes[at + 3] << 24) : half, ALL_EXTENSIONS);
    if (!d) return;
    yield d;
    at += d.length;
  }
}

/** Follows the instructions from a function's beginning to `pc`: how it moved sp, where it saved ra and s0. */
function prologue(u: Unwinding, start: bigint, pc: bigint): Layout {
  const length = Number(pc - start < BigInt(PROLOGUE) ? pc - start : BigInt(PROLOGUE));
  const layout: Layout = { size: 0n };
  for (const d of instructions(u.read(start, length))) {
    const { row } = d;
    if (row.name === 'addi' && d.rd === SP && d.rs1 === SP) {
      if (d.imm > 0) break; // an epilogue of an early return: what follows is reached with the frame still there
      layout.size -= BigInt(d.imm);
    } else if (row.name === 'addi' && d.rd === FP && d.rs1 === SP) layout.fromFp ??= layout.size - BigInt(d.imm);
    else if (row.name === 'sd' && d.rs1 === SP && d.rs2 === RA) layout.ra ??= BigInt(d.imm) - layout.size;
    else if (row.name === 'sd' && d.rs1 === SP && d.rs2 === FP) layout.fp ??= BigInt(d.imm) - layout.size;
    else if (row.name === 'jal' && d.rd === 0) break;
  }
  return layout;
}

/** The layout where `pc` is in an epilogue: loads from the stack, sp raised, return. */
function epilogue(u: Unwinding, pc: bigint): Layout | undefined {
  const layout: Layout = { size: 0n };
  for (const d of instructions(u.read(pc, PROLOGUE))) {
    const { row } = d;
    if (row.name === 'ld' && d.rs1 === SP && d.rd === RA) layout.ra = BigInt(d.imm);
    else if (row.name === 'ld' && d.rs1 === SP && d.rd === FP) layout.fp = BigInt(d.imm);
    else if (row.name === 'addi' && d.rd === SP && d.rs1 === SP && d.imm > 0) layout.size += BigInt(d.imm);
    else if (row.name === 'jalr' && d.rd === 0 && d.rs1 === RA) {
      return {
        size: layout.size,
        ra: layout.ra === undefined ? undefined : layout.ra - layout.size,
        fp: layout.fp === undefined ? undefined : layout.fp - layout.size,
      };
    } else if (row.name !== 'ld' || d.rs1 !== SP) return undefined;
  }
  return undefined;
}

/** Whether a return address can be one: an even address after a call. */
function plausible(u: Unwinding, address: bigint): boolean {
  return address !== 0n && (address & 1n) === 0n && u.read(address - 2n, 2).length === 2;
}

/**
 * The frames from the innermost outwards: by the function's prologue where its beginning is known, else by the frame pointer (RISC-V ABIs
 * Specification, "Frame Pointer Convention").
 */
export function backtrace(
  u: Unwinding,
  registers: { pc: bigint; ra: bigint; sp: bigint; fp: bigint },
  limit = MAX_FRAMES,
): StackFrame[] {
  const frames: StackFrame[] = [{ pc: registers.pc, at: registers.pc, sp: registers.sp }];
  let { pc, sp, fp } = registers;
  let ra: bigint | undefined = registers.ra;
  while (frames.length < limit) {
    const start = u.functionStart(frames[frames.length - 1].at);
    let next: { pc: bigint; sp: bigint; fp: bigint } | undefined;
    if (start !== undefined) {
      const p = (frames.length === 1 ? epilogue(u, pc) : undefined) ?? prologue(u, start, pc);
      const frame = p.fromFp === undefined ? sp + p.size : fp + p.fromFp;
      const saved = p.ra === undefined ? ra : value(u.read(frame + p.ra, 8));
      const outer = p.fp === undefined ? fp : (value(u.read(frame + p.fp, 8)) ?? fp);
      if (saved !== undefined) next = { pc: saved, sp: frame, fp: outer };
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
    frames.push({ pc, at: pc - 1n, sp });
  }
  return frames;
}
