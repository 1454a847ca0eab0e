import { ALL_EXTENSIONS, decode, isLong } from '../isa/decode.ts';
import type { CallFrames } from '../symbols/dwarf/call-frames.ts';

/** A frame of a call stack. */
export interface StackFrame {
  /** The next instruction: in callers, the one after the call. */
  readonly pc: bigint;
  /** An address within the instruction the frame is at: in callers, the call. It is what names the frame, since a call may be a function's last instruction. */
  readonly at: bigint;
  /** Stack pointer at this frame's instruction. */
  readonly sp: bigint;
  /** Registers as this frame has them, by DWARF's number (x0 to x31, then f0 to f31); undefined for those that callees did not keep. */
  readonly register: (number: number) => bigint | undefined;
}

/** Call frame information of the file an address is in. */
export interface FrameInformation {
  readonly frames: CallFrames;
  /** What was added to the file's addresses. */
  readonly bias: bigint;
}

/** What unwinding needs. */
export interface Unwinding {
  /** Reads virtual memory; shorter where nothing more is mapped. */
  readonly read: (address: bigint, length: number) => Uint8Array;
  /** First address of the function around an address. */
  readonly functionStart: (address: bigint) => bigint | undefined;
  /** Whether an address is known to be data: nothing returns to it. */
  readonly isData?: (address: bigint) => boolean;
  readonly frameInformation?: (address: bigint) => FrameInformation | undefined;
}

const RA = 1;
const SP = 2;
const FP = 8;
/** Longest prologue looked through, in bytes. */
const PROLOGUE = 256;
const MAX_FRAMES = 128;
/** Registers that a function leaves to its caller as they were: gp, tp, s0 to s11 (RISC-V ABIs Specification, "Integer Register Convention"). */
const isKept = (n: number): boolean => n === 3 || n === 4 || n === 8 || n === 9 || (n >= 18 && n <= 27);

/** Where a frame's parts are; addresses of saved registers are counted from the canonical frame address, sp at the function's first instruction. */
interface Layout {
  /** Bytes the stack pointer was lowered by. */
  size: bigint;
  ra?: bigint;
  fp?: bigint;
  /** Where registers that belong to the caller were saved. */
  readonly saved: Map<number, bigint>;
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
  const layout: Layout = { size: 0n, saved: new Map() };
  for (const d of instructions(u.read(start, length))) {
    const { row } = d;
    if (row.name === 'addi' && d.rd === SP && d.rs1 === SP) {
      if (d.imm > 0) break; // an epilogue of an early return: what follows is reached with the frame still there
      layout.size -= BigInt(d.imm);
    } else if (row.name === 'addi' && d.rd === FP && d.rs1 === SP) layout.fromFp ??= layout.size - BigInt(d.imm);
    else if (row.name === 'sd' && d.rs1 === SP && d.rs2 === RA) layout.ra ??= BigInt(d.imm) - layout.size;
    else if (row.name === 'sd' && d.rs1 === SP && d.rs2 === FP) layout.fp ??= BigInt(d.imm) - layout.size;
    else if (row.name === 'sd' && d.rs1 === SP && isKept(d.rs2) && !layout.saved.has(d.rs2))
      layout.saved.set(d.rs2, BigInt(d.imm) - layout.size);
    else if (row.name === 'jal' && d.rd === 0) break;
  }
  return layout;
}

/** The layout where `pc` is in an epilogue: loads from the stack, sp raised, return. */
function epilogue(u: Unwinding, pc: bigint): Layout | undefined {
  const layout: Layout = { size: 0n, saved: new Map() };
  for (const d of instructions(u.read(pc, PROLOGUE))) {
    const { row } = d;
    if (row.name === 'ld' && d.rs1 === SP && d.rd === RA) layout.ra = BigInt(d.imm);
    else if (row.name === 'ld' && d.rs1 === SP && d.rd === FP) layout.fp = BigInt(d.imm);
    else if (row.name === 'addi' && d.rd === SP && d.rs1 === SP && d.imm > 0) layout.size += BigInt(d.imm);
    else if (row.name === 'jalr' && d.rd === 0 && d.rs1 === RA) {
      return {
        size: layout.size,
        saved: new Map(),
        ra: layout.ra === undefined ? undefined : layout.ra - layout.size,
        fp: layout.fp === undefined ? undefined : layout.fp - layout.size,
      };
    } else if (row.name !== 'ld' || d.rs1 !== SP) return undefined;
  }
  return undefined;
}

/** Whether a return address can be one: even, with something mapped before it, and not data. */
function plausible(u: Unwinding, address: bigint): boolean {
  return (
    address !== 0n && (address & 1n) === 0n && u.read(address - 2n, 2).length === 2 && !(u.isData?.(address) ?? false)
  );
}

