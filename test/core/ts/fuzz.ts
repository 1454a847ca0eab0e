import type { Core, CoreHost } from '../../../src/core/core.ts';
import { COMPRESSED } from '../../../src/isa/compressed.ts';
import { CSRS } from '../../../src/isa/csrs.ts';
import { ALL_EXTENSIONS, extensionBit } from '../../../src/isa/decode.ts';
import { assemble } from '../../../src/isa/encode.ts';
import { INSTRUCTIONS } from '../../../src/isa/instructions.ts';
import { HART, hartAt, RAM_AT, RAM_BASE } from '../../../src/isa/layout.ts';
import { ins, Rig } from './rig.ts';

/**
 * Random machines for comparing cores: code that mixes every instruction over memory that holds its own page tables, in all modes, with
 * a device that interrupts and writes to RAM, and trap handlers that go on somewhere else.
 */

/** A reproducible source of numbers. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = (seed * 2654435761) | 1;
  }

  /** 32 random bits, as int32. */
  next(): number {
    // xorshift (Marsaglia)
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return Math.imul(this.state, 0x9e3779b1);
  }

  below(n: number): number {
    return (this.next() >>> 8) % n;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  u64(): bigint {
    const v = (BigInt(this.next() >>> 0) << 32n) | BigInt(this.next() >>> 0);
    return v >> BigInt(this.pick([0, 0, 8, 32, 48, 60]));
  }
}

const RAM = 1 << 20;
const HANDLER_M = 0x1000;
const HANDLER_S = 0x2000;
const CODE = 0x4000;
const CODE_SIZE = 0x4000;
const DATA = 0x10000;
const DATA_SIZE = 0x8000;
const TABLES = 0x40000;
const DEVICE = 0x10000000n;

/** x registers that hold addresses (set again by the handlers), and those instructions write. */
const POINTERS = [8, 9, 10, 11, 12, 13];
const TARGETS = [0, 1, 5, 6, 7, 14, 15, 16, 17];
const csrNumbers = CSRS.flatMap((row) => Array.from({ length: Math.min(row.count ?? 1, 3) }, (_, i) => row.number + i));

const weights = (name: string): number => {
  if (/^(ld|lw|sd|sw|addi|lbu|sb)$/.test(name)) return 6;
  if (/^csr/.test(name)) return 6;
  if (/^(mret|sret|wfi|ecall|ebreak)$/.test(name)) return 1;
  if (/^(lr|sc|amo)/.test(name)) return 1;
  return 1;
};
const bag = INSTRUCTIONS.flatMap((row) => Array.from({ length: weights(row.name) }, () => row));

function instruction(random: Random): number {
  const row = random.pick(bag);
  const rd = random.pick(TARGETS);
  const memory = /\(rs1\)/.test(row.syntax);
  const rs1 = memory && random.chance(92) ? random.pick(POINTERS) : random.pick([...TARGETS, ...POINTERS]);
  let imm = 0;
  switch (row.format) {
    case 'I':
    case 'S':
      imm = memory && random.chance(80) ? random.below(64) * 8 : random.below(4096) - 2048;
      break;
    case 'B':
      imm = (random.below(64) - 30) * 2;
      break;
    case 'J':
      imm = (random.below(400) - 200) * 2;
      break;
    case 'U':
      imm = random.next() & 0xfffff000;
      break;
    case 'shift64':
      imm = random.below(64);
      break;
    case 'shift32':
      imm = random.below(32);
      break;
    case 'CSR':
      imm = random.chance(95) ? random.pick(csrNumbers) : random.below(4096);
      break;
    default:
  }
  if (row.name === 'jalr') return assemble(row, { rd, rs1: random.pick([18, 19]), imm: random.below(256) * 2 });
  const rm = row.rm ? random.pick([0, 0, 1, 2, 3, 4, 7, 7, 5]) : 0;
  return assemble(row, { rd, rs1, rs2: random.pick([...TARGETS, ...POINTERS]), rs3: random.below(8), imm, rm });
}

/** One half-word that is a compressed instruction, often a legal one. */
function compressed(random: Random): number {
  const row = random.pick(COMPRESSED);
  return row.match | (random.next() & ~row.mask & 0xffff);
}

