import { describe, expect, test } from 'vitest';
import { DEBUG, EXIT, PAGE_FLAG, RAM_BASE, ramTables } from '../../../src/isa/layout.ts';
import { constant, ins, Rig } from './rig.ts';

const BASE = BigInt(RAM_BASE);
const M_HANDLER = RAM_BASE + 0x1000;
const addi = (rd: number, imm = 1): number => ins('addi', { rd, rs1: rd, imm });

describe('ticks', () => {
  test('exactly n instructions, wherever the slices end', () => {
    const words = [
      addi(5),
      ins('xori', { rd: 6, rs1: 5, imm: 3 }),
      ins('beq', { rs1: 0, rs2: 0, imm: 8 }),
      addi(7),
      addi(8),
      ins('jal', { imm: -20 }),
    ];
    const whole = new Rig();
    whole.code(RAM_BASE, words);
    whole.run(1000);
    const parts = new Rig();
    parts.code(RAM_BASE, words);
    for (let n = 1, done = 0; done < 1000; n++) {
      const ticks = Math.min((n % 17) + 1, 1000 - done);
      expect(parts.run(ticks)).toBe(EXIT.BUDGET);
      done += ticks;
      expect(parts.machine('timeEnd', 8)).toBe(BigInt(done));
      expect(parts.get('ticksEnd')).toBe(BigInt(done));
      expect(parts.machine('left', 4)).toBe(0n);
    }
    expect(parts.harts()).toEqual(whole.harts());
    expect(whole.x(5)).toBe(200n);
    expect(whole.x(7)).toBe(0n);
  });

  test('a page ends where its slice ends, at the top of the low word of addresses too', () => {
    const rig = new Rig();
    for (const length of [1, 2, 3]) {
      rig.code(RAM_BASE + 0x4ffc, [addi(5), addi(5), addi(5)]);
      rig.set('pc', BASE + 0x4ffcn);
      rig.run(length);
      expect(rig.get('pc')).toBe(BASE + 0x4ffcn + 4n * BigInt(length));
    }
  });

  test('a synchronous trap uses its tick but does not retire', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [ins('ecall')]);
    rig.code(M_HANDLER, [ins('csrrs', { rd: 5, imm: 0xb00 }), ins('csrrs', { rd: 6, imm: 0xb02 })]);
    expect(rig.run(3)).toBe(EXIT.BUDGET);
    expect(rig.x(5)).toBe(1n);
    expect(rig.x(6)).toBe(1n);
    expect(rig.get('mcause')).toBe(11n);
    expect(rig.get('mepc')).toBe(BASE);
    expect(rig.machine('lastTrap', 4)).toBe(11n);
  });

  test('counters start where they are written, and time moves once in 64 ticks', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [
      ...constant(5, 1000n),
      ins('csrrw', { rs1: 5, imm: 0xb00 }),
      ins('csrrs', { rd: 6, imm: 0xb00 }),
      ins('csrrs', { rd: 7, imm: 0xb00 }),
      ins('csrrw', { rs1: 0, imm: 0xb02 }),
      ins('csrrs', { rd: 8, imm: 0xc02 }),
      ins('csrrs', { rd: 9, imm: 0xc01 }),
    ]);
    rig.setMachine('timeEnd', 64n * 0x1_0000_0000n - 7n, 8);
    rig.run(7);
    expect(rig.get('mcause')).toBe(0n);
    expect([rig.x(6), rig.x(7), rig.x(8), rig.x(9)]).toEqual([1000n, 1001n, 0n, 0x1_0000_0000n]);
  });
});

