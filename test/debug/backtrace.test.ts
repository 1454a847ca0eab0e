import { describe, expect, it } from 'vitest';
import { backtrace } from '../../src/debug/backtrace.ts';

/** Instructions of the test function (RISC-V ISA, "RV32I Base Integer Instruction Set"). */
const R = { ra: 1, sp: 2, t0: 5, s0: 8, a0: 10 };
const i = (op: number, f3: number, rd: number, rs1: number, imm: number): number =>
  (((imm & 0xfff) << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op) >>> 0;
const addi = (rd: number, rs1: number, imm: number): number => i(0x13, 0, rd, rs1, imm);
const ld = (rd: number, rs1: number, imm: number): number => i(0x03, 3, rd, rs1, imm);
const sd = (rs2: number, rs1: number, imm: number): number =>
  ((((imm >> 5) & 0x7f) << 25) | (rs2 << 20) | (rs1 << 15) | (3 << 12) | ((imm & 31) << 7) | 0x23) >>> 0;
const sub = (rd: number, rs1: number, rs2: number): number =>
  ((0x20 << 25) | (rs2 << 20) | (rs1 << 15) | (rd << 7) | 0x33) >>> 0;
const jal = (rd: number): number => ((rd << 7) | 0x6f) >>> 0;
const ret = i(0x67, 0, 0, R.ra, 0);

/** A callee that makes room of a size only a register knows (alloca), behind a frame pointer. */
const CALLEE = [
  addi(R.sp, R.sp, -48),
  sd(R.ra, R.sp, 40),
  sd(R.s0, R.sp, 32),
  addi(R.s0, R.sp, 48),
  sub(R.sp, R.sp, R.a0),
  addi(R.t0, R.sp, 0),
  addi(R.sp, R.s0, -48),
  ld(R.ra, R.sp, 40),
  ld(R.s0, R.sp, 32),
  addi(R.sp, R.sp, 48),
  ret,
];
const CALLER = [
  addi(R.sp, R.sp, -16),
  sd(R.ra, R.sp, 8),
  sd(R.s0, R.sp, 0),
  addi(R.s0, R.sp, 16),
  jal(R.ra),
  addi(R.a0, 0, 0),
  ret,
];
const CALLEE_AT = 0x1000n;
const CALLER_AT = 0x2000n;
const OUTER_AT = 0x3000n;
const RETURN_TO_CALLER = CALLER_AT + 20n;
const RETURN_TO_OUTER = OUTER_AT + 8n;

/** Memory after `steps` instructions of the callee, that was called with sp = `top`. */
function scene(alloca: bigint) {
  const bytes = new Map<bigint, number>();
  const put64 = (at: bigint, value: bigint): void => {
    for (let n = 0; n < 8; n++) bytes.set(at + BigInt(n), Number((value >> BigInt(8 * n)) & 0xffn));
  };
  const code = (at: bigint, words: readonly number[]): void =>
    words.forEach((w, k) => {
      for (let n = 0; n < 4; n++) bytes.set(at + BigInt(4 * k + n), (w >>> (8 * n)) & 0xff);
    });
  code(CALLEE_AT, CALLEE);
  code(CALLER_AT, CALLER);
  code(OUTER_AT, [addi(R.sp, R.sp, 0), jal(R.ra), addi(0, 0, 0)]);
  const outerSp = 0x9000n;
  const callerSp = outerSp - 16n;
  put64(callerSp + 8n, RETURN_TO_OUTER);
  put64(callerSp, 0x7777n);
  const calleeSp = callerSp - 48n;
  put64(calleeSp + 40n, RETURN_TO_CALLER);
  put64(calleeSp + 32n, outerSp);
  const read = (address: bigint, length: number): Uint8Array => {
    const out: number[] = [];
    for (let n = 0n; n < BigInt(length) && bytes.has(address + n); n++) out.push(bytes.get(address + n)!);
    return Uint8Array.from(out);
  };
  const functionStart = (a: bigint): bigint | undefined =>
    [OUTER_AT, CALLER_AT, CALLEE_AT].find((start) => a >= start && a < start + 0x100n);
  /** Registers before instruction `k` of the callee. */
  const at = (k: number): [bigint, (n: number) => bigint | undefined] => {
    const registers = new Map([
      [R.ra, RETURN_TO_CALLER],
      [R.sp, k < 1 || k > 9 ? callerSp : k < 5 || k > 6 ? calleeSp : calleeSp - alloca],
      [R.s0, k < 4 || k > 8 ? outerSp : callerSp],
    ]);
    return [CALLEE_AT + BigInt(4 * k), (n) => registers.get(n)];
  };
  return { unwinding: { read, functionStart }, at };
}

describe('a call stack without unwind tables', () => {
  for (const alloca of [0n, 16n, 4096n]) {
    it(`is whole at every instruction of a function that lowers sp by a register (${alloca} bytes)`, () => {
      const { unwinding, at } = scene(alloca);
      CALLEE.forEach((_, k) => {
        const frames = backtrace(unwinding, ...at(k));
        expect(
          frames.slice(0, 3).map((f) => f.pc),
          `before instruction ${k}`,
        ).toEqual([CALLEE_AT + BigInt(4 * k), RETURN_TO_CALLER, RETURN_TO_OUTER]);
        expect(frames[1].sp, `sp of the caller before instruction ${k}`).toBe(0x8ff0n);
      });
    });
  }

  it('ends where a return address is none', () => {
    const { unwinding, at } = scene(16n);
    const odd = {
      ...unwinding,
      read: (a: bigint, n: number) =>
        a >= 0x8f00n && a < 0x9100n ? new Uint8Array(n).fill(0xff) : unwinding.read(a, n),
    };
    expect(backtrace(odd, ...at(6))).toHaveLength(1);
    expect(backtrace({ read: () => new Uint8Array(0), functionStart: () => undefined }, ...at(0))).toHaveLength(1);
  });
});