/** Instructions of a trap handler: sets pointers and mode again and returns to some place in the code. */
function handler(machine: boolean): number[] {
  const [status, epc] = machine ? [0x300, 0x341] : [0x100, 0x141];
  const out = [
    // x29 counts traps; its hash picks where to go on
    ins('addi', { rd: 29, rs1: 29, imm: 1 }),
    ins('slli', { rd: 28, rs1: 29, imm: 7 }),
    ins('xor', { rd: 29, rs1: 29, rs2: 28 }),
    ins('srli', { rd: 28, rs1: 29, imm: 9 }),
    ins('xor', { rd: 29, rs1: 29, rs2: 28 }),
    ins('lui', { rd: 30, imm: CODE_SIZE - 0x1000 }),
    ins('and', { rd: 28, rs1: 29, rs2: 30 }),
    ins('andi', { rd: 30, rs1: 29, imm: 0x7fe }),
    ins('add', { rd: 28, rs1: 28, rs2: 30 }),
    ins('add', { rd: 28, rs1: 28, rs2: 20 }),
    ins('csrrw', { rs1: 28, imm: epc }),
    // previous modes and friends from the hash, FS mostly on
    ins('slli', { rd: 28, rs1: 29, imm: 5 }),
    ins('and', { rd: 28, rs1: 28, rs2: machine ? 21 : 22 }),
    ins('csrrw', { rd: 30, rs1: 28, imm: status }),
    ins('csrrs', { rs1: 23, imm: status }),
    ins('slli', { rd: 8, rs1: 29, imm: 3 }),
    ins('and', { rd: 8, rs1: 8, rs2: 24 }),
    ins('add', { rd: 8, rs1: 8, rs2: 25 }),
    ins('addi', { rd: 9, rs1: 25, imm: 0 }),
    ins('addi', { rd: 10, rs1: 26, imm: 0 }),
    ins('addi', { rd: 11, rs1: 27, imm: 0 }),
    ins('addi', { rd: 12, rs1: 25, imm: 2040 }),
    ins('addi', { rd: 12, rs1: 12, imm: 2045 }),
    ins('addi', { rd: 13, rs1: 20, imm: 0 }),
    ins('addi', { rd: 18, rs1: 20, imm: 1024 }),
    ins('addi', { rd: 19, rs1: 18, imm: 1000 }),
  ];
  if (machine) {
    out.push(
      ins('csrrs', { rd: 28, imm: 0x342 }),
      // satp as kept in scratch, now and then switched off; SUM and MXR stay as they fall
      ins('csrrs', { rd: 30, imm: 0x340 }),
      ins('csrrw', { rs1: 30, imm: 0x180 }),
      ins('csrrs', { rs1: 31, imm: 0x304 }),
    );
  }
  out.push(ins(machine ? 'mret' : 'sret'));
  return out;
}

/** Fills page tables: the first pages of RAM and the device at their own addresses, in small pages with mixed permissions. */
function pageTables(rig: Rig, random: Random, levels: number): void {
  const put = (at: number, value: bigint): void => rig.view.setBigUint64(RAM_AT + at, value, true);
  const pointer = (at: number): bigint => ((BigInt(RAM_BASE + at) >> 12n) << 10n) | 1n;
  let root = TABLES;
  for (let level = levels; level > 3; level--) {
    put(root, pointer(root + 0x1000));
    root += 0x1000;
  }
  const [middle, leaf, low, deviceLeaf] = [root + 0x1000, root + 0x2000, root + 0x3000, root + 0x4000];
  // 0x8000_0000 is entry 2 of the 1 GiB table; 0x1000_0000 lies in entry 0
  put(root + 16, pointer(middle));
  put(root, pointer(low));
  put(low + 0x80 * 8, pointer(deviceLeaf));
  put(deviceLeaf, ((DEVICE >> 12n) << 10n) | 0xd7n);
  put(middle, pointer(leaf));
  // the same RAM again as a large page
  put(middle + 8, ((BigInt(RAM_BASE) >> 12n) << 10n) | (random.chance(50) ? 0xcfn : 0x0fn));
  put(middle + 16, ((BigInt(RAM_BASE) >> 12n) << 10n) | 0xdfn);
  for (let page = 0; page < RAM / 4096; page++) {
    const inTables = page >= TABLES >> 12;
    const safe = page < (CODE + CODE_SIZE) >> 12;
    let flags = random.pick([0xcf, 0xcf, 0xdf, 0xdf, 0x0f, 0x1f, 0x4f, 0x5f, 0xc7, 0x07, 0xc3, 0x57]);
    if (safe && page < CODE >> 12) flags = 0xcf;
    else if (safe) flags = random.pick([0xcf, 0xdf, 0xcf, 0xdf, 0x1f, 0x0f]);
    if (inTables) flags = random.pick([0xc7, 0xd7, 0x07]);
    if (!safe && random.chance(8)) flags = random.next() & 0xff;
    let high = 0n;
    if (!safe && random.chance(4)) high = BigInt(random.next() >>> 0) << 54n;
    const target = !safe && random.chance(6) ? random.below(RAM / 4096) : page;
    put(leaf + 8 * page, ((BigInt(RAM_BASE) / 4096n + BigInt(target)) << 10n) | BigInt(flags) | high);
  }
}