describe('reasons to come back', () => {
  test('WFI waits, and wakes for a pending interrupt that is not enabled', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [ins('wfi'), addi(5), addi(5)]);
    rig.set('mie', 0x80n);
    expect(rig.run(100)).toBe(EXIT.WAIT);
    expect(rig.get('waiting', 0, 4)).toBe(1n);
    expect(rig.get('pc')).toBe(BASE + 4n);
    expect(rig.machine('timeEnd', 8)).toBe(1n);
    expect(rig.run(100)).toBe(EXIT.WAIT);
    expect(rig.machine('timeEnd', 8)).toBe(1n);
    rig.set('lines', 0x80n, 0, 4);
    expect(rig.run(1)).toBe(EXIT.BUDGET);
    expect(rig.x(5)).toBe(1n);
    expect(rig.get('waiting', 0, 4)).toBe(0n);
  });

  test('WFI with an interrupt pending is no stop', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [ins('wfi'), addi(5)]);
    rig.set('mie', 0x80n);
    rig.set('lines', 0x80n, 0, 4);
    expect(rig.run(2)).toBe(EXIT.BUDGET);
    expect(rig.x(5)).toBe(1n);
  });

  test('a stopped hart waits', () => {
    const rig = new Rig();
    rig.set('hsm', 1n, 0, 4);
    expect(rig.run(5)).toBe(EXIT.WAIT);
    expect(rig.get('ticksEnd')).toBe(0n);
  });

  test('ECALL of S-mode for the host', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [ins('ecall'), addi(5)]);
    rig.set('prv', 1n, 0, 4);
    rig.setMachine('hostSbi', 1n, 4);
    expect(rig.run(9)).toBe(EXIT.SBI);
    expect(rig.get('pc')).toBe(BASE + 4n);
    expect(rig.get('instretOffset')).toBe(0n);
    expect(rig.machine('timeEnd', 8)).toBe(1n);
  });

  test('stimecmp and menvcfg have the slice planned again, with and without ticks left', () => {
    for (const ticks of [1, 10]) {
      for (const csr of [0x14d, 0x30a]) {
        const rig = new Rig();
        rig.code(RAM_BASE, [ins('csrrw', { rs1: 5, imm: csr }), addi(6)]);
        expect(rig.run(ticks)).toBe(EXIT.REPLAN);
        expect(rig.get('pc')).toBe(BASE + 4n);
        expect(rig.machine('timeEnd', 8)).toBe(1n);
      }
    }
  });

  test('a device that asks for attention, also when its access faults', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [
      ins('lw', { rd: 5, rs1: 6 }),
      ins('sb', { rs1: 6, rs2: 5, imm: 3 }),
      ins('lw', { rd: 5, rs1: 7 }),
      addi(8),
    ]);
    rig.setX(6, 0x1000_0000n);
    rig.setX(7, 0x2000_0000n);
    rig.device = (write, address, _width, value) => {
      expect(rig.machine('timeEnd', 8) - rig.machine('left', 4)).toBe(
        BigInt(write ? 2 : address === 0x2000_0000 ? 3 : 1),
      );
      expect(rig.get('pc')).toBe(BASE + (write ? 4n : address === 0x2000_0000 ? 8n : 0n));
      rig.setMachine('attention', 1n, 4);
      return address === 0x2000_0000 ? undefined : write ? value : 0xfffffffffn;
    };
    expect(rig.run(50)).toBe(EXIT.REPLAN);
    expect(rig.x(5)).toBe(0xffffffffffffffffn);
    expect(rig.machine('attention', 4)).toBe(0n);
    expect(rig.run(50)).toBe(EXIT.REPLAN);
    expect(rig.run(50)).toBe(EXIT.REPLAN);
    expect(rig.get('mcause')).toBe(5n);
    expect(rig.get('pc')).toBe(BigInt(M_HANDLER));
    expect(rig.accesses).toEqual(['r 10000000 4', 'w 10000003 1 ff']);
    expect(rig.machine('timeEnd', 8)).toBe(3n);
  });
});

