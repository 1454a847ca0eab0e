import { COMPRESSED } from '../../src/isa/compressed.ts';
import { assembleNamed as ins } from '../../src/isa/encode.ts';
import type { Instruction } from '../../src/isa/instruction.ts';
import { INSTRUCTION_BY_NAME, INSTRUCTIONS } from '../../src/isa/instructions.ts';
import { RAM_BASE } from '../../src/isa/layout.ts';
import { CSR_NUMBERS, type Registers, randomLong, randomShort, range } from './operands.ts';
import type { Random } from './random.ts';

/*
 * A world without rules: 1 MiB of RAM full of random instructions, random data and random page tables, and two trap handlers that lead
 * back into the code whatever happened. Cores must agree on it at every instruction; nobody knows what it ought to do.
 *
 *   page 0        handlers, and the pool of interesting values that x3 points to
 *   1 … 47        code      48 … 95   data      96 … 119   page tables      120 … 255   data
 */

export const RAM_SIZE = 1 << 20;
const HANDLER_M = 0,
  HANDLER_S = 0x100,
  POOL = 0x400,
  POOL_SIZE = 240;
const CODE = 1,
  CODE_END = 48,
  TABLES = 96;
const HERE = BigInt(RAM_BASE);
/** A device that answers: {@link chaosOutside}. */
export const DEVICE = 0x1000_0000;
const ALIASES = [0x8000_0000n, 0x8000_0000n, 0x8000_0000n, 0x8010_0000n, 0x8020_0000n, 0x8040_0000n, 0xc000_0000n];
const TABLE = {
  sv39: TABLES,
  sv48: TABLES + 1,
  sv57: TABLES + 2,
  middle: TABLES + 3,
  low: TABLES + 4,
  low2: TABLES + 5,
} as const;

const REGISTERS: Registers = { to: range(0, 31).filter((x) => x !== 3), from: range(0, 31) };

/** Pool slots: masks for the handlers, then values by purpose. */
const SLOT = { codeMask: 0, codeBase: 1, status: 2, pointers: 8, csr: 128, end: POOL_SIZE } as const;

const satpOf = (mode: number, page: number): bigint => (BigInt(mode) << 60n) | ((HERE >> 12n) + BigInt(page));
const SATPS = [
  0n,
  satpOf(8, TABLE.sv39),
  satpOf(9, TABLE.sv48),
  satpOf(10, TABLE.sv57),
  satpOf(8, TABLE.sv39) | (5n << 44n),
  satpOf(11, TABLE.sv39),
  satpOf(8, TABLE.middle),
];

function statusValue(r: Random): bigint {
  let v = r.u64() & 0x7e_79aan;
  if (r.chance(85)) v |= 0x6000n;
  if (r.chance(70)) v &= ~0x20000n;
  if (r.chance(80)) v &= ~0x700000n;
  return v;
}

function pmpConfig(r: Random): bigint {
  let v = 0n;
  for (let i = 0; i < 8; i++) {
    let c = r.chance(40) ? 0 : r.below(256) & (r.chance(97) ? 0x1f : 0x9f);
    if (r.chance(50)) c |= 7;
    v |= BigInt(c) << BigInt(8 * i);
  }
  return v;
}

function pmpAddress(r: Random): bigint {
  const page = (HERE >> 2n) + BigInt(r.below(256)) * 1024n;
  switch (r.below(5)) {
    case 0:
      return 0x3f_ffff_ffff_ffffn;
    case 1:
      return page;
    case 2:
      return page + BigInt(r.below(1024));
    case 3:
      return page | ((1n << BigInt(r.below(20))) - 1n);
    default:
      return r.corner();
  }
}

