import { describe, expect, test } from 'vitest';
import { CSRS } from '../../../src/isa/csrs.ts';
import { ALL_EXTENSIONS, extensionBit } from '../../../src/isa/decode.ts';
import { EXIT, RAM_BASE } from '../../../src/isa/layout.ts';
import { ins, Rig } from './rig.ts';

const BASE = BigInt(RAM_BASE);
const M_HANDLER = BASE + 0x1000n;
const S_HANDLER = BASE + 0x2000n;
const addi = (rd: number, imm = 1): number => ins('addi', { rd, rs1: rd, imm });
const MIE = 8n,
  SIE = 2n,
  FS = 0x6000n;

/** Executes words at the start of RAM in a mode. @returns the cause in M-mode, or undefined without a trap there */
function attempt(
  rig: Rig,
  prv: number,
  words: readonly (number | { half: number })[],
  ticks = words.length,
): bigint | undefined {
  rig.code(RAM_BASE, words);
  rig.set('pc', BASE);
  rig.set('prv', BigInt(prv), 0, 4);
  rig.set('mcause', -1n);
  rig.run(ticks);
  return rig.get('mcause') === 0xffffffffffffffffn ? undefined : rig.get('mcause');
}

describe('traps', () => {
  test('to M-mode and back', () => {
    const rig = new Rig();
    rig.set('mstatus', rig.get('mstatus') | MIE);
    rig.code(RAM_BASE + 0x1000, [
      ins('csrrs', { rd: 5, imm: 0x341 }),
      addi(5, 4),
      ins('csrrw', { rs1: 5, imm: 0x341 }),
      ins('mret'),
    ]);
    expect(attempt(rig, 0, [ins('ecall'), addi(6)], 1)).toBe(8n);
    expect(rig.get('mstatus') & 0x1888n).toBe(0x80n);
    rig.run(5);
    expect(rig.get('prv', 0, 4)).toBe(0n);
    expect(rig.x(6)).toBe(1n);
    expect(rig.get('mstatus') & 0x1888n).toBe(0x88n);
  });

  test('delegated ones go to S-mode, but never from M-mode', () => {
    const rig = new Rig();
    rig.set('medeleg', 0xb3ffn);
    rig.set('mstatus', rig.get('mstatus') | SIE);
    expect(attempt(rig, 1, [ins('ebreak')])).toBeUndefined();
    expect([rig.get('scause'), rig.get('stval'), rig.get('sepc'), rig.get('pc')]).toEqual([3n, BASE, BASE, S_HANDLER]);
    expect(rig.get('mstatus') & 0x122n).toBe(0x120n);
    expect(attempt(rig, 3, [ins('ebreak')])).toBe(3n);
    expect(attempt(rig, 3, [ins('ecall')])).toBe(11n);
    expect(rig.get('mtval')).toBe(0n);
  });

  test('an illegal instruction gives its own bits', () => {
    const rig = new Rig();
    attempt(rig, 3, [0xffffffff]);
    expect(rig.get('mtval')).toBe(0xffffffffn);
    attempt(rig, 3, [{ half: 0 }, { half: 0xffff }], 1);
    expect([rig.get('mcause'), rig.get('mtval')]).toEqual([2n, 0n]);
    attempt(rig, 3, [{ half: 0x8002 }, { half: 0xffff }], 1);
    expect([rig.get('mcause'), rig.get('mtval')]).toEqual([2n, 0x8002n]);
  });

  test('without C, targets off four bytes trap on the jump and write nothing', () => {
    const rig = new Rig();
    rig.setMachine('extensions', BigInt(ALL_EXTENSIONS & ~extensionBit('c')), 8);
    rig.setX(6, BASE + 0x42n);
    rig.setX(5, 9n);
    for (const [word, target] of [
      [ins('jal', { rd: 5, imm: 0x42 }), BASE + 0x42n],
      [ins('jalr', { rd: 5, rs1: 6 }), BASE + 0x42n],
      [ins('beq', { imm: 0x16 }), BASE + 0x16n],
      [ins('jal', { rd: 5, imm: 0x10002 }), BASE + 0x10002n],
    ] as const) {
      expect(attempt(rig, 3, [word])).toBe(0n);
      expect([rig.get('mtval'), rig.get('mepc'), rig.x(5)]).toEqual([target, BASE, 9n]);
    }
    expect(attempt(rig, 3, [ins('bne', { imm: 0x16 })])).toBeUndefined();
    expect(attempt(rig, 3, [{ half: 0x0001 }, { half: 0x0001 }], 1)).toBe(2n);
    rig.core.writeCsr(0, 0x341, BASE + 0x46n);
    expect(rig.core.readCsr(0, 0x341)).toBe(BASE + 0x44n);
  });

  test('vectored interrupts, direct exceptions', () => {
    const rig = new Rig();
    rig.set('mtvec', M_HANDLER | 1n);
    rig.set('mie', 0x80n);
    rig.set('lines', 0x80n, 0, 4);
    rig.set('mstatus', rig.get('mstatus') | MIE);
    attempt(rig, 3, [addi(5)]);
    expect([rig.get('mcause'), rig.get('mepc'), rig.get('pc')]).toEqual([0x8000000000000007n, BASE, M_HANDLER + 28n]);
    rig.set('mie', 0n);
    attempt(rig, 3, [ins('ecall')]);
    expect(rig.get('pc')).toBe(M_HANDLER);
  });
});