describe('debug points', () => {
  test('an execute point stops before its instruction, passes once when told, at any slice', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [addi(5), addi(6), ins('jal', { imm: -8 })]);
    rig.point(DEBUG.EXECUTE, BASE + 4n, BASE + 5n);
    expect(rig.run(100)).toBe(EXIT.DEBUG);
    expect(rig.get('pc')).toBe(BASE + 4n);
    expect(rig.machine('timeEnd', 8)).toBe(1n);
    expect(rig.run(100)).toBe(EXIT.DEBUG);
    expect(rig.machine('timeEnd', 8)).toBe(1n);
    rig.setMachine('debugSkip', 1n, 4);
    expect(rig.run(2)).toBe(EXIT.BUDGET);
    rig.setMachine('debugSkip', 1n, 4);
    expect(rig.run(100)).toBe(EXIT.DEBUG);
    expect(rig.x(6)).toBe(1n);
    expect(rig.x(5)).toBe(2n);
    expect(rig.machine('debugSkip', 4)).toBe(0n);
  });

  test('watchpoints see what touches their bytes, before it happens', () => {
    const rig = new Rig();
    const at = BASE + 0x8000n;
    rig.setX(6, at);
    rig.code(RAM_BASE, [
      ins('sw', { rs1: 6, rs2: 5, imm: 0 }),
      ins('sd', { rs1: 6, rs2: 5, imm: 1 }),
      ins('ld', { rd: 7, rs1: 6, imm: 8 }),
      ins('amoadd.w', { rd: 7, rs1: 6, rs2: 5 }),
      ins('cbo.zero', { rs1: 6 }),
    ]);
    rig.run(5);
    rig.set('pc', BASE);
    rig.point(DEBUG.WRITE, at + 8n, at + 9n);
    rig.point(DEBUG.READ, at, at + 4n);
    expect(rig.run(100)).toBe(EXIT.DEBUG);
    expect([rig.get('pc'), rig.machine('debugHit', 4), rig.machine('debugAddress', 8)]).toEqual([
      BASE + 4n,
      0n,
      at + 1n,
    ]);
    const before = rig.machine('timeEnd', 8);
    rig.setMachine('debugSkip', 1n, 4);
    expect(rig.run(100)).toBe(EXIT.DEBUG);
    expect([rig.get('pc'), rig.machine('debugHit', 4), rig.machine('debugAddress', 8)]).toEqual([BASE + 12n, 1n, at]);
    expect(rig.machine('timeEnd', 8) - before).toBe(2n);
    rig.setMachine('debugSkip', 1n, 4);
    expect(rig.run(100)).toBe(EXIT.DEBUG);
    expect([rig.get('pc'), rig.machine('debugHit', 4), rig.machine('debugAddress', 8)]).toEqual([BASE + 16n, 0n, at]);
  });

  test('points change nothing the guest sees', () => {
    const words = [
      addi(5),
      ins('csrrs', { rd: 6, imm: 0xb00 }),
      ins('sd', { rs1: 7, rs2: 6 }),
      addi(7, 8),
      ins('ecall'),
    ];
    const run = (points: boolean): Uint8Array => {
      const rig = new Rig();
      rig.code(RAM_BASE, words);
      rig.code(M_HANDLER, [addi(9), ins('csrrw', { rs1: 10, imm: 0x341 }), ins('mret')]);
      rig.setX(7, BASE + 0x8000n);
      rig.setX(10, BASE);
      rig.set('mstatus', rig.get('mstatus') | 0x1800n);
      if (points) {
        rig.point(DEBUG.EXECUTE, BASE + 0x100n, BASE + 0x104n);
        rig.point(DEBUG.WRITE, BASE + 0x8004n, BASE + 0x8005n);
      }
      for (let left = 4000n; left > 0n; ) {
        const from = rig.machine('timeEnd', 8);
        if (rig.run(Number(left)) === EXIT.DEBUG) rig.setMachine('debugSkip', 1n, 4);
        left -= rig.machine('timeEnd', 8) - from;
      }
      return rig.harts();
    };
    expect(run(true)).toEqual(run(false));
  });
});

