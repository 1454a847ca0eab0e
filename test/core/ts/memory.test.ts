import { describe, expect, test } from 'vitest';
import { ACCESS } from '../../../src/core/core.ts';
import { HART, hartAt, RAM_BASE } from '../../../src/isa/layout.ts';
import { ins, Rig } from './rig.ts';

const BASE = BigInt(RAM_BASE);
const TABLES = 0x40000;
const SATP = (mode: bigint): bigint => (mode << 60n) | ((BASE + BigInt(TABLES)) >> 12n);
const R = 2n,
  W = 4n,
  X = 8n,
  U = 16n,
  A = 64n,
  D = 128n;
const ALL = 1n | R | W | X | A | D;
const addi = (rd: number, imm = 1): number => ins('addi', { rd, rs1: rd, imm });

/** A machine in S-mode whose tables map pages of VA 0x4000_0000 upwards; M-mode handler at 0x1000. */
class Paged {
  readonly rig = new Rig();
  readonly levels: number;
  private next = TABLES + 0x1000;
  private readonly mode: bigint;

  constructor(mode: 8n | 9n | 10n = 8n) {
    this.mode = mode;
    this.levels = Number(mode) - 5;
    this.rig.set('satp', SATP(mode));
    this.rig.set('prv', 1n, 0, 4);
    this.rig.set('menvcfg', 1n << 61n);
  }

  /** RAM address of the entry for an address at a level, making tables on the way. */
  entry(va: bigint, level = 0): number {
    let table = RAM_BASE + TABLES;
    for (let l = this.levels - 1; ; l--) {
      const at = table + Number((va >> BigInt(12 + 9 * l)) & 511n) * 8;
      if (l === level) return at;
      let pte = this.rig.read64(at);
      if ((pte & 1n) === 0n) {
        pte = (((BASE + BigInt(this.next)) >> 12n) << 10n) | 1n;
        this.rig.write64(at, pte);
        this.next += 0x1000;
      }
      table = Number((pte >> 10n) << 12n);
    }
  }

  map(va: bigint, offset: number, flags = ALL, level = 0): number {
    const at = this.entry(va, level);
    this.rig.write64(at, (((BASE + BigInt(offset)) >> 12n) << 10n) | flags);
    return at;
  }

  /** Executes words placed at RAM offset 0x3000, mapped at `va`; returns the M-mode cause and value, or undefined without a trap. */
  step(words: readonly number[], ticks = words.length): { cause: bigint; tval: bigint } | undefined {
    const { rig } = this;
    const va = 0x7000_0000n;
    rig.code(RAM_BASE + 0x3000, words);
    this.map(va, 0x3000, ALL & ~W);
    rig.set('satp', SATP(this.mode));
    rig.set('prv', 1n, 0, 4);
    rig.set('pc', va);
    rig.set('mcause', -1n);
    rig.run(ticks);
    return rig.get('mcause') === 0xffffffffffffffffn ? undefined : { cause: rig.get('mcause'), tval: rig.get('mtval') };
  }
}

const VA = 0x4000_0000n;

