import { COMPRESSED } from '../../../src/isa/compressed.ts';
import { ALL_EXTENSIONS, decode } from '../../../src/isa/decode.ts';
import { assembleNamed as ins } from '../../../src/isa/encode.ts';
import { INSTRUCTIONS } from '../../../src/isa/instructions.ts';
import { RAM_BASE } from '../../../src/isa/layout.ts';
import { CSR_NUMBERS, type Registers, randomLong, randomShort, range } from '../operands.ts';
import type { Random } from '../random.ts';
import { CODE, CODE_STRIDE, DATA, DATA_SIZE, type INPUT_CSRS, STUB } from './layout.ts';
import type { Space } from './pages.ts';

/** One generated case: what the hart starts with, and its instructions, each in a slot of 4 bytes. */
export interface Case {
  readonly kind: string;
  readonly csrs: Partial<Record<keyof typeof INPUT_CSRS | `pmpaddr${number}`, bigint>>;
  readonly x: bigint[];
  readonly f: bigint[];
  readonly code: number[];
}

const BASE = BigInt(RAM_BASE);
/** Slots, besides those kept for the calls at the end. */
const SLOTS = CODE_STRIDE / 4 - 4;
const UXL = 0xa_0000_0000n;
const FS = 0x6000n;
const ALL_OPEN = 0x1fn;
const EVERYWHERE = 0x3f_ffff_ffff_ffffn;
/** There is nothing on either machine. */
const NOWHERE = [1n << 41n, (1n << 41n) + 0x1000n, 1n << 52n];

/** Registers that hold addresses of data; programs do not write them. */
const POINTERS = [2, 8, 9];
const FREE: Registers = { to: range(0, 31).filter((n) => !POINTERS.includes(n)), from: range(0, 31) };

const TIMED = new Set([0xc00, 0xc01, 0xc02, 0xb00, 0xb02]);
const usable = INSTRUCTIONS.filter((row) => !['zicbom', 'zicboz', 'zicond', 'zawrs'].includes(row.extension));
const isMemory = (row: (typeof INSTRUCTIONS)[number]): boolean =>
  row.format === 'AMO' || (/imm\(rs1\)/.test(row.syntax) && row.name !== 'jalr');
const MEMORY = usable.filter((row) => isMemory(row) && !/^(lr|sc)\./.test(row.name));
/** Not at random; QEMU 7.2 also lets U-mode execute sfence.w.inval and sfence.inval.ir, and has ctzw look at all 64 bits. */
const SYSTEM = ['ecall', 'ebreak', 'mret', 'sret', 'wfi', 'sfence.w.inval', 'sfence.inval.ir', 'ctzw'];
const FLOW = usable.filter((row) => row.format === 'B');
const PLAIN = usable.filter(
  (row) =>
    !isMemory(row) &&
    row.format !== 'CSR' &&
    row.format !== 'B' &&
    row.format !== 'J' &&
    row.name !== 'jalr' &&
    !SYSTEM.includes(row.name),
);
const FLOAT = PLAIN.filter((row) => row.fp);
const CSR_ROWS = usable.filter((row) => row.format === 'CSR');
const SHORT = COMPRESSED.filter((row) => !['jal', 'jalr', 'beq', 'bne', 'ebreak'].includes(row.expands));
const SHORT_BRANCH = COMPRESSED.filter((row) => row.expands === 'beq' || row.expands === 'bne');
const NOP = 0x0001;

/** Two 2-byte instructions in a slot. */
const pair = (a: number, b: number): number => ((b << 16) | a) >>> 0;
const withBase = (word: number, base: number): number => ((word & ~0xf8000) | (base << 15)) >>> 0;

function dataPointer(r: Random): bigint {
  const page = r.between(1, DATA_SIZE / 4096 - 2);
  const offset = r.chance(30)
    ? r.pick([0, 0xff8, 0xffc, 0xffd, 0xfff, 4])
    : r.chance(70)
      ? r.below(512) * 8
      : r.below(4096);
  return BASE + BigInt(DATA + page * 4096 + offset);
}

