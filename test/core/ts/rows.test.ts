import { describe, expect, test } from 'vitest';
import { SoftFloat } from '../../../src/core/ts/softfloat/index.ts';
import { assemble, type Operands } from '../../../src/isa/encode.ts';
import type { Instruction } from '../../../src/isa/instruction.ts';
import { INSTRUCTIONS } from '../../../src/isa/instructions.ts';
import { EXIT, RAM_BASE } from '../../../src/isa/layout.ts';
import { FUNCTIONS } from '../../../src/isa/semantics.ts';
import { evaluate, interesting, type Leaves } from './evaluate.ts';
import { Rig } from './rig.ts';

const CODE = RAM_BASE + 0x3000;
const DATA = RAM_BASE + 0x8000;
const rig = new Rig();
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const word = (v: bigint): number => Number(BigInt.asIntN(32, v));

/** Executes one instruction at CODE. */
function step(row: Instruction, operands: Operands): void {
  rig.code(CODE, [assemble(row, operands)]);
  rig.set('pc', BigInt(CODE));
  rig.set('prv', 3n, 0, 4);
  rig.set('mstatus', (rig.get('mstatus') & ~0x6000n) | 0x2000n);
  rig.set('mcause', 0n);
  expect(rig.run(1), row.name).toBe(EXIT.BUDGET);
  expect(rig.get('mcause'), `${row.name} trapped`).toBe(0n);
}

function immediates(row: Instruction): number[] {
  switch (row.format) {
    case 'I':
    case 'S':
      return [0, 1, -1, 2047, -2048, 8];
    case 'B':
      return [8, -8, 4094, -4096];
    case 'U':
      return [0, 0x7ffff000, -0x80000000, -4096];
    case 'J':
      return [8, -8, 1048574, -1048576];
    case 'shift64':
      return [0, 1, 31, 32, 33, 63];
    case 'shift32':
      return [0, 1, 31];
    default:
      return [0];
  }
}

/** Calls the floating point by the language's names: what is tested here is only how rows use it. */
const softfloat = new SoftFloat();
function floating(name: string, args: readonly bigint[]): bigint {
  const { fp } = FUNCTIONS[name];
  const narrow = /^[iu]32_/.test(name);
  const operands = fp!.args.flatMap((type, i) =>
    type === 'f32' || narrow ? [word(args[i])] : [word(args[i]), word(args[i] >> 32n)],
  );
  if (fp!.rm) operands.push(Number(args[fp!.args.length]));
  const method = name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()) as keyof SoftFloat;
  (softfloat[method] as (...a: number[]) => void).apply(softfloat, operands);
  return (BigInt(softfloat.hi >>> 0) << 32n) | BigInt(softfloat.lo >>> 0);
}

const values = interesting(1, 24);
const pick = (n: number): bigint => values[n % values.length];

describe('rows that compute', () => {
  const rows = INSTRUCTIONS.filter((r) => (r.statement.kind === 'rd' || r.statement.kind === 'fd') && !r.rm && !r.fp);
  test.each(rows.map((r) => [r.name, r] as const))('%s', (_name, row) => {
    if (row.statement.kind !== 'rd') throw new Error('no such row');
    for (let i = 0; i < values.length; i++) {
      for (const j of [i, 3 * i + 1, 7 * i + 5]) {
        for (const imm of immediates(row)) {
          const [a, b] = [pick(i), pick(j)];
          // the destination is one of the sources in turn
          const rd = [5, 6, 7][(i + j) % 3];
          rig.setX(5, 0x123n);
          rig.setX(6, a);
          rig.setX(7, b);
          step(row, { rd, rs1: 6, rs2: 7, imm });
          const leaves: Leaves = { rs1: a, rs2: b, imm: BigInt(imm), pc: BigInt(CODE) };
          expect(rig.x(rd), `${a.toString(16)} ${b.toString(16)} ${imm}`).toBe(evaluate(row.statement.value, leaves));
        }
      }
    }
  });
  test('nothing is written to x0', () => {
    for (const row of rows) {
      step(row, { rd: 0, rs1: 6, rs2: 7, imm: immediates(row)[0] });
      expect(rig.x(0), row.name).toBe(0n);
      expect(rig.get('sink')).toBe(0n);
    }
  });
});