/** A value that makes a CSR interesting. */
function csrValue(r: Random): bigint {
  switch (r.below(11)) {
    case 0:
    case 1:
      return statusValue(r);
    case 2:
    case 3:
      return r.pick(SATPS);
    case 4:
      return pmpConfig(r);
    case 5:
      return pmpAddress(r);
    case 6:
      return r.pick([0xb1ffn, 0x222n, 0xaaan, 0xffffn, 0n, 0xffffffffn]);
    case 7:
      return r.pick([HERE + BigInt(HANDLER_M), HERE + BigInt(HANDLER_S), HERE + BigInt(HANDLER_S) + 1n]);
    case 8:
      return (r.u64() & 0xe000_0000_0000_00f1n) | (r.chance(70) ? 0x2000_0000_0000_0000n : 0n);
    case 9:
      return BigInt(r.below(200));
    default:
      return r.corner();
  }
}

function pointer(r: Random): bigint {
  if (r.chance(6)) return BigInt(DEVICE + r.below(64));
  if (r.chance(6)) return r.corner();
  const base = r.pick(ALIASES);
  const page = r.chance(10)
    ? r.between(TABLES, TABLES + 8)
    : r.chance(8)
      ? r.between(CODE, CODE_END)
      : r.between(48, 255);
  const offset = r.chance(35)
    ? r.pick([0xff8, 0xffc, 0xffd, 0xffe, 0xfff, 0, 8, 64])
    : r.chance(70)
      ? r.below(512) * 8
      : r.below(4096);
  return base + BigInt(page * 4096 + offset);
}

export function poolValue(r: Random, slot: number): bigint {
  if (slot === SLOT.codeMask) return 0x2_fffen;
  if (slot === SLOT.codeBase) return HERE;
  if (slot < SLOT.pointers) return statusValue(r);
  return slot < SLOT.csr ? pointer(r) : csrValue(r);
}

/** The same for a world in which most things work: pointers to data, M-mode or S-mode with floating point on. */
function loopValue(r: Random, slot: number): bigint {
  if (slot >= SLOT.status && slot < SLOT.pointers)
    return 0x6000n | (r.chance(60) ? 0x1800n : 0x800n) | (r.u64() & 0xc_00a0n);
  if (slot >= SLOT.pointers && slot < SLOT.csr)
    return HERE + BigInt(r.between(48, 90) * 4096 + (r.chance(85) ? r.below(256) * 8 + 1024 : r.below(4096)));
  return poolValue(r, slot);
}

/** Byte offset in RAM of a pool slot. */
export const poolAt = (slot: number): number => POOL + 8 * slot;
export const randomSlot = (r: Random): number => r.between(SLOT.status, SLOT.end - 1);

function entry(r: Random, target: number): bigint {
  let flags = 0xcfn;
  if (r.chance(50)) flags |= 0x10n;
  if (r.chance(25)) flags &= ~(1n << BigInt(r.below(8)));
  if (r.chance(20)) flags = (flags & ~0xen) | BigInt(r.below(8) << 1);
  if (r.chance(25)) flags &= ~0xc0n;
  flags |= BigInt(r.below(4)) << 8n;
  let pte = (((HERE >> 12n) + BigInt(target)) << 10n) | flags;
  if (r.chance(3)) pte |= BigInt(r.between(1, 3)) << 61n;
  if (r.chance(1)) pte |= 1n << BigInt(r.between(54, 60));
  if (r.chance(1)) pte |= 1n << 63n;
  if (r.chance(1)) pte ^= 1n << BigInt(r.below(64));
  return pte;
}