describe('page tables', () => {
  test.each([8n, 9n, 10n] as const)('mode %i: all levels, and where addresses end', (mode) => {
    for (let level = 0; level < Number(mode) - 5; level++) {
      const p = new Paged(mode);
      const size = 1n << BigInt(12 + 9 * level);
      // a leaf at each level; large ones must be aligned, and only RAM's start is
      const va = level === 0 ? VA : 3n * size;
      if (level < 2 || size <= BASE) {
        const target = level === 0 ? 0x8000n : 0n;
        const at = p.entry(va, level);
        const frame = level < 2 ? BASE + target : (BASE / size) * size;
        p.rig.write64(at, ((frame >> 12n) << 10n) | ALL);
        const within = level < 2 ? 0x123n * 8n : (BASE % size) + 0x10918n;
        p.rig.write64(Number(frame + within), 0xabcdefn + BigInt(level));
        p.rig.setX(6, va + within);
        expect(p.step([ins('ld', { rd: 5, rs1: 6 })]), `level ${level}`).toBeUndefined();
        expect(p.rig.x(5)).toBe(0xabcdefn + BigInt(level));
        expect(p.rig.core.translate(0, va + within, ACCESS.READ)).toBe(frame + within);
      }
    }
    const p = new Paged(mode);
    const bits = BigInt(p.levels * 9 + 12);
    for (const bad of [1n << (bits - 1n), 1n << 63n, ((1n << 64n) - 1n) ^ (1n << (bits - 1n))]) {
      p.rig.setX(6, bad & ~7n);
      expect(p.step([ins('ld', { rd: 5, rs1: 6 })])).toEqual({ cause: 13n, tval: bad & ~7n });
    }
    // the highest half is legal
    const top = (1n << 64n) - 0x1000n;
    p.map(top, 0x9000);
    p.rig.write64(RAM_BASE + 0x9000, 99n);
    p.rig.setX(6, top);
    expect(p.step([ins('ld', { rd: 5, rs1: 6 })])).toBeUndefined();
    expect(p.rig.x(5)).toBe(99n);
  });

  const load = [ins('ld', { rd: 5, rs1: 6 })];
  const store = [ins('sd', { rs1: 6, rs2: 5 })];
  test.each([
    ['invalid', 0n, 13n, 15n],
    ['writable but not readable', 1n | W | A | D, 13n, 15n],
    ['read-only', 1n | R | A | D, undefined, 15n],
    ['execute-only', 1n | X | A | D, 13n, 15n],
    ['of users', ALL | U, 13n, 15n],
    ['reserved bit', ALL | (1n << 60n), 13n, 15n],
    ['N without its pattern', ALL | (1n << 63n), 13n, 15n],
    ['PBMT without its enable', ALL | (1n << 61n), 13n, 15n],
    ['a pointer at the last level', 1n, 13n, 15n],
    ['good', ALL, undefined, undefined],
  ] as const)('a page that is %s', (_what, flags, onLoad, onStore) => {
    const p = new Paged();
    p.map(VA, 0x9000, flags);
    p.rig.setX(6, VA + 8n);
    expect(p.step(load)?.cause).toBe(onLoad);
    expect(p.step(store)?.cause).toBe(onStore);
    if (onStore !== undefined) expect(p.rig.get('mtval')).toBe(VA + 8n);
  });

  test('pages of users under SUM, executable ones under MXR, none for fetches', () => {
    const p = new Paged();
    p.map(VA, 0x8000, ALL | U);
    p.map(VA + 0x1000n, 0x9000, 1n | X | A);
    p.rig.setX(6, VA);
    p.rig.set('mstatus', p.rig.get('mstatus') | (1n << 18n));
    expect(p.step(load)).toBeUndefined();
    p.rig.setX(6, VA + 0x1000n);
    p.rig.set('mstatus', p.rig.get('mstatus') | (1n << 19n));
    expect(p.step(load)).toBeUndefined();
    p.rig.set('pc', VA);
    p.rig.set('prv', 1n, 0, 4);
    p.rig.run(1);
    expect(p.rig.get('mcause')).toBe(12n);
    expect(p.rig.get('mtval')).toBe(VA);
  });

  test('accessed and dirty are set, or fault when the hardware may not', () => {
    const p = new Paged();
    const at = p.map(VA, 0x8000, 1n | R | W);
    p.rig.setX(6, VA);
    expect(p.rig.core.translate(0, VA, ACCESS.WRITE)).toBe(BASE + 0x8000n);
    expect(p.rig.read64(at) & (A | D)).toBe(0n);
    expect(p.step(load)).toBeUndefined();
    expect(p.rig.read64(at) & (A | D)).toBe(A);
    expect(p.step(store)).toBeUndefined();
    expect(p.rig.read64(at) & (A | D)).toBe(A | D);
    p.rig.core.writeCsr(0, 0x30a, 0n);
    p.rig.write64(at, p.rig.read64(at) & ~D);
    expect(p.step(load)).toBeUndefined();
    expect(p.step(store)?.cause).toBe(15n);
    p.rig.write64(at, p.rig.read64(at) & ~A);
    expect(p.step(load)?.cause).toBe(13n);
    p.rig.set('prv', 1n, 0, 4);
    expect(p.rig.core.translate(0, VA, ACCESS.READ)).toBe(-1n);
  });

  test('64 KiB pages of Svnapot, memory types of Svpbmt', () => {
    const p = new Paged();
    const napot = (((BASE + 0x20000n) >> 12n) << 10n) | (8n << 10n) | ALL | (1n << 63n);
    for (let i = 0n; i < 16n; i++) p.rig.write64(p.entry(VA + i * 0x1000n), napot);
    p.rig.write64(RAM_BASE + 0x2b010, 5n);
    p.rig.setX(6, VA + 0xb010n);
    expect(p.step(load)).toBeUndefined();
    expect(p.rig.x(5)).toBe(5n);
    p.map(VA, 0x8000, ALL | (2n << 61n));
    p.rig.setX(6, VA);
    expect(p.step(load)?.cause).toBe(13n);
    p.rig.core.writeCsr(0, 0x30a, (1n << 61n) | (1n << 62n));
    expect(p.step(load)).toBeUndefined();
    p.map(VA, 0x8000, ALL | (3n << 61n));
    expect(p.step(load)?.cause).toBe(13n);
  });

  test('an access over two pages faults with the first byte of its bad part, and stores nothing', () => {
    const p = new Paged();
    p.map(VA, 0x8000);
    p.map(VA + 0x2000n, 0x9000);
    p.rig.write64(RAM_BASE + 0x8ff8, 0n);
    p.rig.setX(6, VA + 0xffdn);
    p.rig.setX(5, -1n);
    expect(p.step(store)).toEqual({ cause: 15n, tval: VA + 0x1000n });
    expect(p.rig.read64(RAM_BASE + 0x8ff8)).toBe(0n);
    p.rig.setX(6, VA + 0x1ffdn);
    expect(p.step(load)).toEqual({ cause: 13n, tval: VA + 0x1ffdn });
    p.map(VA + 0x1000n, 0xa000);
    expect(p.step(store)).toBeUndefined();
    expect(p.rig.read64(RAM_BASE + 0xaff8)).toBe(0xffffff0000000000n);
    expect(p.rig.read64(RAM_BASE + 0x9000)).toBe(0xffffffffffn);
  });

  test('an instruction over two pages', () => {
    const p = new Paged();
    p.map(VA, 0x8000);
    p.rig.code(RAM_BASE + 0x8ffe, [addi(5, 3)]);
    p.rig.code(RAM_BASE + 0x9000, [(addi(5, 3) >>> 16) | 0x00010000, addi(6)]);
    const go = (ticks: number): void => {
      p.rig.set('prv', 1n, 0, 4);
      p.rig.set('pc', VA + 0xffen);
      p.rig.setX(5, 0n);
      p.rig.run(ticks);
    };
    go(1);
    expect([p.rig.get('mcause'), p.rig.get('mtval'), p.rig.get('mepc')]).toEqual([12n, VA + 0x1000n, VA + 0xffen]);
    p.map(VA + 0x1000n, 0x9000);
    go(1);
    expect([p.rig.x(5), p.rig.get('pc')]).toEqual([3n, VA + 0x1002n]);
    // the same bytes changed: the half behind the border, then the one before it
    p.rig.code(RAM_BASE + 0x9000, [{ half: (ins('addi', { rd: 5, rs1: 5, imm: 9 }) >>> 16) & 0xffff }]);
    go(1);
    expect(p.rig.x(5)).toBe(9n);
    // an illegal one gives all its bits
    p.rig.code(RAM_BASE + 0x8ffe, [{ half: 0xffff }]);
    go(1);
    expect([p.rig.get('mcause'), p.rig.get('mtval')]).toEqual([2n, BigInt(p.rig.read32(RAM_BASE + 0x8ffe))]);
  });
});

