import { ALL_EXTENSIONS, type Decoded, decode, isLong } from '../isa/decode.ts';
import type { FrameRow } from '../symbols/dwarf/call-frame-writer.ts';

const RA = 1;
const SP = 2;
const FP = 8;
/** ra, and s0 to s11: what a function saves before it uses it (RISC-V ABIs Specification, "Integer Register Convention"). */
const isSaved = (n: number): boolean => n === RA || n === FP || n === 9 || (n >= 18 && n <= 27);

/** What is known at an instruction. CFA, the canonical frame address, is sp where the function begins. */
interface FrameState {
  /** CFA − sp; undefined once sp was moved by what is not known. */
  readonly sp: number | undefined;
  /** CFA − s0; undefined while s0 is no frame pointer. */
  readonly fp: number | undefined;
  readonly saved: ReadonlyMap<number, number>;
}

const AT_ENTRY: FrameState = { sp: 0, fp: undefined, saved: new Map() };

/**
 * How the callers of a compiled function are found at each of its instructions, by what the instructions do to sp, s0 and to what they save. Code after a
 * jump goes on as the branch to it left off, or, where none was seen yet, as the function's body has it.
 */
export function framesOfCode(start: bigint, code: Uint8Array): FrameRow[] {
  const rows: FrameRow[] = [];
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  /** States that branches forward leave at their targets. */
  const pending = new Map<number, FrameState>();
  let state = AT_ENTRY;
  let body = AT_ENTRY;
  let falls = true;
  let written: FrameState | undefined;
  for (let at = 0, length = 0; at + 2 <= code.length; at += length) {
    const half = view.getUint16(at, true);
    length = isLong(half) ? 4 : 2;
    if (at + length > code.length) break;
    if (!falls) state = pending.get(at) ?? body;
    if (written !== state) {
      const row = rowAt(start + BigInt(at), state);
      if (row !== undefined) rows.push(row);
      written = state;
    }
    falls = true;
    const word = length === 4 ? view.getUint32(at, true) : half;
    if (!(length === 4 ? matters(word) : mattersShort(half))) continue;
    const decoded = decode(word, ALL_EXTENSIONS);
    if (decoded === undefined) continue;
    const { name, format } = decoded.row;
    if (format === 'B' || (name === 'jal' && decoded.rd === 0)) {
      const target = at + decoded.imm;
      if (target > at && target < code.length && !pending.has(target)) pending.set(target, state);
      falls = format === 'B';
    } else if (name === 'jalr' && decoded.rd === 0) falls = false;
    else state = after(state, decoded);
    if (state.saved.size > body.saved.size) body = state;
  }
  return rows;
}

/** Undefined where nothing sensible is known, as in the middle of assembly language. */
function rowAt(at: bigint, { sp, fp, saved }: FrameState): FrameRow | undefined {
  if (sp !== undefined) return sp < 0 ? undefined : { at, cfa: { register: SP, offset: sp }, saved };
  return fp === undefined || fp < 0 ? undefined : { at, cfa: { register: FP, offset: fp }, saved };
}

/** Whether an instruction of four bytes may move sp or s0, save or restore, or go elsewhere. */
function matters(word: number): boolean {
  const rd = (word >>> 7) & 31;
  const rs1 = (word >>> 15) & 31;
  switch (word & 0x7f) {
    case 0x63:
    case 0x67:
    case 0x6f:
      return true;
    case 0x23:
      return rs1 === SP;
    case 0x03:
      return rs1 === SP || rd === FP;
    default:
      return rd === SP || rd === FP;
  }
}

/** {@link matters} for two bytes. */
function mattersShort(half: number): boolean {
  const quadrant = half & 3;
  const kind = half >>> 13;
  const rd = (half >>> 7) & 31;
  if (quadrant === 0) return kind === 0 || ((half >>> 2) & 7) === FP - 8;
  if (quadrant === 1) return kind >= 5 || rd === SP || rd === FP || (kind === 4 && (rd & 7) === FP - 8);
  return kind === 3 || kind === 7 || rd === SP || rd === FP || kind === 4;
}

/** What an instruction that goes on to the next one leaves. */
function after(state: FrameState, { row: { name }, rd, rs1, rs2, imm }: Decoded): FrameState {
  const { sp, fp, saved } = state;
  if (name === 'sd' && rs1 === SP) {
    if (sp === undefined || !isSaved(rs2) || saved.has(rs2)) return state;
    return { sp, fp, saved: new Map(saved).set(rs2, imm - sp) };
  }
  if (name === 'ld' && rs1 === SP && sp !== undefined && saved.get(rd) === imm - sp) {
    const left = new Map(saved);
    left.delete(rd);
    return { sp, fp: rd === FP ? undefined : fp, saved: left };
  }
  const constant = name === 'addi' ? imm : name === 'add' && rs1 === 0 ? 0 : undefined;
  const from = name === 'add' && rs1 === 0 ? rs2 : rs1;
  const distance = constant === undefined ? undefined : from === SP ? sp : from === FP ? fp : undefined;
  const moved = distance === undefined ? undefined : distance - constant!;
  if (rd === SP) return { sp: moved, fp, saved };
  // Only what was saved before may be a frame pointer, or anything else.
  if (rd === FP && writes(name)) return { sp, fp: saved.has(FP) ? moved : fp, saved };
  return state;
}

/** Whether an instruction has a destination among the integer registers where its `rd` is not 0. */
const writes = (name: string): boolean => !/^f(l[wd]|add|sub|mul|div|sqrt|sgnj|m|n)/.test(name);