describe('interrupts', () => {
  test('priority', () => {
    for (const [pending, first] of [
      [0xaaan, 11n],
      [0x2aan, 3n],
      [0x2a2n, 7n],
      [0x222n, 9n],
      [0x022n, 1n],
      [0x020n, 5n],
    ]) {
      const rig = new Rig();
      rig.set('mie', 0xaaan);
      rig.set('mip', pending);
      attempt(rig, 1, [addi(5)]);
      expect(rig.get('mcause')).toBe((1n << 63n) | first);
      expect(rig.x(5)).toBe(0n);
    }
  });

  test('who is asked: modes, enables and delegation', () => {
    const taken = (prv: number, status: bigint, delegated: boolean): string => {
      const rig = new Rig();
      rig.set('mie', 2n);
      rig.set('mip', 2n);
      rig.set('mideleg', delegated ? 2n : 0n);
      rig.set('mstatus', rig.get('mstatus') | status);
      const cause = attempt(rig, prv, [addi(5)]);
      if (rig.x(5) === 1n) return 'no';
      return cause === undefined ? 'S' : 'M';
    };
    expect(taken(3, 0n, false)).toBe('no');
    expect(taken(3, MIE, false)).toBe('M');
    expect(taken(1, 0n, false)).toBe('M');
    expect(taken(1, 0n, true)).toBe('no');
    expect(taken(1, SIE, true)).toBe('S');
    expect(taken(0, 0n, true)).toBe('S');
    expect(taken(3, MIE | SIE, true)).toBe('no');
  });

  test('are looked at when a CSR enables them, and after xRET', () => {
    const rig = new Rig();
    rig.set('mie', 0x80n);
    rig.set('lines', 0x80n, 0, 4);
    attempt(rig, 3, [addi(5), ins('csrrsi', { rs1: 8, imm: 0x300 }), addi(5), addi(5)], 3);
    expect([rig.get('mepc'), rig.x(5)]).toEqual([BASE + 8n, 1n]);
    expect(rig.machine('timeEnd', 8)).toBe(3n);
    const back = new Rig();
    back.set('mie', 0x80n);
    back.set('lines', 0x80n, 0, 4);
    back.set('mepc', BASE + 0x100n);
    attempt(back, 3, [ins('mret')]);
    expect(back.get('prv', 0, 4)).toBe(0n);
    back.run(1);
    expect([back.get('mcause'), back.get('mepc')]).toEqual([0x8000000000000007n, BASE + 0x100n]);
  });

  test('the supervisor timer follows guest time', () => {
    const rig = new Rig();
    rig.set('menvcfg', 1n << 63n);
    rig.set('stimecmp', 2n);
    rig.set('mip', 0x20n);
    rig.setMachine('timeEnd', 125n, 8);
    const read = [
      ins('csrrs', { rd: 5, imm: 0x344 }),
      ins('csrrs', { rd: 6, imm: 0x344 }),
      ins('csrrs', { rd: 7, imm: 0x344 }),
    ];
    expect(attempt(rig, 3, read)).toBeUndefined();
    expect([rig.x(5), rig.x(6), rig.x(7)]).toEqual([0n, 0n, 0x20n]);
    rig.set('stimecmp', -1n);
    expect(rig.core.readCsr(0, 0x344)).toBe(0n);
    rig.set('menvcfg', 0n);
    expect(rig.core.readCsr(0, 0x344)).toBe(0x20n);
  });

  test('setting bits of mip leaves wired ones out', () => {
    const rig = new Rig();
    rig.set('lines', 0x200n, 0, 4);
    expect(attempt(rig, 3, [ins('csrrsi', { rd: 5, rs1: 2, imm: 0x344 })])).toBeUndefined();
    expect([rig.x(5), rig.get('mip')]).toEqual([0x200n, 2n]);
  });
});

