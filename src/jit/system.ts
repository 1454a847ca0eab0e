import { CSRS } from '../isa/csrs.ts';
import type { Decoded } from '../isa/decode.ts';
import { HART } from '../isa/layout.ts';
import { CSR_DONE, helperIndex, LEAVE, LEFT_AT, LOCAL } from './abi.ts';
import { CSR_STATUS_AT } from './area.ts';
import type { Site } from './expression.ts';
import { OP } from './wasm-opcodes.ts';

// CSR instructions and fences of address translation. What lies in a field of the hart is read and swapped in place, the others go through the
// core's own function; deadlines and protection are left to the interpreter. fflags, frm and fcsr are made in place: compilers wrap quiet
// comparisons in reads and writes of fflags.

const KINDS: Readonly<Record<string, number>> = { csrrw: 0, csrrs: 1, csrrc: 2, csrrwi: 0, csrrsi: 1, csrrci: 2 };

/** Names of the CSRs that translated code touches. */
const TOUCHED: ReadonlySet<string> = new Set([
  'fflags',
  'frm',
  'fcsr',
  'cycle',
  'time',
  'instret',
  'sstatus',
  'sie',
  'stvec',
  'scounteren',
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'sip',
  'satp',
  'mstatus',
  'mie',
  'mip',
  'mtvec',
  'mscratch',
  'mepc',
  'mcause',
  'mtval',
  'mhartid',
  'mcycle',
  'minstret',
]);
const TOUCHED_NUMBERS: ReadonlySet<number> = new Set(CSRS.filter((c) => TOUCHED.has(c.name)).map((c) => c.number));
/** Those that are a field of 64 bits, all writable. */
const FIELDS: ReadonlyMap<number, keyof typeof HART> = new Map(
  CSRS.flatMap((c) =>
    TOUCHED.has(c.name) && c.field !== undefined && c.width === 8 && c.write === 0xffff_ffff_ffff_ffffn
      ? [[c.number, c.field] as const]
      : [],
  ),
);

/** Whether the instruction is one that {@link emitCsr} makes. */
export function isTouchedCsr({ row, imm }: Decoded): boolean {
  return row.format === 'CSR' && TOUCHED_NUMBERS.has(imm & 0xfff);
}

/** A CSR of the floating-point environment: its number, and where its fields lie (unprivileged ISA, "Floating-Point Control and Status Register"). */
const FLOAT_CSRS: ReadonlyMap<number, readonly FloatField[]> = new Map([
  [1, [{ field: HART.fflags, mask: 0x1f, shift: 0 }]],
  [2, [{ field: HART.frm, mask: 7, shift: 0 }]],
  [
    3,
    [
      { field: HART.fflags, mask: 0x1f, shift: 0 },
      { field: HART.frm, mask: 7, shift: 5 },
    ],
  ],
]);
interface FloatField {
  readonly field: number;
  readonly mask: number;
  readonly shift: number;
}
const FS = 0x6000;

/** Whether a CSR instruction is one of the floating-point environment. */
export const isFloatCsr = ({ imm }: Decoded): boolean => FLOAT_CSRS.has(imm & 0xfff);

interface CsrUse {
  readonly number: number;
  readonly kind: number;
  /** Operand is rs1, not an immediate. */
  readonly register: boolean;
  readonly writes: boolean;
}

/** What a CSR instruction does. */
function csrUse({ row, rs1, imm }: Decoded): CsrUse {
  if (row.statement.kind !== 'call') throw new Error(`${row.name} is no CSR instruction`);
  const kind = KINDS[row.statement.name];
  return { number: imm & 0xfff, kind, register: !row.statement.name.endsWith('i'), writes: kind === 0 || rs1 !== 0 };
}

function operand(s: Site, register: boolean): void {
  if (register) s.builder.getX(s.decoded.rs1);
  else s.builder.code.i64(s.decoded.rs1);
}

/** Leaves unless the hart's privilege reaches what the CSR's number asks for. */
function privileged(s: Site, number: number): void {
  const { code } = s.builder;
  const needed = (number >>> 8) & 3;
  if (needed === 0) return;
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.prv);
  code.i32(needed);
  code.op(OP.I32_LT_U);
  s.builder.leaveIf(LEAVE.INTERPRET, s.at);
}

/** What a CSR instruction of {@link isTouchedCsr} may have changed. */
export const CSR_EFFECT = {
  NONE: 0,
  /** The floating-point environment. */
  FLOAT: 1,
  /** Banks and the floating-point environment; control may have to leave. */
  ALL: 2,
} as const;
export type CsrEffect = (typeof CSR_EFFECT)[keyof typeof CSR_EFFECT];