/** Compressed stores and loads address by x2 and x8 to x15: all of those must be pointers wherever one may be used as a base. */
function shortInstruction(r: Random): number {
  const row = r.pick(SHORT);
  const half = randomShort(r, row, FREE);
  // c.mv and c.add with the second register zero are jumps
  if (/^(jalr|ebreak)$/.test(decode(half, ALL_EXTENSIONS)?.row.name ?? '')) return NOP;
  if (!/\(rs1\)/.test(row.syntax)) return half;
  // base field is bits 9:7 of x8…x15, or x2
  return row.name.endsWith('sp') ? half : (half & ~0x380) | ((r.pick([8, 9]) - 8) << 7);
}

/** Appends one instruction or idiom; `left` slots remain. */
function plain(r: Random, out: number[], left: number, floats: number): void {
  const kind = r.below(100);
  if (kind < floats) out.push(randomLong(r, r.pick(FLOAT), FREE));
  else if (kind < 55) out.push(randomLong(r, r.pick(PLAIN), FREE));
  else if (kind < 70) out.push(pair(shortInstruction(r), r.chance(70) ? shortInstruction(r) : NOP));
  else if (kind < 86) out.push(withBase(randomLong(r, r.pick(MEMORY), FREE), r.pick(POINTERS)));
  else if (kind < 90 && left > 4) {
    // forward over a few slots, taken or not
    const over = r.between(1, Math.min(4, left - 1));
    if (r.chance(30)) {
      const half = randomShort(r, r.pick(SHORT_BRANCH), FREE);
      // keep all but the offset, which counts from the first half-word of the slot
      out.push(
        pair(
          (half & ~0x1c7c) | (((over * 4) & 0x18) << 7) | (((over * 4) & 6) << 2) | ((over * 4) & 0x20 ? 4 : 0),
          NOP,
        ),
      );
    } else {
      const row = r.pick(FLOW);
      out.push(ins(row.name, { rs1: r.below(32), rs2: r.below(32), imm: over * 4 }));
    }
    for (let i = 1; i < over; i++) out.push(randomLong(r, r.pick(PLAIN), FREE));
  } else if (kind < 92 && left > 6) {
    const rd = r.pick(FREE.to) || 5;
    if (r.chance(50)) out.push(ins('jal', { rd, imm: 8 }), randomLong(r, r.pick(PLAIN), FREE));
    else
      out.push(
        ins('auipc', { rd, imm: 0 }),
        ins('jalr', { rd: r.pick(FREE.to), rs1: rd, imm: 12 + r.below(2) }),
        randomLong(r, r.pick(PLAIN), FREE),
      );
  } else if (kind < 94 && left > 6) {
    const base = r.pick(POINTERS),
      d = r.pick(['w', 'd']);
    out.push(ins('addi', { rd: 10, rs1: base, imm: 0 }));
    // QEMU does not look at the address of an SC that has no reservation
    out.push(ins('andi', { rd: 10, rs1: 10, imm: -8 }));
    out.push(ins(`lr.${d}`, { rd: r.pick([5, 6, 7, 0]), rs1: 10 }));
    if (r.chance(50)) out.push(ins('xor', { rd: 5, rs1: 6, rs2: 7 }));
    out.push(ins(`sc.${d}`, { rd: r.pick([11, 12, 0]), rs1: 10, rs2: r.below(32) }));
    if (r.chance(50)) out.push(ins(`sc.${d}`, { rd: 13, rs1: 10, rs2: r.below(32) }));
  } else if (kind < 96) out.push(ins(r.pick(['fence', 'fence.i', 'ebreak', 'sfence.vma']), {}));
  else if (kind < 98) {
    // reserved encodings and instructions that are switched off
    const off = INSTRUCTIONS.filter((row) => ['zicond', 'zicbom', 'zicboz'].includes(row.extension));
    out.push(
      r.chance(50)
        ? randomLong(r, r.pick(off), FREE)
        : pair(r.pick([0, 0x2000 & 0, 0x6001, 0x8002, 0x9c61, 0x9c41, 0x2001, 0x4002, 0x6002]), NOP),
    );
  } else
    out.push(
      (randomLong(r, r.pick(CSR_ROWS.slice(0, 3)), { to: FREE.to, from: [0, 5] }) & 0xfffff) |
        (r.pick([1, 2, 3]) << 20),
    );
}

function registers(r: Random): { x: bigint[]; f: bigint[] } {
  const x = range(0, 31).map(() => r.corner());
  for (const p of POINTERS) x[p] = dataPointer(r);
  const f = range(0, 31).map(() =>
    r.chance(50) ? r.double() : r.chance(90) ? 0xffff_ffff_0000_0000n | BigInt(r.single()) : r.corner(),
  );
  return { x, f };
}