describe('who may do what', () => {
  const U = 0,
    S = 1,
    M = 3;
  const TVM = 1n << 20n,
    TW = 1n << 21n,
    TSR = 1n << 22n;
  const legal = (prv: number, word: number, status = 0n, prepare?: (rig: Rig) => void): boolean => {
    const rig = new Rig();
    rig.set('mstatus', rig.get('mstatus') | status);
    rig.set('mie', 2n);
    rig.set('mip', 2n);
    rig.set('mideleg', 2n);
    rig.setX(20, BASE + 0x8010n);
    prepare?.(rig);
    attempt(rig, prv, [word]);
    if (rig.get('pc') !== M_HANDLER) return true;
    expect([rig.get('mcause'), rig.get('mtval')]).toEqual([2n, BigInt(word)]);
    return false;
  };

  test('returns, waiting and fences', () => {
    expect([U, S, M].map((p) => legal(p, ins('mret'), 0n, (r) => r.set('mie', 0n)))).toEqual([false, false, true]);
    const noInterrupts = (r: Rig): void => r.set('mie', 0n);
    expect([U, S, M].map((p) => legal(p, ins('sret'), 0n, noInterrupts))).toEqual([false, true, true]);
    expect([S, M].map((p) => legal(p, ins('sret'), TSR, noInterrupts))).toEqual([false, true]);
    expect([U, S, M].map((p) => legal(p, ins('wfi'), 0n, noInterrupts))).toEqual([false, true, true]);
    expect([S, M].map((p) => legal(p, ins('wfi'), TW, noInterrupts))).toEqual([false, true]);
    expect([U, S, M].map((p) => legal(p, ins('wrs.nto'), TW, noInterrupts))).toEqual([false, false, true]);
    expect([U, S, M].map((p) => legal(p, ins('wrs.sto'), TW, noInterrupts))).toEqual([true, true, true]);
    for (const name of ['sfence.vma', 'sinval.vma']) {
      expect(
        [U, S, M].map((p) => legal(p, ins(name), 0n, noInterrupts)),
        name,
      ).toEqual([false, true, true]);
      expect(
        [S, M].map((p) => legal(p, ins(name), TVM, noInterrupts)),
        name,
      ).toEqual([false, true]);
    }
    for (const name of ['sfence.w.inval', 'sfence.inval.ir'])
      expect(
        [U, S, M].map((p) => legal(p, ins(name), TVM, noInterrupts)),
        name,
      ).toEqual([false, true, true]);
  });

  test('CSRs by privilege, read-only ones, and those that do not exist', () => {
    const noInterrupts = (r: Rig): void => r.set('mie', 0n);
    const all = (r: Rig): void => {
      r.set('mie', 0n);
      r.set('mcounteren', -1n, 0, 4);
      r.set('scounteren', -1n, 0, 4);
      r.set('menvcfg', 1n << 63n);
    };
    for (const row of CSRS) {
      const level = (row.number >> 8) & 3;
      for (const prv of [U, S, M]) {
        expect(legal(prv, ins('csrrs', { rd: 5, imm: row.number }), FS, all), `${row.name} in mode ${prv}`).toBe(
          prv >= level,
        );
      }
      const readOnly = row.number >> 10 === 3;
      expect(legal(M, ins('csrrsi', { rs1: 1, imm: row.number }), FS, all), row.name).toBe(!readOnly);
      expect(legal(M, ins('csrrw', { rd: 0, imm: row.number }), FS, all), row.name).toBe(!readOnly);
    }
    for (const number of [0x7c0, 0x3a1, 0x004, 0x5a8])
      expect(legal(M, ins('csrrs', { rd: 5, imm: number }))).toBe(false);
    expect(legal(S, ins('csrrs', { rd: 5, imm: 0x180 }), TVM, noInterrupts)).toBe(false);
    expect(legal(M, ins('csrrs', { rd: 5, imm: 0x003 }), 0n, noInterrupts)).toBe(false);
  });

  test('counters and the supervisor timer by their enables', () => {
    const counters =
      (m: bigint, s: bigint) =>
      (r: Rig): void => {
        r.set('mie', 0n);
        r.set('mcounteren', m, 0, 4);
        r.set('scounteren', s, 0, 4);
      };
    for (const [bit, number] of [
      [1n, 0xc00],
      [2n, 0xc01],
      [4n, 0xc02],
      [8n, 0xc03],
    ] as const) {
      const read = ins('csrrs', { rd: 5, imm: number });
      expect([U, S, M].map((p) => legal(p, read, 0n, counters(~bit & 0xffn, 0xffn)))).toEqual([false, false, true]);
      expect([U, S, M].map((p) => legal(p, read, 0n, counters(bit, 0n)))).toEqual([false, true, true]);
      expect([U, S, M].map((p) => legal(p, read, 0n, counters(bit, bit)))).toEqual([true, true, true]);
    }
    const timer =
      (env: bigint, m: bigint) =>
      (r: Rig): void => {
        counters(m, 0n)(r);
        r.set('menvcfg', env);
      };
    const read = ins('csrrs', { rd: 5, imm: 0x14d });
    expect(legal(S, read, 0n, timer(0n, 2n))).toBe(false);
    expect(legal(S, read, 0n, timer(1n << 63n, 0n))).toBe(false);
    expect(legal(S, read, 0n, timer(1n << 63n, 2n))).toBe(true);
    expect(legal(M, read, 0n, timer(0n, 0n))).toBe(true);
  });

  test('cache-block operations by menvcfg and senvcfg', () => {
    const env =
      (m: bigint, s: bigint) =>
      (r: Rig): void => {
        r.set('mie', 0n);
        r.set('menvcfg', m);
        r.set('senvcfg', s);
      };
    for (const [name, bit] of [
      ['cbo.inval', 0x10n],
      ['cbo.clean', 0x40n],
      ['cbo.flush', 0x40n],
      ['cbo.zero', 0x80n],
    ] as const) {
      const word = ins(name, { rs1: 20 });
      expect(
        [U, S, M].map((p) => legal(p, word, 0n, env(0n, 0xf0n))),
        name,
      ).toEqual([false, false, true]);
      expect(
        [U, S, M].map((p) => legal(p, word, 0n, env(bit, 0n))),
        name,
      ).toEqual([false, true, true]);
      expect(
        [U, S, M].map((p) => legal(p, word, 0n, env(bit, bit))),
        name,
      ).toEqual([true, true, true]);
    }
  });
});