function tables(r: Random, put: (at: number, value: bigint) => void): void {
  const set = (page: number, index: number, value: bigint): void => put(page * 4096 + index * 8, value);
  const link = (page: number): bigint =>
    ((((HERE >> 12n) + BigInt(page)) << 10n) | 1n) ^ (r.chance(2) ? 1n << BigInt(r.below(64)) : 0n);
  for (const table of Object.values(TABLE)) {
    for (let i = 0; i < 512; i++)
      set(table, i, r.chance(80) ? 0n : r.chance(50) ? entry(r, r.below(4) * 512) : r.corner());
  }
  for (const low of [TABLE.low, TABLE.low2]) {
    for (let i = 0; i < 512; i++) set(low, i, entry(r, i % 256));
    // pages of handlers and code mostly work; contiguous blocks of 16 carry N
    for (let i = 0; i < 256; i += 16) {
      if (!r.chance(15)) continue;
      const pte = (entry(r, i) & ~(0xfn << 10n)) | (8n << 10n) | (1n << 63n);
      for (let j = 0; j < 16; j++) set(low, i + j, pte);
    }
    if (r.chance(90)) set(low, 0, (HERE >> 2n) | (r.chance(80) ? 0xcfn : 0xdfn));
  }
  set(TABLE.middle, 0, link(TABLE.low));
  set(TABLE.middle, 1, link(TABLE.low2));
  set(TABLE.middle, 2, entry(r, 0));
  set(TABLE.sv39, 2, link(TABLE.middle));
  set(TABLE.sv39, 3, entry(r, 0));
  set(TABLE.sv48, 0, link(TABLE.sv39));
  set(TABLE.sv57, 0, link(TABLE.sv48));
}

const byFormat = (names: readonly string[]): readonly Instruction[] =>
  names.map((n) => INSTRUCTION_BY_NAME.get(n)).filter((row) => row !== undefined);
const MEMORY_ROWS = INSTRUCTIONS.filter(
  (row) =>
    row.format === 'AMO' || (/imm\(rs1\)/.test(row.syntax) && row.name !== 'jalr') || row.name.startsWith('cbo.'),
);
const CSR_ROWS = INSTRUCTIONS.filter((row) => row.format === 'CSR');
const RARE_ROWS = byFormat([
  'mret',
  'sret',
  'wfi',
  'ecall',
  'ebreak',
  'sfence.vma',
  'sinval.vma',
  'sfence.w.inval',
  'sfence.inval.ir',
  'wrs.nto',
  'wrs.sto',
  'fence.i',
  'fence',
]);
const PLAIN_ROWS = INSTRUCTIONS.filter(
  (row) => !MEMORY_ROWS.includes(row) && !CSR_ROWS.includes(row) && !RARE_ROWS.includes(row) && row.name !== 'jalr',
);
const FLOAT_ROWS = PLAIN_ROWS.filter((row) => row.fp);
const CALM_ROWS = PLAIN_ROWS.filter((row) => row.format !== 'J' && row.format !== 'B');
const CALM_MEMORY = MEMORY_ROWS.filter((row) => row.format !== 'AMO' && !row.name.startsWith('cbo.'));
const CALM_CSRS = CSR_NUMBERS.filter((n) => ![0x305, 0x105, 0x3a0, 0x3a2].includes(n));

const CALM_SHORT = COMPRESSED.filter((row) => !/\(rs1\)/.test(row.syntax) && !['jalr', 'ebreak'].includes(row.expands));
const LOOP_COUNTER = 31;
const CALM_REGISTERS: Registers = { to: REGISTERS.to.filter((x) => x !== LOOP_COUNTER), from: REGISTERS.from };