describe('what the host is told', () => {
  test('dirty pages', () => {
    const rig = new Rig();
    const flags = ramTables(rig.ramSize).flags;
    const dirty = (): number[] =>
      [...new Uint8Array(rig.memory.buffer, flags, rig.ramSize / 4096)].flatMap((f, i) =>
        f & PAGE_FLAG.DIRTY ? [i] : [],
      );
    rig.setX(6, BASE + 0x8000n);
    rig.code(RAM_BASE, [ins('sd', { rs1: 6, rs2: 5 }), ins('jal', { imm: -4 })]);
    rig.core.clearDirty();
    expect(dirty()).toEqual([]);
    rig.run(10);
    expect(dirty()).toEqual([8]);
    rig.core.clearDirty();
    expect(dirty()).toEqual([]);
    rig.run(10);
    expect(dirty()).toEqual([8]);
    rig.setX(6, BASE + 0x9ffcn);
    rig.run(2);
    expect(dirty()).toEqual([8, 9, 10]);
    rig.core.ramChanged(0x20ff0, 0x20);
    expect(dirty()).toEqual([8, 9, 10, 32, 33]);
  });

  test('host writes reach code and reservations', () => {
    const rig = new Rig();
    rig.setX(6, BASE + 0x8000n);
    rig.code(RAM_BASE, [ins('lr.d', { rd: 5, rs1: 6 }), ins('sc.d', { rd: 5, rs1: 6, rs2: 6 })]);
    rig.run(1);
    rig.write64(RAM_BASE + 0x8008, 1n);
    rig.run(1);
    expect(rig.x(5)).toBe(0n);
    rig.set('pc', BASE);
    rig.run(1);
    rig.core.ramChanged(0x8007, 1);
    expect(rig.get('reservation')).toBe(0xffffffffffffffffn);
    rig.run(1);
    expect(rig.x(5)).toBe(1n);
    rig.code(RAM_BASE, [ins('addi', { rd: 5, imm: 77 })]);
    rig.set('pc', BASE);
    rig.run(1);
    expect(rig.x(5)).toBe(77n);
  });

  test('CSRs, as a debugger sees them', () => {
    const rig = new Rig();
    rig.set('prv', 0n, 0, 4);
    expect(rig.core.readCsr(0, 0x300)).toBe(0xa_0000_0000n);
    expect(rig.core.writeCsr(0, 0x300, 0xffff_ffff_ffff_ffffn)).toBe(true);
    expect(rig.core.readCsr(0, 0x300)).toBe(0x8000_000a_007e_79aan);
    expect(rig.get('mstatus')).toBe(0xa_007e_79aan);
    expect(rig.core.readCsr(2, 0xf14)).toBe(2n);
    expect(rig.core.writeCsr(0, 0xf14, 1n)).toBe(false);
    expect(rig.core.readCsr(0, 0x7c0)).toBeUndefined();
    expect(rig.core.writeCsr(0, 0x180, 7n << 60n)).toBe(true);
    expect(rig.core.readCsr(0, 0x180)).toBe(0n);
    expect(rig.get('prv', 0, 4)).toBe(0n);
  });

  test('registers of several harts do not mix', () => {
    const rig = new Rig();
    rig.code(RAM_BASE, [addi(5), ins('csrrs', { rd: 6, imm: 0xf14 }), ins('jal', { imm: -8 })]);
    for (let i = 0; i < 5; i++) for (const hart of [0, 3, 1]) rig.run(3 + hart, hart);
    expect([0, 1, 3].map((h) => rig.x(6, h))).toEqual([0n, 1n, 3n]);
    expect([0, 1, 3].map((h) => rig.get('ticksEnd', h))).toEqual([15n, 20n, 30n]);
    expect(rig.machine('timeEnd', 8)).toBe(65n);
    expect(rig.x(5, 3)).toBe(10n);
  });
});