describe('translations follow memory without any fence', () => {
  test('a leaf, an upper level, and an entry that was absent', () => {
    const p = new Paged();
    const leaf = p.map(VA, 0x8000);
    p.map(0x5000_0000n, TABLES, ALL); // the root and the tables behind it, as data
    const tables = 0x5000_0000n;
    for (let i = 1n; i < 16n; i++) p.map(tables + i * 0x1000n, TABLES + Number(i) * 0x1000);
    p.rig.write64(RAM_BASE + 0x8000, 1n);
    p.rig.write64(RAM_BASE + 0x9000, 2n);
    const virtual = (ram: number): bigint => tables + BigInt(ram - RAM_BASE - TABLES);
    const pte = (offset: number): bigint => (((BASE + BigInt(offset)) >> 12n) << 10n) | ALL;
    p.rig.setX(6, VA);
    p.rig.setX(7, virtual(leaf));
    p.rig.setX(8, pte(0x9000));
    const peek = ins('ld', { rd: 5, rs1: 6 }),
      poke = ins('sd', { rs1: 7, rs2: 8 }),
      peekAgain = ins('ld', { rd: 9, rs1: 6 });
    expect(p.step([peek, poke, peekAgain])).toBeUndefined();
    expect([p.rig.x(5), p.rig.x(9)]).toEqual([1n, 2n]);
    // taken away
    p.rig.setX(8, 0n);
    expect(p.step([peek, poke, peekAgain])?.cause).toBe(13n);
    // and given
    p.rig.setX(8, pte(0x8000));
    expect(p.step([poke, peek])).toBeUndefined();
    expect(p.rig.x(5)).toBe(1n);
    // the upper level: VA's table replaced by the data page 0x9000, whose entry 0 leads to 0x8008's page
    p.rig.write64(RAM_BASE + 0x9000, pte(0xb000));
    p.rig.write64(RAM_BASE + 0xb000, 77n);
    p.rig.setX(7, virtual(p.entry(VA, 1)));
    p.rig.setX(8, (((BASE + 0x9000n) >> 12n) << 10n) | 1n);
    expect(p.step([peek, poke, peekAgain])).toBeUndefined();
    expect([p.rig.x(5), p.rig.x(9)]).toEqual([1n, 77n]);
    // an AMO on the new table's entry
    p.map(0x6000_0000n, 0x9000);
    p.rig.setX(7, 0x6000_0000n);
    p.rig.setX(8, (1n << 10n) * 1n);
    p.rig.write64(RAM_BASE + 0xc000, 78n);
    expect(p.step([peek, ins('amoadd.d', { rd: 5, rs1: 7, rs2: 8 }), peekAgain])).toBeUndefined();
    expect(p.rig.x(9)).toBe(78n);
  });

  test('the page that runs loses its own translation', () => {
    const p = new Paged();
    const at = p.map(0x7000_0000n, 0x3000);
    p.map(0x5000_0000n, (at - RAM_BASE) & ~0xfff);
    p.rig.setX(6, 0x5000_0000n + BigInt(at & 0xfff));
    expect(p.step([ins('sd', { rs1: 6, rs2: 0 }), addi(5)])).toEqual({ cause: 12n, tval: 0x7000_0004n });
  });

  test('what the host writes counts too', () => {
    const p = new Paged();
    p.map(VA, 0x8000);
    p.rig.setX(6, VA);
    expect(p.step(load8)).toBeUndefined();
    p.map(VA, 0x8000, 0n);
    expect(p.step(load8)?.cause).toBe(13n);
  });

  test('more address spaces than banks', () => {
    const p = new Paged();
    const spaces = 40;
    p.map(0x7000_0000n, 0x3000);
    for (let i = 0; i < spaces; i++) {
      const root = RAM_BASE + 0x60000 + i * 0x3000;
      p.rig.write64(root + 8, ((BigInt(root + 0x1000) >> 12n) << 10n) | 1n);
      p.rig.write64(root + 0x1000, ((BigInt(root + 0x2000) >> 12n) << 10n) | 1n);
      p.rig.write64(root + 0x1000 + 0x180 * 8, p.rig.read64(p.entry(0x7000_0000n, 1)));
      p.rig.write64(root + 0x2000, (((BASE + 0x8000n + BigInt(i % 8) * 0x1000n) >> 12n) << 10n) | ALL);
    }
    for (let i = 0; i < 8; i++) p.rig.write64(RAM_BASE + 0x8000 + i * 0x1000, BigInt(i) + 100n);
    p.rig.setX(6, VA);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < spaces; i++) {
        p.rig.setX(7, (8n << 60n) | (BigInt(RAM_BASE + 0x60000 + i * 0x3000) >> 12n));
        expect(p.step([ins('csrrw', { rs1: 7, imm: 0x180 }), ins('ld', { rd: 5, rs1: 6 })])).toBeUndefined();
        expect(p.rig.x(5)).toBe(BigInt(i % 8) + 100n);
      }
    }
  });
});
const load8 = [ins('ld', { rd: 5, rs1: 6 })];