/** Bytes of a signal's frame before its registers, pc first: siginfo, then ucontext up to its mcontext (Linux arch/riscv/include/uapi/asm/ucontext.h). */
const SIGNAL_REGISTERS = 128n + 176n;
/** `li a7, 139; ecall`: what the kernel has handlers return to (arch/riscv/kernel/vdso/rt_sigreturn.S). */
const SIGRETURN = [0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00];
const INTEGERS = 32;

/** The frame that a signal interrupted, where `pc` is what its handler returns to. */
function interrupted(u: Unwinding, pc: bigint, sp: bigint): StackFrame | undefined {
  const code = u.read(pc, SIGRETURN.length);
  if (code.length < SIGRETURN.length || SIGRETURN.some((byte, i) => code[i] !== byte)) return undefined;
  const bytes = u.read(sp + SIGNAL_REGISTERS, 8 * INTEGERS);
  if (bytes.length < 8 * INTEGERS) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const saved = (n: number): bigint => view.getBigUint64(8 * n, true);
  return {
    pc: saved(0),
    at: saved(0),
    sp: saved(SP),
    register: (n) => (n === 0 ? 0n : n < INTEGERS ? saved(n) : undefined),
  };
}

/** The caller by call frame information; null where that says that there is none. */
function described(u: Unwinding, { at, register }: StackFrame): StackFrame | undefined | null {
  const found = u.frameInformation?.(at);
  if (!found?.frames.covers(at - found.bias)) return undefined;
  const caller = found.frames.unwind(at - found.bias, { register, read: u.read }, found.bias);
  if (caller === undefined || caller.pc === 0n) return null;
  const { pc, registers, cfa } = caller;
  return {
    pc,
    at: caller.signal ? pc : pc - 1n,
    sp: registers.get(SP) ?? cfa,
    register: (n) => (n === 0 ? 0n : registers.get(n)),
  };
}

/** The caller by what the function's first instructions did, or by the frame pointer. @param first the frame is the innermost */
function guessed(u: Unwinding, frame: StackFrame, first: boolean): StackFrame | undefined {
  const { pc, sp, register } = frame;
  const fp = register(FP) ?? 0n;
  const start = u.functionStart(frame.at);
  let next: { pc: bigint; sp: bigint; fp: bigint } | undefined;
  const kept = new Map<number, bigint>();
  if (start !== undefined) {
    const p = (first ? epilogue(u, pc) : undefined) ?? prologue(u, start, pc);
    const base = p.fromFp === undefined ? sp + p.size : fp + p.fromFp;
    const ra = first ? register(RA) : undefined;
    const saved = p.ra === undefined ? ra : value(u.read(base + p.ra, 8));
    const outer = p.fp === undefined ? fp : (value(u.read(base + p.fp, 8)) ?? fp);
    if (saved !== undefined) next = { pc: saved, sp: base, fp: outer };
    if (next && p.size === 0n && p.ra === undefined && !first) next = undefined;
    for (const [n, at] of p.saved) {
      const v = value(u.read(base + at, 8));
      if (v !== undefined) kept.set(n, v);
    }
  }
  if (!next || !plausible(u, next.pc)) {
    kept.clear();
    const saved = value(u.read(fp - 8n, 8));
    const outer = value(u.read(fp - 16n, 8));
    if (saved === undefined || outer === undefined || fp <= sp || !plausible(u, saved)) return undefined;
    next = { pc: saved, sp: fp, fp: outer };
  }
  if (next.sp < sp || (next.sp === sp && next.pc === pc)) return undefined;
  const { sp: outerSp, fp: outerFp, pc: outerPc } = next;
  return {
    pc: outerPc,
    at: outerPc - 1n,
    sp: outerSp,
    register: (n) => {
      if (n === SP) return outerSp;
      if (n === FP) return outerFp;
      return kept.get(n) ?? (n === 0 || isKept(n) ? register(n) : undefined);
    },
  };
}

/**
 * The frames from the innermost outwards: by call frame information where there is some, else by the function's prologue where its beginning is
 * known, else by the frame pointer (RISC-V ABIs Specification, "Frame Pointer Convention").
 * @param pc and registers of the innermost frame
 */
export function backtrace(
  u: Unwinding,
  pc: bigint,
  register: (number: number) => bigint | undefined,
  limit = MAX_FRAMES,
): StackFrame[] {
  const frames: StackFrame[] = [{ pc, at: pc, sp: register(SP) ?? 0n, register }];
  while (frames.length < limit) {
    const frame = frames[frames.length - 1];
    const signalled = interrupted(u, frame.pc, frame.sp);
    const known = signalled ?? described(u, frame);
    const next = known === undefined ? guessed(u, frame, frames.length === 1) : known;
    if (next === undefined || next === null) break;
    // A handler may have a stack of its own; otherwise callers' frames lie above.
    if (!signalled && (next.sp < frame.sp || (next.sp === frame.sp && next.pc === frame.pc))) break;
    frames.push(next);
  }
  return frames;
}
