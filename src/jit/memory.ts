import { HART, RAM_AT, RAM_BASE, TLB_ENTRY, TLB_INDEX_MASK, TLB_READ, TLB_WRITE } from '../isa/layout.ts';
import type { Expr, MemoryWidth, Statement } from '../isa/semantics.ts';
import { helperIndex, LEAVE, LOCAL } from './abi.ts';
import type { Shared } from './bases.ts';
import { emit32, emit64, known, type Site } from './expression.ts';
import type { FunctionBuilder } from './function-builder.ts';
import { OP } from './wasm-opcodes.ts';

// Loads, stores and atomics. The TLB is probed inline; what misses leaves for the interpreter, or calls a helper where misses were seen
// to be common. The helper serves plain RAM only: everything with side effects is the interpreter's.

/** The local that holds the virtual address: the base register itself when there is no offset. */
function addressLocal(address: Expr, s: Site): number {
  const { builder, decoded: d } = s;
  if (
    address.op === 'add' &&
    address.a.op === 'leaf' &&
    address.a.name === 'rs1' &&
    known(address.b, d) === 0 &&
    d.rs1 !== 0
  )
    return builder.localOfX(d.rs1);
  if (address.op === 'leaf' && address.name === 'rs1' && d.rs1 !== 0) return builder.localOfX(d.rs1);
  emit64(address, s);
  builder.code.set(LOCAL.ADDRESS);
  return LOCAL.ADDRESS;
}

/**
 * Probes the TLB for [address, address + bytes), naturally aligned. @param place the array's offset in the bank: TLB_READ or TLB_WRITE
 * @param atomic leave the linear-memory address in LOCAL.HOST, and let misaligned addresses trap; otherwise it is pushed
 */
function probe(s: Site, address: number, bytes: number, place: number, atomic: boolean): void {
  const { builder } = s;
  const { code } = builder;
  entryOf(builder, address);
  misses(builder, address, bytes, place);
  if (!s.slowPath) {
    builder.leaveIf(LEAVE.RARE, s.at);
    hostAddress(builder, address, place);
    if (atomic) code.set(LOCAL.HOST);
    return;
  }
  builder.openUnlikely();
  code.get(LOCAL.HART);
  code.get(address);
  code.i32(atomic ? bytes + 16 : bytes);
  code.call(helperIndex(place === TLB_WRITE ? 'storeAddress' : 'loadAddress'));
  code.tee(LOCAL.HOST);
  code.op(OP.I32_EQZ);
  builder.leaveIf(LEAVE.RARE, s.at);
  builder.otherwise();
  hostAddress(builder, address, place);
  code.set(LOCAL.HOST);
  builder.close();
  if (!atomic) code.get(LOCAL.HOST);
}

function hostAddress({ code }: FunctionBuilder, address: number, place: number): void {
  code.get(LOCAL.ENTRY);
  code.memory(OP.I32_LOAD, 2, place + TLB_ENTRY.addend);
  code.get(address);
  code.op(OP.I32_WRAP_I64);
  code.op(OP.I32_ADD);
}

/** The address of the TLB entry for the address in a local: into LOCAL.ENTRY. */
function entryOf({ code }: FunctionBuilder, address: number): void {
  code.get(address);
  code.op(OP.I32_WRAP_I64);
  code.i32(8);
  code.op(OP.I32_SHR_U);
  code.i32(TLB_INDEX_MASK);
  code.op(OP.I32_AND);
  code.get(LOCAL.BANK);
  code.op(OP.I32_ADD);
  code.set(LOCAL.ENTRY);
}

/** Pushes whether the entry of {@link entryOf} is not that of the address, aligned to `bytes`. */
function misses({ code }: FunctionBuilder, address: number, bytes: number, place: number): void {
  code.get(LOCAL.ENTRY);
  code.memory(OP.I64_LOAD, 3, place + TLB_ENTRY.tag);
  code.get(address);
  code.i64(-4096 | (bytes - 1));
  code.op(OP.I64_AND);
  code.op(OP.I64_NE);
}

/**
 * As {@link probe}, for an access that shares a group's probe: the group's local holds the linear-memory address of its anchor. Pushes an
 * address. @returns what to add to it as the instruction's offset
 */
function probeShared(s: Site, place: number, { group, offset, bias, first }: Shared): number {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const local = builder.groupLocal(group.local);
  const delta = offset - group.anchor;
  if (!first) {
    code.get(local);
    return delta;
  }
  let address = builder.localOfX(d.rs1);
  if (group.anchor !== bias) {
    code.get(address);
    code.i64(group.anchor - bias);
    code.op(OP.I64_ADD);
    code.set((address = LOCAL.ADDRESS));
  }
  entryOf(builder, address);
  const last = 4096 - (group.end - group.anchor);
  // what is as long as its alignment cannot cross
  if (group.end - group.anchor > group.align) {
    code.get(address);
    code.op(OP.I32_WRAP_I64);
    code.i32(0xfff);
    code.op(OP.I32_AND);
    code.i32(last);
    code.op(OP.I32_GT_U);
    if (s.slowPath) builder.leaveIf(LEAVE.RARE, s.at);
  }
  misses(builder, address, group.align, place);
  if (s.slowPath) {
    builder.openUnlikely();
    code.get(LOCAL.HART);
    code.get(address);
    code.i32(group.align + 16);
    code.call(helperIndex(place === TLB_WRITE ? 'storeAddress' : 'loadAddress'));
    code.op(OP.DROP);
    misses(builder, address, group.align, place);
    builder.leaveIf(LEAVE.RARE, s.at);
    builder.close();
  } else {
    if (group.end - group.anchor > group.align) code.op(OP.I32_OR);
    builder.leaveIf(LEAVE.RARE, s.at);
  }
  hostAddress(builder, address, place);
  code.tee(local);
  return delta;
}