/** fflags, frm and fcsr: legal while mstatus.FS is not off; a write makes it dirty. */
function emitFloatCsr(s: Site, fields: readonly FloatField[]): CsrEffect {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const { kind, register, writes } = csrUse(d);
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.mstatus);
  code.i32(FS);
  code.op(OP.I32_AND);
  code.op(OP.I32_EQZ);
  builder.leaveIf(LEAVE.INTERPRET, s.at);
  fields.forEach(({ field, shift }, i) => {
    code.get(LOCAL.HART);
    code.memory(OP.I64_LOAD32_U, 2, field);
    if (shift > 0) {
      code.i64(shift);
      code.op(OP.I64_SHL);
    }
    if (i > 0) code.op(OP.I64_OR);
  });
  code.set(LOCAL.TEMP_A);
  if (writes) {
    operand(s, register);
    if (kind === 1) {
      code.get(LOCAL.TEMP_A);
      code.op(OP.I64_OR);
    } else if (kind === 2) {
      code.i64(-1);
      code.op(OP.I64_XOR);
      code.get(LOCAL.TEMP_A);
      code.op(OP.I64_AND);
    }
    code.set(LOCAL.TEMP_B);
    for (const { field, mask, shift } of fields) {
      code.get(LOCAL.HART);
      code.get(LOCAL.TEMP_B);
      code.op(OP.I32_WRAP_I64);
      if (shift > 0) {
        code.i32(shift);
        code.op(OP.I32_SHR_U);
      }
      code.i32(mask);
      code.op(OP.I32_AND);
      code.memory(OP.I32_STORE, 2, field);
    }
    code.get(LOCAL.HART);
    code.get(LOCAL.HART);
    code.memory(OP.I32_LOAD, 2, HART.mstatus);
    code.i32(FS);
    code.op(OP.I32_OR);
    code.memory(OP.I32_STORE, 2, HART.mstatus);
  }
  code.get(LOCAL.TEMP_A);
  builder.setX(d.rd);
  return writes ? CSR_EFFECT.FLOAT : CSR_EFFECT.NONE;
}

/** A CSR instruction of {@link isTouchedCsr}. @returns what it may have changed */
export function emitCsr(s: Site): CsrEffect {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const { number, kind, register, writes } = csrUse(d);
  const floatFields = FLOAT_CSRS.get(number);
  if (floatFields) return emitFloatCsr(s, floatFields);
  const field = FIELDS.get(number);
  if (field !== undefined && (kind === 0 || !writes)) {
    privileged(s, number);
    if (writes) {
      operand(s, register);
      code.set(LOCAL.TEMP_B);
    }
    if (d.rd !== 0) {
      code.get(LOCAL.HART);
      code.memory(OP.I64_LOAD, 3, HART[field]);
      builder.setX(d.rd);
    }
    if (writes) {
      code.get(LOCAL.HART);
      code.get(LOCAL.TEMP_B);
      code.memory(OP.I64_STORE, 3, HART[field]);
    }
    return CSR_EFFECT.NONE;
  }
  // the counters and interrupts compare with MACHINE.left as after the instruction
  code.i32(0);
  code.get(LOCAL.LEFT);
  if (builder.unused > 1) {
    code.i32(builder.unused - 1);
    code.op(OP.I32_ADD);
  }
  code.memory(OP.I32_STORE, 2, LEFT_AT);
  code.get(LOCAL.HART);
  code.i32(number | (kind << 12) | (Number(writes) << 14));
  operand(s, register);
  code.call(helperIndex('csr'));
  code.set(LOCAL.TEMP_A);
  code.i32(0);
  code.memory(OP.I32_LOAD, 2, CSR_STATUS_AT);
  code.tee(LOCAL.TEMP32);
  code.i32(CSR_DONE.ILLEGAL);
  code.op(OP.I32_EQ);
  builder.leaveIf(LEAVE.INTERPRET, s.at);
  code.get(LOCAL.TEMP_A);
  builder.setX(d.rd);
  if (!writes) return CSR_EFFECT.NONE;
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.dataBank);
  code.set(LOCAL.BANK);
  return CSR_EFFECT.ALL;
}

/** Leaves after a CSR instruction that asked for it; see {@link emitCsr}. @param next offset of the instruction after it */
export function leaveAfterCsr({ builder }: Site, next: number): void {
  builder.code.get(LOCAL.TEMP32);
  builder.leaveIf(LEAVE.CHECK, next);
}

/** SFENCE.VMA: translations are always what a walk would find, so only its privilege is looked at. */
export function emitFence(s: Site): void {
  const { builder } = s;
  const { code } = builder;
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.prv);
  code.op(OP.I32_EQZ);
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.mstatus);
  // TVM
  code.i32(0x100000);
  code.op(OP.I32_AND);
  code.op(OP.I32_OR);
  builder.leaveIf(LEAVE.INTERPRET, s.at);
}