/** A medeleg: never calls from S-mode nor faults on fetching, and the same for loads and stores (QEMU takes AMOs for loads at times). */
function delegation(r: Random): bigint {
  const v = r.u64() & 0x213cn;
  const loads = v & 0x2030n;
  return (v & 0x11cn) | loads | ((loads & 0x30n) << 2n) | ((loads & 0x2000n) << 2n);
}

type Mode = 0 | 1 | 3;

function start(r: Random, mode: Mode): Case['csrs'] {
  return {
    menvcfg: 0xe000_0000_0000_0001n,
    stimecmp: 1n << 40n,
    stvec: BASE + BigInt(STUB) + BigInt(r.below(2)),
    fcsr: BigInt(r.below(32) | (r.pick([0, 0, 1, 2, 3, 4, 5, 7]) << 5)),
    pmpcfg0: ALL_OPEN,
    pmpaddr0: EVERYWHERE,
    mcounteren: 0xffff_ffffn,
    scounteren: 0xffff_ffffn,
    medeleg: r.chance(70) ? 0n : delegation(r),
    mstatus: FS | UXL | (BigInt(mode) << 11n) | (r.u64() & 0xc_01a2n),
    sscratch: r.corner(),
    sepc: r.corner() & ~1n,
    scause: r.corner(),
    stval: r.corner(),
  };
}

const modeOf = (r: Random): Mode => r.pick([0, 1, 1, 3, 3, 3] as const);
const codeAt = (index: number): bigint => BASE + BigInt(CODE + index * CODE_STRIDE);

function fill(r: Random, code: number[], one: (left: number) => void): void {
  const length = r.between(12, SLOTS);
  while (code.length < length) one(SLOTS - code.length);
  code.length = Math.min(code.length, SLOTS);
}

/** Integer, floating-point, memory, atomic and compressed instructions and short jumps, without translation. */
function mixed(r: Random, index: number): Case {
  const mode = modeOf(r);
  const code: number[] = [];
  const floats = r.pick([8, 8, 40]);
  fill(r, code, (left) => plain(r, code, left, floats));
  const csrs = { ...start(r, mode), mepc: codeAt(index) };
  if (r.chance(3)) csrs.mstatus = (csrs.mstatus ?? 0n) & ~FS;
  return { kind: `mixed ${mode}`, csrs, ...registers(r), code };
}

/** Every floating-point row with every rounding mode. */
function floating(r: Random, index: number): Case {
  const code: number[] = [];
  fill(r, code, () => {
    code.push(randomLong(r, r.pick(FLOAT), FREE));
    // results soon become NaN: fresh numbers from memory
    if (r.chance(40))
      code.push(
        withBase(
          ins(r.pick(['fld', 'flw']), { rd: r.below(32), rs1: 0, imm: r.between(-200, 200) * 8 }),
          r.pick(POINTERS),
        ),
      );
    if (r.chance(10)) code.push(ins('csrrwi', { rd: r.pick(FREE.to), rs1: r.below(32), imm: r.pick([1, 2]) }));
  });
  return { kind: 'floating', csrs: { ...start(r, 3), mepc: codeAt(index) }, ...registers(r), code };
}

/** What a write of a CSR may be in M-mode without losing the runner. */
function csrValue(r: Random, number: number, mode: Mode): bigint {
  switch (number) {
    case 0x105:
      return r.pick([BASE + BigInt(STUB), BASE + BigInt(STUB) + 1n]);
    // where a table would lie outside RAM QEMU raises page faults; only M-mode may look for it
    case 0x180:
      return (
        (BigInt(r.pick(mode === 3 ? [0, 1, 5, 8, 9, 10, 11, 15] : [0, 1, 5, 11, 15])) << 60n) |
        (r.u64() & 0xfff_ffff_ffff_ffffn)
      );
    case 0x302:
      return delegation(r);
    case 0x303:
      return r.u64() & 0x222n;
    case 0x304:
      return r.pick([2n, 0x20n, 0x200n, 0n]);
    case 0x344:
      return r.u64() & 0x222n;
    case 0x30a:
      return (r.u64() & 0x4000_0000_0000_0001n) | (1n << 63n);
    // QEMU keeps bits that do not exist
    case 0x306:
    case 0x106:
      return BigInt(r.u32());
    case 0x10a:
      return r.u64() & 1n;
    case 0x141:
    case 0x341:
      return r.corner() & ~1n;
    case 0x14d:
      return r.pick([0n, 1n << 40n]);
    case 0x3a0:
    case 0x3a2: {
      // write without read is reserved, and kept by QEMU
      const v = (r.u64() & 0x1f1f_1f1f_1f1f_1f00n) | ALL_OPEN;
      return v | ((v & 0x0202_0202_0202_0202n) >> 1n);
    }
    case 0x100:
      return (r.u64() & 0xc_0122n) | FS;
    case 0x300:
      return (r.u64() & 0x7e_79aan & ~0x20000n) | FS;
    // QEMU lets csrrs and csrrc of a register that holds 0 pass on read-only CSRs
    default:
      return number >= 0x3b0 && number < 0x3c0 ? r.corner() & EVERYWHERE : r.corner() || 1n;
  }
}