/** Appends what rarely traps: straight code with memory accesses that work, and loops of it, so that code becomes hot. */
function trapFree(r: Random, out: number[], inLoop = false): void {
  const word = (w: number): void => void out.push(w & 0xffff, w >>> 16);
  const kind = r.below(100);
  if (kind < 40) word(randomLong(r, r.pick(CALM_ROWS), CALM_REGISTERS));
  else if (kind < 50) word(randomLong(r, r.pick(FLOAT_ROWS), CALM_REGISTERS));
  else if (kind < 65) out.push(randomShort(r, r.pick(CALM_SHORT), CALM_REGISTERS));
  else if (kind < 88) {
    const base = r.between(4, 30);
    word(ins('ld', { rd: base, rs1: 3, imm: 8 * r.between(SLOT.pointers, SLOT.csr - 1) }));
    for (let n = r.between(1, 4); n > 0; n--)
      word(
        ((randomLong(r, r.pick(CALM_MEMORY), {
          to: CALM_REGISTERS.to.filter((x) => x !== base),
          from: REGISTERS.from,
        }) &
          ~0xf8000) |
          (base << 15)) >>>
          0,
      );
  } else if (kind < 96 && !inLoop) {
    word(ins('addi', { rd: LOOP_COUNTER, rs1: 0, imm: r.between(2, 40) }));
    const begin = out.length;
    for (let n = r.between(1, 12); n > 0; n--) trapFree(r, out, true);
    word(ins('addi', { rd: LOOP_COUNTER, rs1: LOOP_COUNTER, imm: -1 }));
    const back = (begin - out.length) * 2;
    if (r.chance(80))
      word(
        ins(
          r.pick(['bne', 'blt']),
          r.chance(50) ? { rs1: LOOP_COUNTER, rs2: 0, imm: back } : { rs1: 0, rs2: LOOP_COUNTER, imm: back },
        ),
      );
    else {
      word(ins('beq', { rs1: LOOP_COUNTER, rs2: 0, imm: 8 }));
      word(ins('jal', { rd: 0, imm: back - 4 }));
    }
  } else something(r, out);
}

/** Appends the half-words of one random instruction or idiom. */
function something(r: Random, out: number[]): void {
  const word = (w: number): void => void out.push(w & 0xffff, w >>> 16);
  const free = (): number => r.pick(REGISTERS.to);
  const from = (slot: number, rd: number): void => word(ins('ld', { rd, rs1: 3, imm: 8 * slot }));
  const kind = r.below(100);
  if (kind < 30) word(randomLong(r, r.pick(PLAIN_ROWS), REGISTERS));
  else if (kind < 38) word(randomLong(r, r.pick(FLOAT_ROWS), REGISTERS));
  else if (kind < 58) out.push(randomShort(r, r.pick(COMPRESSED), REGISTERS));
  else if (kind < 74) {
    const base = r.between(4, 31);
    from(r.between(SLOT.pointers, SLOT.csr - 1), base);
    for (let n = r.between(1, 3); n > 0; n--) {
      const row = r.pick(MEMORY_ROWS);
      let w = randomLong(r, row, REGISTERS);
      w = ((w & ~0xf8000) | (base << 15)) >>> 0;
      word(w);
    }
  } else if (kind < 78) word(randomLong(r, r.pick(MEMORY_ROWS), REGISTERS));
  else if (kind < 86) {
    const value = r.between(4, 31);
    from(r.between(SLOT.csr, SLOT.end - 1), value);
    const w = randomLong(r, r.pick(CSR_ROWS), REGISTERS) & ~0xf8000;
    const number = r.chance(85) ? r.pick(CALM_CSRS) : w >>> 20;
    word(((w & 0xfffff) | (value << 15) | (number << 20)) >>> 0);
  } else if (kind < 88) word(randomLong(r, r.pick(CSR_ROWS), REGISTERS));
  else if (kind < 91) word(randomLong(r, r.pick(RARE_ROWS), REGISTERS));
  else if (kind < 94) {
    const base = free() || 5;
    word(ins('auipc', { rd: base, imm: 0 }));
    word(ins('jalr', { rd: free(), rs1: base, imm: r.between(-20, 60) * 2 + r.below(2) }));
  } else if (kind < 96) {
    // lr … sc on the same word
    const base = r.between(4, 31),
      d = r.chance(50) ? 'd' : 'w';
    from(r.between(SLOT.pointers, SLOT.csr - 1), base);
    word(ins(`lr.${d}`, { rd: free(), rs1: base }));
    if (r.chance(40)) word(randomLong(r, r.pick(MEMORY_ROWS), REGISTERS));
    word(ins(`sc.${r.chance(85) ? d : 'w'}`, { rd: free(), rs1: base, rs2: free() }));
  } else if (kind < 98) {
    // change a page-table entry, or an instruction, then go on
    const base = r.between(4, 31);
    from(r.between(SLOT.pointers, SLOT.csr - 1), base);
    word(ins('andi', { rd: base, rs1: base, imm: -8 }));
    word(ins('ld', { rd: 2, rs1: base, imm: 0 }));
    word(ins('xori', { rd: 2, rs1: 2, imm: 1 << r.below(10) }));
    word(ins('sd', { rs1: base, rs2: 2, imm: 0 }));
  } else if (kind < 99) {
    // store an instruction a little ahead
    word(ins('auipc', { rd: 6, imm: 0 }));
    word(ins('lw', { rd: 7, rs1: 6, imm: r.between(0, 40) * 2 }));
    word(ins(r.pick(['sw', 'sh', 'sb']), { rs1: 6, rs2: 7, imm: r.between(4, 40) * 2 }));
  } else out.push(r.u32() & 0xffff);
}

