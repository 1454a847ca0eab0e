import { ByteWriter } from '../../bytes/writer.ts';

/** How a function's caller is found from an instruction on, by DWARF's register numbers. */
export interface FrameRow {
  readonly at: bigint;
  /** The canonical frame address: a register and what is added to it. */
  readonly cfa: { readonly register: number; readonly offset: number };
  /** Where registers of the caller were saved: bytes from the canonical frame address, multiples of 8. */
  readonly saved: ReadonlyMap<number, number>;
}

/** A function and its rows, the first one at its first instruction. */
export interface DescribedFunction {
  readonly start: bigint;
  readonly end: bigint;
  readonly rows: readonly FrameRow[];
  /**
   * `call`: the caller goes on at ra · `trap`: what was interrupted goes on at its program counter, saved as register {@link TRAP_PC} ·
   * `outermost`: nobody called it
   */
  readonly kind: 'call' | 'trap' | 'outermost';
}

const RA = 1;
/** The alternate frame return column (RISC-V DWARF Specification, "DWARF register numbers"). */
export const TRAP_PC = 64;
const ALIGNMENT = 8;
const NO_CIE = 0xffff_ffff;
const VERSION = 3;
const CFA = { undefined: 0x07, defCfa: 0x0c, defCfaRegister: 0x0d, defCfaOffset: 0x0e, offset: 0x80, restore: 0xc0 };
const ADVANCE = { short: 0x40, u8: 0x02, u16: 0x03, u32: 0x04 };
/** Registers that DW_CFA_offset and DW_CFA_restore name in their low bits; those beyond take the extended forms. */
const SHORT_REGISTERS = 64;
const OFFSET_EXTENDED_SF = 0x11;
const OFFSET_EXTENDED = 0x05;

/** A section .debug_frame (DWARF 4, section 6.4.1). */
export function writeCallFrames(functions: readonly DescribedFunction[]): Uint8Array {
  const w = new ByteWriter(1 << 20);
  const calls = w.length;
  entry(w, (body) => cie(body, '', RA));
  const traps = w.length;
  entry(w, (body) => cie(body, 'zS', TRAP_PC));
  for (const { start, end, rows, kind } of functions)
    entry(w, (body) => {
      body.u32(kind === 'trap' ? traps : calls);
      body.u64(start);
      body.u64(end - start);
      if (kind === 'trap') body.varint(0);
      if (kind === 'outermost') {
        body.u8(CFA.undefined);
        body.varint(RA);
      }
      writeRows(body, start, rows);
    });
  return w.finish();
}

function entry(w: ByteWriter, fill: (body: ByteWriter) => void): void {
  const body = new ByteWriter(128);
  fill(body);
  // Zeros are DW_CFA_nop; the length before them is 4 bytes long.
  while ((body.length + 4) % ALIGNMENT !== 0) body.u8(0);
  w.u32(body.length);
  w.raw(body.finish());
}

function cie(w: ByteWriter, augmentation: string, returnColumn: number): void {
  w.u32(NO_CIE);
  w.u8(VERSION);
  w.raw(new TextEncoder().encode(augmentation));
  w.u8(0);
  w.varint(1);
  w.sleb128(BigInt(-ALIGNMENT));
  w.varint(returnColumn);
  if (augmentation !== '') w.varint(0);
  w.u8(CFA.defCfa);
  w.varint(2);
  w.varint(0);
}

function writeRows(w: ByteWriter, start: bigint, rows: readonly FrameRow[]): void {
  let at = start;
  let cfa = { register: 2, offset: 0 };
  let saved: ReadonlyMap<number, number> = new Map();
  for (const row of rows) {
    advance(w, Number(row.at - at));
    at = row.at;
    if (row.cfa.register !== cfa.register && row.cfa.offset !== cfa.offset) {
      w.u8(CFA.defCfa);
      w.varint(row.cfa.register);
      w.varint(row.cfa.offset);
    } else if (row.cfa.register !== cfa.register) {
      w.u8(CFA.defCfaRegister);
      w.varint(row.cfa.register);
    } else if (row.cfa.offset !== cfa.offset) {
      w.u8(CFA.defCfaOffset);
      w.varint(row.cfa.offset);
    }
    for (const [register, offset] of row.saved) if (saved.get(register) !== offset) writeSaved(w, register, offset);
    for (const register of saved.keys()) if (!row.saved.has(register)) w.u8(CFA.restore | register);
    ({ cfa, saved } = row);
  }
}

function writeSaved(w: ByteWriter, register: number, offset: number): void {
  const factored = -offset / ALIGNMENT;
  if (factored < 0) {
    w.u8(OFFSET_EXTENDED_SF);
    w.varint(register);
    w.sleb128(BigInt(factored));
  } else if (register < SHORT_REGISTERS) {
    w.u8(CFA.offset | register);
    w.varint(factored);
  } else {
    w.u8(OFFSET_EXTENDED);
    w.varint(register);
    w.varint(factored);
  }
}

function advance(w: ByteWriter, bytes: number): void {
  if (bytes === 0) return;
  if (bytes < 0x40) w.u8(ADVANCE.short | bytes);
  else if (bytes < 0x100) {
    w.u8(ADVANCE.u8);
    w.u8(bytes);
  } else if (bytes < 0x1_0000) {
    w.u8(ADVANCE.u16);
    w.u16(bytes);
  } else {
    w.u8(ADVANCE.u32);
    w.u32(bytes);
  }
}