/** CSR instructions on every number; writes in M-mode keep what the runner stands on. */
function csr(r: Random, index: number): Case {
  const mode = r.pick([0, 1, 3, 3, 3] as const);
  const code: number[] = [];
  const { x, f } = registers(r);
  let next = 10;
  fill(r, code, () => {
    let number = r.chance(75) ? r.pick(CSR_NUMBERS) : r.below(4096);
    // QEMU has vstimecmp without the hypervisor extension it belongs to
    if (number === 0x24d) number = 0x240;
    const row = r.pick(CSR_ROWS);
    const immediate = row.name.endsWith('i');
    const rd = TIMED.has(number) || (number >= 0xf11 && number <= 0xf13) ? 0 : r.pick([5, 6, 7, 0, 3, 4]);
    // mtvec and mscratch are the runner's; debug triggers and the hypervisor are QEMU's own
    const counter = (number >= 0xb03 && number < 0xb20) || (number >= 0x323 && number < 0x340) || number === 0x320;
    const mine = counter || [0x305, 0x340].includes(number) || (number >= 0x7a0 && number < 0x7c0);
    const reading = mine || TIMED.has(number) || r.chance(30);
    const clears = [0x100, 0x3a0, 0x3a2, 0x30a, 0x10a, 0x141, 0x341, 0x105, 0x300, 0x302].includes(number);
    if (reading) {
      code.push(ins(r.pick(['csrrs', 'csrrc', 'csrrsi', 'csrrci']), { rd, rs1: 0, imm: number }));
      return;
    }
    if (immediate && !clears) {
      code.push(
        ins(row.name, { rd, rs1: r.below(32) & ([0x303, 0x304, 0x344].includes(number) ? 2 : 31), imm: number }),
      );
      return;
    }
    if (next === 32) return void code.push(ins('csrrs', { rd, rs1: 0, imm: number }));
    x[next] = csrValue(r, number, mode);
    code.push(
      ins(
        clears
          ? number === 0x300 || number === 0x302
            ? r.pick(['csrrw', 'csrrs'])
            : 'csrrw'
          : row.name.replace(/i$/, ''),
        { rd, rs1: next++, imm: number },
      ),
    );
  });
  // QEMU 7.2 has no ADUE
  return {
    kind: `csr ${mode}`,
    csrs: { ...start(r, mode), menvcfg: 0xc000_0000_0000_0001n, mepc: codeAt(index) },
    x,
    f,
    code,
  };
}