function handler(r: Random, s: boolean): number[] {
  const at = s ? HANDLER_S : HANDLER_M;
  const epc = s ? 0x141 : 0x341,
    status = s ? 0x100 : 0x300;
  const words = [ins('auipc', { rd: 3, imm: 0 }), ins('addi', { rd: 3, rs1: 3, imm: POOL - at })];
  words.push(
    ins('csrrs', { rd: 30, imm: epc, rs1: 0 }),
    ins('addi', { rd: 30, rs1: 30, imm: r.pick([2, 4, 4, 4, 6, 8]) }),
  );
  words.push(ins('ld', { rd: 31, rs1: 3, imm: 8 * SLOT.codeMask }), ins('and', { rd: 30, rs1: 30, rs2: 31 }));
  words.push(ins('ld', { rd: 31, rs1: 3, imm: 8 * SLOT.codeBase }), ins('or', { rd: 30, rs1: 30, rs2: 31 }));
  words.push(ins('csrrw', { rd: 0, imm: epc, rs1: 30 }));
  if (r.chance(70))
    words.push(
      ins('ld', { rd: 31, rs1: 3, imm: 8 * r.between(SLOT.status, SLOT.pointers - 1) }),
      ins('csrrw', { rd: 0, imm: status, rs1: 31 }),
    );
  words.push(ins(s ? 'sret' : 'mret'));
  return words;
}

/** RAM of a chaotic world. */
export function chaosRam(r: Random, loops: boolean): Uint8Array {
  const ram = new Uint8Array(RAM_SIZE);
  const view = new DataView(ram.buffer);
  for (let at = 0; at < RAM_SIZE; at += 8) view.setBigUint64(at, r.chance(5) ? r.corner() : 0n, true);
  const half: number[] = [];
  const halves = ((CODE_END - CODE) * 4096) / 2;
  while (half.length < halves) (loops ? trapFree : something)(r, half);
  half.length = halves;
  half.forEach((h, i) => view.setUint16(CODE * 4096 + i * 2, h, true));
  handler(r, false).forEach((w, i) => view.setUint32(HANDLER_M + 4 * i, w, true));
  handler(r, true).forEach((w, i) => view.setUint32(HANDLER_S + 4 * i, w, true));
  for (let slot = 0; slot < POOL_SIZE; slot++)
    view.setBigUint64(poolAt(slot), loops ? loopValue(r, slot) : poolValue(r, slot), true);
  tables(r, (at, value) => view.setBigUint64(at, value, true));
  return ram;
}

/** Where code begins and handlers are, as virtual or physical addresses. */
export const START = HERE + BigInt(CODE * 4096);
export const HANDLERS = { m: HERE + BigInt(HANDLER_M), s: HERE + BigInt(HANDLER_S) } as const;