describe('floating-point rows', () => {
  const rows = INSTRUCTIONS.filter((r) => (r.statement.kind === 'rd' || r.statement.kind === 'fd') && r.fp);
  const doubles = [
    0n,
    1n << 63n,
    0x3ff0000000000000n,
    0xbff8000000000000n,
    0x7ff0000000000000n,
    0x7ff8000000000000n,
    0x7ff0000000000001n,
    1n,
    0x4008000000000001n,
    0x43e0000000000000n,
    0xffffffff3f800000n,
    0xffffffffc0490fdbn,
    0xffffffff7f800001n,
    0xffffffff00000001n,
    0x41dfffffffe00000n,
  ];
  test.each(rows.map((r) => [r.name, r] as const))('%s', (_name, row) => {
    const { statement } = row;
    if (statement.kind !== 'rd' && statement.kind !== 'fd') throw new Error('no such row');
    const computes =
      JSON.stringify(statement, (_k, v: unknown) => (typeof v === 'bigint' ? '' : v)).match(/"[fiu](32|64)_/) !== null;
    doubles.forEach((a, i) => {
      doubles.forEach((b, j) => {
        for (const [rm, frm] of [
          [0, 0],
          [7, 3],
          [1, 0],
          [4, 2],
        ]) {
          const c = doubles[(i + j) % doubles.length];
          rig.setF(1, a);
          rig.setF(2, b);
          rig.setF(3, c);
          rig.setX(6, a);
          rig.set('fflags', 0n, 0, 4);
          rig.set('frm', BigInt(frm), 0, 4);
          const source = /rs1/.test(row.syntax) ? 6 : 1;
          step(row, { rd: 4, rs1: source, rs2: 2, rs3: 3, rm: row.rm ? rm : 0 });
          softfloat.flags = 0;
          softfloat.inexactAlready = false;
          const leaves: Leaves = { rs1: a, fs1: a, fs2: b, fs3: c, rm: BigInt(rm === 7 ? frm : rm) };
          const want = evaluate(statement.value, leaves, floating);
          expect(statement.kind === 'rd' ? rig.x(4) : rig.f(4), `${a.toString(16)} ${b.toString(16)} ${rm}`).toBe(want);
          expect(rig.get('fflags', 0, 4)).toBe(BigInt(softfloat.flags));
          const dirty = statement.kind === 'fd' || computes;
          expect(rig.get('mstatus') & 0x6000n).toBe(dirty ? 0x6000n : 0x2000n);
        }
      });
    });
  });
  test('are illegal with FS off, and with a reserved rounding mode', () => {
    for (const row of INSTRUCTIONS.filter((r) => r.fp)) {
      for (const [fs, frm] of row.rm
        ? [
            [0n, 0n],
            [0x2000n, 5n],
            [0x2000n, 7n],
          ]
        : [[0n, 0n]]) {
        rig.code(CODE, [assemble(row, { rd: 4, rs1: 20, rs2: 2, rs3: 3, rm: row.rm ? 7 : 0 })]);
        rig.setX(20, BigInt(DATA));
        rig.set('pc', BigInt(CODE));
        rig.set('mstatus', (rig.get('mstatus') & ~0x6000n) | fs);
        rig.set('frm', frm, 0, 4);
        rig.set('mcause', 0n);
        rig.run(1);
        expect(rig.get('mcause'), row.name).toBe(2n);
        expect(rig.get('mtval')).toBe(BigInt(rig.read32(CODE)));
        expect(rig.get('mepc')).toBe(BigInt(CODE));
      }
    }
    rig.set('frm', 0n, 0, 4);
  });
});

describe('rows that touch memory', () => {
  test.each(INSTRUCTIONS.filter((r) => r.statement.kind === 'load').map((r) => [r.name, r] as const))(
    '%s',
    (_name, row) => {
      if (row.statement.kind !== 'load') throw new Error('no such row');
      const { width, signed, to } = row.statement;
      const bytes = 0xfedcba9876543210n;
      for (const [base, imm] of [
        [DATA, 0],
        [DATA + 3, 2044],
        [DATA + 4093, 0],
        [DATA + 4096 + 9, -8],
        [DATA + 4095, 0],
      ]) {
        for (const lie of [bytes, ~bytes]) {
          rig.write64(base + imm, lie);
          rig.setX(6, BigInt(base));
          step(row, { rd: 6, rs1: 6, imm });
          const want = u64(signed ? BigInt.asIntN(width, lie) : BigInt.asUintN(width, lie));
          expect(to === 'rd' ? rig.x(6) : rig.f(6)).toBe(
            to === 'fd' && width === 32 ? u64(lie) | 0xffffffff00000000n : want,
          );
        }
      }
    },
  );
  test.each(INSTRUCTIONS.filter((r) => r.statement.kind === 'store').map((r) => [r.name, r] as const))(
    '%s',
    (_name, row) => {
      if (row.statement.kind !== 'store') throw new Error('no such row');
      const { width } = row.statement;
      const value = 0xfedcba9876543210n;
      for (const [base, imm] of [
        [DATA, 0],
        [DATA + 3, 2044],
        [DATA + 4093, 0],
        [DATA + 4096 + 9, -8],
        [DATA + 4095, 0],
      ]) {
        rig.write64(base + imm, 0x1111111111111111n);
        rig.setX(6, BigInt(base));
        rig.setX(7, value);
        rig.setF(7, value);
        for (let twice = 0; twice < 2; twice++) step(row, { rs1: 6, rs2: 7, imm });
        const mask = (1n << BigInt(width)) - 1n;
        expect(rig.read64(base + imm)).toBe((value & mask) | (0x1111111111111111n & ~mask & ((1n << 64n) - 1n)));
      }
    },
  );
  test.each(INSTRUCTIONS.filter((r) => r.statement.kind === 'amo').map((r) => [r.name, r] as const))(
    '%s',
    (_name, row) => {
      const { statement } = row;
      if (statement.kind !== 'amo') throw new Error('no such row');
      for (let i = 0; i < values.length; i++) {
        const memory = pick(i);
        const operand = pick(5 * i + 3);
        rig.write64(DATA, memory);
        rig.setX(6, BigInt(DATA));
        rig.setX(7, operand);
        step(row, { rd: 5, rs1: 6, rs2: 7 });
        const old = statement.width === 32 ? u64(BigInt.asIntN(32, memory)) : memory;
        const result = evaluate(statement.value, { old, rs2: operand });
        expect(rig.x(5)).toBe(old);
        expect(rig.read64(DATA)).toBe(
          statement.width === 64 ? result : (memory & ~0xffffffffn) | BigInt.asUintN(32, result),
        );
      }
    },
  );
});

describe('rows that go elsewhere', () => {
  test.each(INSTRUCTIONS.filter((r) => r.statement.kind === 'branch').map((r) => [r.name, r] as const))(
    '%s',
    (_name, row) => {
      if (row.statement.kind !== 'branch') throw new Error('no such row');
      for (let i = 0; i < values.length; i++) {
        for (const j of [i, i + 1, 3 * i + 2]) {
          for (const imm of immediates(row)) {
            rig.setX(6, pick(i));
            rig.setX(7, pick(j));
            step(row, { rs1: 6, rs2: 7, imm });
            const taken = evaluate(row.statement.condition, { rs1: pick(i), rs2: pick(j) }) !== 0n;
            expect(rig.get('pc')).toBe(BigInt(taken ? CODE + imm : CODE + 4));
          }
        }
      }
    },
  );
  test('jal and jalr', () => {
    for (const row of INSTRUCTIONS.filter((r) => r.statement.kind === 'jump')) {
      if (row.statement.kind !== 'jump') throw new Error('no such row');
      for (const imm of immediates(row)) {
        rig.setX(6, BigInt(CODE + 0x2003));
        step(row, { rd: 6, rs1: 6, imm });
        expect(rig.get('pc')).toBe(
          evaluate(row.statement.target, { rs1: BigInt(CODE + 0x2003), imm: BigInt(imm), pc: BigInt(CODE) }),
        );
        expect(rig.x(6)).toBe(BigInt(CODE + 4));
      }
    }
  });
});