/** Loads, stores and atomics through page tables, from U and S and from M with MPRV. */
function paged(r: Random, index: number, all: readonly Space[]): Case {
  const mode = r.pick([0, 1, 1, 3] as const);
  const space = r.pick(all);
  const code: number[] = [];
  const { x, f } = registers(r);
  const bases = range(10, 25);
  for (const b of bases) {
    const page = r.pick(space.mappings).address;
    x[b] = BigInt.asUintN(
      64,
      page +
        BigInt(
          r.chance(30) ? r.pick([0xffc, 0xffd, 0xfff, 0xff9]) : r.below(510) * 8 + (r.chance(20) ? r.below(8) : 0),
        ),
    );
  }
  // MPP stays U: QEMU 7.2 keeps translations of MPRV when returns and traps change it
  x[26] = (r.u64() & 0x8_0000n) | (r.chance(60) ? 0x4_0000n : 0n) | 0x2_0000n;
  if (mode === 3) code.push(ins('csrrc', { rd: 0, rs1: 27, imm: 0x300 }), ins('csrrs', { rd: 0, rs1: 26, imm: 0x300 }));
  x[27] = 0x1800n;
  const to = [3, 4, 5, 6, 7];
  fill(r, code, () => {
    const kind = r.below(20);
    if (kind < 15) {
      const row = r.pick(MEMORY);
      const small = { to, from: FREE.from };
      let w = withBase(randomLong(r, row, small), r.pick(bases));
      if (row.format === 'I') w = (w & 0xfffff) | ((r.between(-2, 2) * 4) << 20);
      if (row.format === 'S') w &= ~0xfe000f80;
      code.push(w >>> 0);
    } else if (kind < 17) code.push(ins('csrrw', { rd: 5, rs1: 28, imm: 0x100 }));
    else if (kind < 18)
      code.push(ins(r.pick(['sfence.vma', 'sinval.vma']), { rs1: r.pick([0, ...bases]), rs2: r.pick([0, 5]) }));
    else code.push(randomLong(r, r.pick(PLAIN), { to, from: FREE.from }));
  });
  x[28] = FS | (r.u64() & 0xc_0000n);
  const begin =
    mode === 3 ? codeAt(index) : (mode === 1 ? space.supervisor : space.user) + BigInt(CODE + index * CODE_STRIDE);
  const csrs = {
    ...start(r, mode),
    satp: space.satp | (BigInt(r.below(3)) << 44n),
    stvec: space.stub,
    mepc: BigInt.asUintN(64, begin),
  };
  return { kind: `paged ${mode} sv${space.satp >> 60n}`, csrs, x, f, code };
}

/** Accesses around the borders of protected regions. */
function protectedRegions(r: Random, index: number): Case {
  const mode = r.pick([0, 1, 3] as const);
  const code: number[] = [];
  const { x, f } = registers(r);
  const csrs = { ...start(r, mode), mepc: codeAt(index) } as Record<string, bigint>;
  const borders: bigint[] = [];
  let config = [0n, 0n];
  const used = r.between(1, 7);
  for (let i = 0; i < used; i++) {
    const at = BASE + BigInt(DATA + r.below(DATA_SIZE / 8) * 8);
    // QEMU looks only at the ends of an access: it would miss 4 bytes in the middle
    const type = r.pick([0, 1, 3]);
    let address = mode === 0 ? (at >> 12n) << 10n : (at >> 2n) | BigInt(r.below(2));
    if (type === 3)
      address = ((address >> 1n) << 1n) | ((1n << BigInt(mode === 0 ? r.between(9, 12) : r.below(12))) - 1n);
    csrs[`pmpaddr${i}`] = address;
    borders.push(address << 2n, type === 3 ? at & ~0x3fffn : at);
    config[0] |= BigInt((type << 3) | r.pick([0, 1, 3, 4, 5, 7, 7])) << BigInt(8 * i);
  }
  // everything else is open, by the last entry
  config = [config[0], 0x1fn << 56n];
  csrs.pmpcfg0 = config[0];
  csrs.pmpcfg2 = config[1];
  csrs.pmpaddr15 = EVERYWHERE;
  if (used === 1) csrs.pmpaddr0 ??= 0n;
  const bases = range(10, 20);
  for (const b of bases) {
    x[b] = r.pick(borders) + BigInt(r.between(-4, 4) * (r.chance(60) ? 4 : 1));
    // accesses that cross pages are two here, each protected on its own, and one in QEMU
    if (x[b] % 4096n > 4064n || x[b] % 4096n < 16n) x[b] += 64n;
  }
  if (mode === 3) {
    code.push(ins('csrrc', { rd: 0, rs1: 27, imm: 0x300 }), ins('csrrs', { rd: 0, rs1: 26, imm: 0x300 }));
    x[27] = 0x1800n;
    x[26] = 0x2_0000n | (BigInt(r.below(2)) << 11n);
  }
  const to = [3, 4, 5, 6, 7];
  fill(r, code, () => {
    // QEMU 7.2 keeps a whole page for allowed once some access to it was
    if (mode !== 0) code.push(ins('sfence.vma'));
    let w = withBase(randomLong(r, r.pick(MEMORY), { to, from: FREE.from }), r.pick(bases));
    const opcode = w & 0x7f;
    if (opcode === 0x03 || opcode === 0x07) w = (w & 0xfffff) | ((r.between(-2, 2) * 4) << 20);
    else if (opcode === 0x23 || opcode === 0x27) w &= ~0xfe000f80;
    code.push(w >>> 0);
  });
  return { kind: `protected ${mode}`, csrs, x, f, code };
}