/** Sets up one random machine on a rig; the same seed gives the same machine. */
export function randomMachine(rig: Rig, seed: number): void {
  const random = new Random(seed);
  const { view } = rig;
  for (let at = DATA; at < DATA + DATA_SIZE; at += 8) view.setBigUint64(RAM_AT + at, random.u64(), true);
  const halves = (at: number, words: readonly number[]): void =>
    words.forEach((w, i) => view.setUint32(RAM_AT + at + 4 * i, w, true));
  halves(HANDLER_M, handler(true));
  halves(HANDLER_S, handler(false));
  for (let at = CODE; at < CODE + CODE_SIZE; ) {
    if (random.chance(25)) {
      view.setUint16(RAM_AT + at, compressed(random), true);
      at += 2;
    } else if (at + 4 <= CODE + CODE_SIZE) {
      view.setUint32(RAM_AT + at, instruction(random), true);
      at += 4;
    } else at += 2;
  }
  const mode = random.pick([0, 8, 8, 9, 10]);
  pageTables(rig, random, mode === 0 ? 3 : mode - 5);
  const base = BigInt(RAM_BASE);
  const satp = (BigInt(mode) << 60n) | BigInt((RAM_BASE + TABLES) / 4096);
  let extensions = ALL_EXTENSIONS;
  for (const name of ['zba', 'zbb', 'sstc', 'svadu', 'svnapot', 'svpbmt', 'zicbom', 'd'] as const)
    if (random.chance(8)) extensions &= ~extensionBit(name);
  if (random.chance(10)) extensions &= ~extensionBit('c');
  rig.setMachine('extensions', BigInt(extensions), 8);
  rig.setMachine('maxSatpMode', BigInt(random.pick([8, 9, 10, 10])), 4);
  rig.setMachine('hostSbi', random.chance(30) ? 1n : 0n, 4);
  rig.set('mscratch', satp);
  rig.set('sscratch', random.u64());
  rig.set('mtvec', base + BigInt(HANDLER_M));
  rig.set('stvec', base + BigInt(HANDLER_S));
  rig.set('pc', base + BigInt(HANDLER_M));
  rig.set('medeleg', random.chance(50) ? 0xb3ffn & random.u64() : 0n);
  rig.set('mideleg', 0x222n & random.u64());
  rig.set('mie', 0xaaan & random.u64());
  rig.set('menvcfg', (BigInt(random.pick([0, 1, 4, 5, 6, 7])) << 61n) | BigInt(random.pick([0, 0xf0, 0xd0])));
  rig.set('senvcfg', BigInt(random.pick([0, 0xf0])));
  rig.set('mcounteren', BigInt(random.pick([0, 7, 0xffffffff])), 0, 4);
  rig.set('scounteren', BigInt(random.pick([0, 7, 0xffffffff])), 0, 4);
  rig.set('stimecmp', random.u64() >> 50n);
  for (let r = 5; r < 18; r++) rig.setX(r, random.u64());
  for (let r = 0; r < 32; r++)
    rig.setF(r, random.chance(40) ? 0xffffffff00000000n | (random.u64() & 0xffffffffn) : random.u64());
  rig.setX(20, base + BigInt(CODE));
  rig.setX(21, (0x1n << 17n) | 0x1800n | 0x188an | (3n << 18n)); // MPRV MPP SPP enables SUM MXR
  rig.setX(22, 0x122n | (3n << 18n));
  rig.setX(23, random.chance(90) ? 0x2000n : 0n);
  rig.setX(24, BigInt(DATA_SIZE - 8));
  rig.setX(25, base + BigInt(DATA));
  rig.setX(26, base + BigInt(random.pick([TABLES + 0x2000, DATA, 0x200000 + DATA, 0x400000 + DATA, TABLES + 0x3000])));
  rig.setX(27, random.chance(30) ? DEVICE : base + BigInt(random.pick([CODE, DATA + 0x1ff8])));
  rig.setX(29, random.u64());
  rig.setX(31, 0xaaan);
  if (random.chance(40)) randomProtection(rig, random);
  if (random.chance(25)) {
    const at = base + BigInt(random.pick([CODE + random.below(64) * 2, DATA + random.below(512), DATA + 4090]));
    rig.point(random.pick([1, 2, 4, 6, 7]), at, at + BigInt(random.pick([1, 2, 8, 64])));
  }
  rig.device = (write, address, width, value) => {
    if (BigInt(address) < DEVICE || BigInt(address) >= DEVICE + 0x1000n) return undefined;
    const n = rig.accesses.length;
    if (n % 3 !== 2) rig.setMachine('attention', 1n, 4);
    if (n % 3 === 1) rig.set('lines', BigInt((n * 0x88) & 0xa88), 0, 4);
    if (n % 5 === 2) {
      // a device writes to memory: data, code or tables
      const at = [DATA + 64, CODE + 256, TABLES + 0x2000 + 8 * 0x12][n % 3];
      view.setUint32(RAM_AT + at, Math.imul(n, 0x12345) & 0xcf, true);
      rig.core.ramChanged(at, 4);
    }
    return write ? value : BigInt.asUintN(width * 8, BigInt(n) * 0x123456789abcdefn);
  };
  rig.core.dropDerived();
  rig.core.hartChanged(0);
}