describe('CSRs that are not plain', () => {
  test('mstatus: MPP never becomes 2, SD follows FS, sstatus is a part of it', () => {
    const rig = new Rig();
    rig.core.writeCsr(0, 0x300, 0x1800n);
    rig.core.writeCsr(0, 0x300, 0x1000n | 0x2000n);
    expect(rig.core.readCsr(0, 0x300)).toBe(0xa_0000_3800n);
    rig.core.writeCsr(0, 0x100, (1n << 64n) - 1n);
    expect(rig.core.readCsr(0, 0x100)).toBe(0x8000_0002_000c_6122n);
    expect(rig.core.readCsr(0, 0x300)).toBe(0x8000_000a_000c_7922n);
  });

  test('sip and sie show what is delegated', () => {
    const rig = new Rig();
    rig.set('mideleg', 0x22n);
    rig.core.writeCsr(0, 0x104, -1n);
    expect(rig.get('mie')).toBe(0x22n);
    rig.core.writeCsr(0, 0x144, -1n);
    expect(rig.get('mip')).toBe(2n);
    rig.set('lines', 0x200n, 0, 4);
    expect(rig.core.readCsr(0, 0x144)).toBe(2n);
    expect(rig.core.readCsr(0, 0x344)).toBe(0x202n);
  });

  test('fcsr and its parts, each dirties FS', () => {
    for (const csr of [1, 2, 3]) {
      const rig = new Rig();
      rig.set('mstatus', rig.get('mstatus') | 0x2000n);
      rig.setX(6, 0xffn);
      expect(attempt(rig, 3, [ins('csrrw', { rd: 5, rs1: 6, imm: csr })])).toBeUndefined();
      expect(rig.get('mstatus') & FS).toBe(FS);
      expect([rig.get('fflags', 0, 4), rig.get('frm', 0, 4)]).toEqual(
        [
          [0x1fn, 0n],
          [0n, 7n],
          [0x1fn, 7n],
        ][csr - 1],
      );
    }
  });

  test('MPRV: data as the previous mode, until a return to less than M', () => {
    const rig = new Rig();
    rig.set('satp', (8n << 60n) | ((BASE + 0x40000n) >> 12n));
    rig.set('mstatus', rig.get('mstatus') | (1n << 17n) | 0x800n);
    rig.setX(6, BASE);
    expect(attempt(rig, 3, [ins('ld', { rd: 5, rs1: 6 })])).toBe(13n);
    rig.set('mstatus', 0xa_0000_0000n | (1n << 17n) | 0x800n);
    rig.set('mepc', BASE + 0x10n);
    attempt(rig, 3, [ins('mret')]);
    expect(rig.get('mstatus') & (1n << 17n)).toBe(0n);
    expect(rig.run(1)).toBe(EXIT.BUDGET);
    expect(rig.get('mcause')).toBe(12n);
  });
});