/** Loads and stores where nothing is; returns to lower privileges; interrupts made pending by hand. */
function trapping(r: Random, index: number): Case {
  const code: number[] = [];
  const { x, f } = registers(r);
  const csrs = { ...start(r, 3), mepc: codeAt(index) };
  x[20] = r.pick(NOWHERE);
  // one at a time: QEMU takes the lowest number first, whatever the order of priorities is
  x[21] = r.pick([2n, 0x20n, 0x200n]);
  x[22] = r.pick([2n, 0x20n, 0x200n]);
  x[23] = r.u64() & 0x222n;
  x[24] = FS | (r.u64() & 0x6c_01a2n & ~0x600n) | (BigInt(r.pick([0, 1, 3])) << 11n);
  x[25] = delegation(r);
  const system = ['ebreak', 'sret', 'mret', 'sfence.vma', 'sinval.vma', 'wfi'];
  const nothing = (): void => void code.push(randomLong(r, r.pick(PLAIN), { to: [3, 4, 5, 6, 7], from: FREE.from }));
  nothing();
  code.push(withBase(ins(r.pick(['lb', 'lw', 'ld', 'sd', 'sw', 'amoadd.d', 'lr.w', 'flw', 'fsd']), { rs1: 0 }), 20));
  if (r.chance(60)) code.push(ins('csrrw', { rd: 5, rs1: 23, imm: 0x303 }));
  if (r.chance(50)) code.push(ins('csrrw', { rd: 5, rs1: 25, imm: 0x302 }));
  if (r.chance(70)) code.push(ins('csrrw', { rd: 5, rs1: 21, imm: 0x304 }));
  if (r.chance(70)) code.push(ins(r.pick(['csrrw', 'csrrs']), { rd: 6, rs1: 22, imm: 0x344 }));
  if (r.chance(20)) code.push(ins('csrrw', { rd: 6, rs1: 0, imm: 0x14d }));
  if (r.chance(30)) code.push(ins(r.pick(['csrrsi', 'csrrci']), { rd: 7, rs1: 8, imm: 0x300 }));
  nothing();
  // to another privilege, at the slot behind the return
  code.push(ins('csrrw', { rd: 7, rs1: 24, imm: 0x300 }));
  const s = r.chance(30);
  code.push(
    ins('auipc', { rd: 26, imm: 0 }),
    ins('addi', { rd: 26, rs1: 26, imm: 16 }),
    ins('csrrw', { rd: 0, rs1: 26, imm: s ? 0x141 : 0x341 }),
    ins(s ? 'sret' : 'mret'),
  );
  for (let n = r.between(2, 10); n > 0; n--) {
    const kind = r.below(6);
    if (kind < 2) nothing();
    else if (kind < 3)
      code.push(ins(r.pick(['csrrw', 'csrrs', 'csrrc']), { rd: r.pick([3, 4]), rs1: 22, imm: r.pick([0x144, 0x104]) }));
    else if (kind < 5) {
      const name = r.pick(system);
      // a wfi that waits would wait for ever, and returns go where nobody knows
      code.push(
        name === 'wfi' || name === 'mret' || name === 'sret'
          ? ins('csrrs', { rd: 3, rs1: 0, imm: r.pick([0x100, 0x144, 0x104, 0x180, 0x344, 0x142]) })
          : ins(name),
      );
    } else code.push(ins(r.pick(['ecall', 'ebreak', 'csrrw']), r.chance(50) ? {} : {}));
  }
  return { kind: 'trapping', csrs, x, f, code };
}

/** A case for that place in the image. */
export function makeCase(r: Random, index: number, all: readonly Space[]): Case {
  const kind = r.below(100);
  if (kind < 45) return mixed(r, index);
  if (kind < 58) return floating(r, index);
  if (kind < 70) return csr(r, index);
  if (kind < 85) return paged(r, index, all);
  if (kind < 92) return protectedRegions(r, index);
  return trapping(r, index);
}