function randomProtection(rig: Rig, random: Random): void {
  const at = hartAt(0);
  const entries = 1 + random.below(4);
  for (let i = 0; i < entries; i++) {
    const napot = random.chance(60);
    const start =
      BigInt(RAM_BASE + random.pick([DATA, DATA + 0x1000, CODE, TABLES, 0x18000]) + random.below(2048) * 4) >> 2n;
    const ones = (1n << BigInt(random.below(12))) - 1n;
    rig.view.setBigUint64(at + HART.pmpaddr + 8 * i, napot ? (start & ~ones) | (ones >> 1n) : start, true);
    rig.view.setUint8(
      at + HART.pmpcfg + i,
      (napot ? 0x18 : random.pick([0x10, 0x08])) | random.pick([0, 1, 3, 4, 5, 7]) | (random.chance(15) ? 0x80 : 0),
    );
  }
  rig.view.setBigUint64(at + HART.pmpaddr + 8 * 8, 0x3fffffffffffffn, true);
  rig.view.setUint8(at + HART.pmpcfg + 8, 0x1f);
}

/** Makes a rig for fuzzing. */
export const fuzzRig = (make: (memory: WebAssembly.Memory, host: CoreHost) => Core): Rig => new Rig(RAM, make);

/** Everything a guest could see, as text, for a message. */
export function differences(a: Rig, b: Rig): string[] {
  const out: string[] = [];
  for (const name of Object.keys(HART) as (keyof typeof HART)[]) {
    if (['dataBank', 'fetchBank', 'nextBank', 'index', 'bankSatp', 'bankMode', 'crossing', 'x', 'f'].includes(name))
      continue;
    const width = [
      'lines',
      'mcounteren',
      'scounteren',
      'fflags',
      'frm',
      'prv',
      'waiting',
      'hsm',
      'reservationWidth',
    ].includes(name)
      ? 4
      : 8;
    if (a.get(name, 0, width) !== b.get(name, 0, width))
      out.push(`${name}: ${a.get(name, 0, width).toString(16)} ${b.get(name, 0, width).toString(16)}`);
  }
  for (let r = 0; r < 32; r++) {
    if (a.x(r) !== b.x(r)) out.push(`x${r}: ${a.x(r).toString(16)} ${b.x(r).toString(16)}`);
    if (a.f(r) !== b.f(r)) out.push(`f${r}: ${a.f(r).toString(16)} ${b.f(r).toString(16)}`);
  }
  for (const field of ['timeEnd', 'debugAddress'] as const) {
    if (a.machine(field, 8) !== b.machine(field, 8))
      out.push(`${field}: ${a.machine(field, 8)} ${b.machine(field, 8)}`);
  }
  const [ra, rb] = [a.ram(), b.ram()];
  for (let i = 0; i < ra.length && out.length < 40; i++)
    if (ra[i] !== rb[i]) out.push(`ram ${i.toString(16)}: ${ra[i]} ${rb[i]}`);
  if (a.accesses.join() !== b.accesses.join())
    out.push(`devices: ${a.accesses.slice(-3).join('; ')} | ${b.accesses.slice(-3).join('; ')}`);
  return out;
}