describe('code that changes', () => {
  test('is seen by the next fetch, in either half of an instruction', () => {
    const rig = new Rig();
    const target = RAM_BASE + 0x20;
    rig.code(target, [addi(5, 1)]);
    rig.setX(6, BigInt(target));
    rig.setX(7, BigInt(ins('addi', { rd: 5, rs1: 5, imm: 64 })));
    rig.setX(8, BigInt(ins('addi', { rd: 5, rs1: 5, imm: 256 }) >>> 16));
    rig.code(RAM_BASE, [ins('jal', { imm: 0x20 })]);
    rig.run(2);
    expect(rig.x(5)).toBe(1n);
    rig.code(RAM_BASE, [ins('sw', { rs1: 6, rs2: 7 }), ins('jal', { imm: 0x1c })]);
    rig.set('pc', BASE);
    rig.run(3);
    expect(rig.x(5)).toBe(65n);
    rig.code(RAM_BASE, [ins('sh', { rs1: 6, rs2: 8, imm: 2 }), ins('jal', { imm: 0x1c })]);
    rig.set('pc', BASE);
    rig.run(3);
    expect(rig.x(5)).toBe(321n);
  });

  test('a page of code that becomes data is stored to as data again', () => {
    const rig = new Rig();
    rig.code(RAM_BASE + 0x5000, [ins('jalr', { rs1: 1 })]);
    rig.setX(1, BASE + 0x1cn);
    rig.setX(6, BASE + 0x5000n);
    rig.code(RAM_BASE, [
      ins('addi', { rd: 5, imm: 2000 }),
      ins('jalr', { rd: 1, rs1: 6 }),
      ins('sd', { rs1: 6, rs2: 5, imm: 16 }),
      addi(5, -1),
      ins('bne', { rs1: 5, rs2: 0, imm: -8 }),
      ins('jalr', { rd: 1, rs1: 6 }),
      addi(7),
      addi(7),
    ]);
    rig.run(2 + 1 + 3 * 2000 + 3);
    expect(rig.get('mcause')).toBe(0n);
    expect(rig.x(7)).toBe(1n);
    expect(rig.read64(RAM_BASE + 0x5010)).toBe(1n);
  });

  test('more pages of code than decoded ones', () => {
    const rig = new Rig(16 << 20);
    const pages = 2600;
    for (let i = 0; i < pages; i++)
      rig.code(RAM_BASE + 0x10000 + i * 4096, [
        addi(5),
        i === pages - 1 ? ins('jalr', { rs1: 1 }) : ins('jal', { imm: 4092 }),
      ]);
    rig.setX(1, BASE + 0x10000n);
    rig.set('pc', BASE + 0x10000n);
    rig.run(2 * pages * 3);
    expect(rig.get('mcause')).toBe(0n);
    expect(rig.x(5)).toBe(BigInt(3 * pages));
  });
});