const LOADS: Readonly<Record<string, number>> = {
  '8s': OP.I64_LOAD8_S,
  '8u': OP.I64_LOAD8_U,
  '16s': OP.I64_LOAD16_S,
  '16u': OP.I64_LOAD16_U,
  '32s': OP.I64_LOAD32_S,
  '32u': OP.I64_LOAD32_U,
  '64s': OP.I64_LOAD,
  '64u': OP.I64_LOAD,
};
const STORES: Readonly<Record<MemoryWidth, number>> = {
  8: OP.I64_STORE8,
  16: OP.I64_STORE16,
  32: OP.I64_STORE32,
  64: OP.I64_STORE,
};

/** Pushes the linear-memory address of a load or store, less what is returned. */
function plain(s: Site, address: Expr, bytes: number, place: number): number {
  if (s.shared) return probeShared(s, place, s.shared);
  probe(s, addressLocal(address, s), bytes, place, false);
  return 0;
}

export function emitLoad(statement: Extract<Statement, { kind: 'load' }>, s: Site): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const offset = plain(s, statement.address, statement.width / 8, TLB_READ);
  if (statement.to === 'rd') {
    code.memory(LOADS[`${statement.width}${statement.signed ? 's' : 'u'}`], 0, offset);
    return builder.setX(d.rd);
  }
  if (statement.width === 64) code.memory(OP.F64_LOAD, 0, offset);
  else {
    code.memory(OP.I64_LOAD32_U, 0, offset);
    code.i64(-0x1_0000_0000);
    code.op(OP.I64_OR);
    code.op(OP.F64_REINTERPRET_I64);
  }
  builder.setF(d.rd);
}

export function emitStore(statement: Extract<Statement, { kind: 'store' }>, s: Site): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const offset = plain(s, statement.address, statement.width / 8, TLB_WRITE);
  if (statement.width === 64 && statement.value.op === 'leaf' && statement.value.name === 'fs2') {
    builder.getF(d.rs2);
    return code.memory(OP.F64_STORE, 0, offset);
  }
  emit64(statement.value, s);
  code.memory(STORES[statement.width], 0, offset);
}

/** AMO: a store's translation, then read, combine, write (unprivileged ISA, "Zaamo"). */
export function emitAmo(statement: Extract<Statement, { kind: 'amo' }>, s: Site): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  const word = statement.width === 32;
  probe(s, addressLocal({ op: 'leaf', name: 'rs1' }, s), statement.width / 8, TLB_WRITE, true);
  code.get(LOCAL.HOST);
  code.memory(word ? OP.I64_LOAD32_S : OP.I64_LOAD, 0, 0);
  code.set(LOCAL.TEMP_A);
  code.get(LOCAL.HOST);
  if (word) {
    emit32(statement.value, s);
    code.memory(OP.I32_STORE, 0, 0);
  } else {
    emit64(statement.value, s);
    code.memory(OP.I64_STORE, 0, 0);
  }
  code.get(LOCAL.TEMP_A);
  builder.setX(d.rd);
}

/** Physical address of LOCAL.HOST as i64. */
function physical({ code }: FunctionBuilder): void {
  code.get(LOCAL.HOST);
  code.op(OP.I64_EXTEND_I32_U);
  code.i64(RAM_BASE - RAM_AT);
  code.op(OP.I64_ADD);
}

/** LR (unprivileged ISA, "Zalrsc"). */
export function emitLoadReserved(s: Site, bytes: 4 | 8): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  probe(s, addressLocal({ op: 'leaf', name: 'rs1' }, s), bytes, TLB_READ, true);
  code.get(LOCAL.HART);
  physical(builder);
  code.memory(OP.I64_STORE, 3, HART.reservation);
  code.get(LOCAL.HART);
  code.i32(bytes);
  code.memory(OP.I32_STORE, 2, HART.reservationWidth);
  code.get(LOCAL.HOST);
  code.memory(bytes === 4 ? OP.I64_LOAD32_S : OP.I64_LOAD, 0, 0);
  builder.setX(d.rd);
}

/** SC: stores when the reservation is this address and width; it ends the reservation in any case. */
export function emitStoreConditional(s: Site, bytes: 4 | 8): void {
  const { builder, decoded: d } = s;
  const { code } = builder;
  probe(s, addressLocal({ op: 'leaf', name: 'rs1' }, s), bytes, TLB_WRITE, true);
  code.get(LOCAL.HART);
  code.memory(OP.I64_LOAD, 3, HART.reservation);
  physical(builder);
  code.op(OP.I64_EQ);
  code.get(LOCAL.HART);
  code.memory(OP.I32_LOAD, 2, HART.reservationWidth);
  code.i32(bytes);
  code.op(OP.I32_EQ);
  code.op(OP.I32_AND);
  code.tee(LOCAL.TEMP32);
  builder.open(OP.IF);
  code.get(LOCAL.HOST);
  builder.getX(d.rs2);
  code.memory(bytes === 4 ? OP.I64_STORE32 : OP.I64_STORE, 0, 0);
  builder.close();
  code.get(LOCAL.HART);
  code.i64(-1);
  code.memory(OP.I64_STORE, 3, HART.reservation);
  code.get(LOCAL.TEMP32);
  code.op(OP.I32_EQZ);
  code.op(OP.I64_EXTEND_I32_U);
  builder.setX(d.rd);
}