describe('physical memory protection', () => {
  const entry = (rig: Rig, i: number, config: number, address: bigint): void => {
    rig.view.setUint8(hartAt(0) + HART.pmpcfg + i, config);
    rig.view.setBigUint64(hartAt(0) + HART.pmpaddr + 8 * i, address, true);
  };
  const attempt = (rig: Rig, words: readonly number[], prv: bigint): bigint | undefined => {
    rig.code(RAM_BASE + 0x3000, words);
    rig.set('pc', BASE + 0x3000n);
    rig.set('prv', prv, 0, 4);
    rig.set('mcause', -1n);
    rig.core.hartChanged(0);
    rig.run(words.length);
    return rig.get('mcause') === 0xffffffffffffffffn ? undefined : rig.get('mcause');
  };
  const load = [ins('ld', { rd: 5, rs1: 6 })],
    store = [ins('sd', { rs1: 6, rs2: 5 })];

  test('NA4, NAPOT, TOR; first match; parts; locked entries bind M-mode', () => {
    const rig = new Rig();
    const code = (BASE + 0x3000n) >> 2n;
    entry(rig, 0, 0x1c, code | 0x1ffn); // NAPOT 4 KiB: execute only
    entry(rig, 1, 0x11, (BASE + 0x8000n) >> 2n); // NA4: read
    entry(rig, 2, 0x19, (BASE + 0x8008n) >> 2n); // NAPOT 8 bytes: read
    entry(rig, 3, 0, (BASE + 0x9000n) >> 2n);
    entry(rig, 4, 0x0b, (BASE + 0xa000n) >> 2n); // TOR: read, write
    rig.setX(6, BASE + 0x8008n);
    expect(attempt(rig, load, 1n)).toBeUndefined();
    expect(attempt(rig, store, 1n)).toBe(7n);
    expect(rig.get('mtval')).toBe(BASE + 0x8008n);
    expect(attempt(rig, store, 3n)).toBeUndefined();
    rig.setX(6, BASE + 0x8000n);
    expect(attempt(rig, load, 1n)).toBe(5n);
    expect(attempt(rig, [ins('lw', { rd: 5, rs1: 6 })], 0n)).toBeUndefined();
    rig.setX(6, BASE + 0x9ff8n);
    for (let twice = 0; twice < 2; twice++) expect(attempt(rig, store, 0n)).toBeUndefined();
    rig.setX(6, BASE + 0x8ffcn);
    expect(attempt(rig, load, 1n)).toBe(5n);
    rig.setX(6, BASE + 0xb000n);
    expect(attempt(rig, load, 1n)).toBe(5n);
    expect(attempt(rig, load, 3n)).toBeUndefined();
    entry(rig, 5, 0x98, ((BASE + 0xb000n) >> 2n) | 0x1ffn);
    expect(attempt(rig, load, 3n)).toBe(5n);
  });

  test('a page that may be executed in part', () => {
    const rig = new Rig();
    entry(rig, 0, 0x14, (BASE + 0x3004n) >> 2n);
    entry(rig, 1, 0x1f, (1n << 54n) - 1n);
    rig.view.setUint8(hartAt(0) + HART.pmpcfg, 0x10);
    expect(attempt(rig, [addi(5), addi(5), addi(5)], 1n)).toBe(1n);
    expect([rig.get('mepc'), rig.get('mtval'), rig.x(5)]).toEqual([BASE + 0x3004n, BASE + 0x3004n, 1n]);
    // the second half of an instruction
    rig.code(RAM_BASE + 0x3000, [{ half: 0x0001 }, addi(5)]);
    rig.set('pc', BASE + 0x3000n);
    rig.set('prv', 1n, 0, 4);
    rig.run(2);
    expect([rig.get('mcause'), rig.get('mepc'), rig.get('mtval')]).toEqual([1n, BASE + 0x3002n, BASE + 0x3004n]);
  });

  test('reads of page tables and writes of their bits', () => {
    const p = new Paged();
    const at = p.map(VA, 0x8000, 1n | R | W);
    const table = (BigInt(at) & ~0xfffn) >> 2n;
    p.rig.setX(6, VA);
    entry(p.rig, 1, 0x1f, (1n << 54n) - 1n);
    entry(p.rig, 0, 0x19, table | 0x1ffn); // the last table is read-only
    p.rig.core.hartChanged(0);
    expect(p.step(load)?.cause).toBe(5n);
    expect(p.step(store)?.cause).toBe(7n);
    p.rig.write64(at, p.rig.read64(at) | A);
    expect(p.step(load)).toBeUndefined();
    expect(p.step(store)?.cause).toBe(7n);
    entry(p.rig, 0, 0x18, table | 0x1ffn);
    p.rig.core.hartChanged(0);
    expect(p.step(load)?.cause).toBe(5n);
  });

  test('registers: locked ones, write-only permissions, addresses of 54 bits', () => {
    const rig = new Rig();
    rig.core.writeCsr(0, 0x3a0, 0x8a_00_00_62n | (0x89n << 40n));
    expect(rig.core.readCsr(0, 0x3a0)).toBe(0x88_00_00_00n | (0x89n << 40n));
    rig.core.writeCsr(0, 0x3b3, 1n);
    rig.core.writeCsr(0, 0x3b2, 1n);
    rig.core.writeCsr(0, 0x3b1, (1n << 64n) - 1n);
    expect([1, 2, 3].map((i) => rig.core.readCsr(0, 0x3b0 + i))).toEqual([(1n << 54n) - 1n, 0n, 0n]);
    expect(rig.core.readCsr(0, 0x3a1)).toBeUndefined();
  });
});

describe('atomics', () => {
  test('SC needs its reservation, the same address and the same width', () => {
    const rig = new Rig();
    rig.setX(6, BASE + 0x8000n);
    rig.setX(7, BASE + 0x8008n);
    rig.setX(8, 42n);
    const go = (words: readonly number[]): bigint => {
      rig.code(RAM_BASE, words);
      rig.set('pc', BASE);
      rig.run(words.length);
      return rig.x(5);
    };
    const lr = ins('lr.d', { rd: 5, rs1: 6 });
    expect(go([lr, ins('sc.d', { rd: 5, rs1: 6, rs2: 8 })])).toBe(0n);
    expect(rig.read64(RAM_BASE + 0x8000)).toBe(42n);
    expect(go([ins('sc.d', { rd: 5, rs1: 6, rs2: 8 })])).toBe(1n);
    expect(go([lr, ins('sc.d', { rd: 5, rs1: 7, rs2: 8 })])).toBe(1n);
    expect(go([lr, ins('sc.w', { rd: 5, rs1: 6, rs2: 8 })])).toBe(1n);
    expect(go([lr, ins('sd', { rs1: 6, rs2: 7 }), ins('sc.d', { rd: 5, rs1: 6, rs2: 8 })])).toBe(0n);
    expect(go([ins('lr.w', { rd: 5, rs1: 6 }), ins('sc.w', { rd: 5, rs1: 6, rs2: 8 })])).toBe(0n);
  });

  test('alignment and what is outside RAM', () => {
    const rig = new Rig();
    rig.device = () => 0n;
    const cause = (word: number, address: bigint): bigint => {
      rig.code(RAM_BASE, [word]);
      rig.set('pc', BASE);
      rig.setX(6, address);
      rig.run(1);
      expect(rig.get('mtval')).toBe(address);
      return rig.get('mcause');
    };
    expect(cause(ins('lr.w', { rd: 5, rs1: 6 }), BASE + 2n)).toBe(4n);
    expect(cause(ins('sc.d', { rd: 5, rs1: 6 }), BASE + 4n)).toBe(6n);
    expect(cause(ins('amoor.w', { rd: 5, rs1: 6 }), BASE + 1n)).toBe(6n);
    expect(cause(ins('lr.d', { rd: 5, rs1: 6 }), 0x1000n)).toBe(5n);
    expect(cause(ins('sc.w', { rd: 5, rs1: 6 }), 0x1000n)).toBe(7n);
    expect(cause(ins('amoor.d', { rd: 5, rs1: 6 }), 0x1000n)).toBe(7n);
    expect(cause(ins('lw', { rd: 5, rs1: 6 }), 0x1001n)).toBe(4n);
    expect(cause(ins('sd', { rs1: 6 }), 0x1004n)).toBe(6n);
    expect(cause(ins('cbo.zero', { rs1: 6 }), 0x1010n)).toBe(7n);
    rig.device = undefined;
    expect(cause(ins('lw', { rd: 5, rs1: 6 }), 1n << 60n)).toBe(5n);
    expect(cause(ins('sw', { rs1: 6 }), 0x1000n)).toBe(7n);
  });
});
