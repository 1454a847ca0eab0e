import type { Core, CoreHost } from '../../../src/core/core.ts';
import { createTsCore } from '../../../src/core/ts/core.ts';
import { CSR_MASKS } from '../../../src/isa/csrs.ts';
import { ALL_EXTENSIONS } from '../../../src/isa/decode.ts';
import { assembleNamed, type Operands } from '../../../src/isa/encode.ts';
import {
  type Exit,
  HART,
  HART_STATE_SIZE,
  HARTS_AT,
  hartAt,
  MACHINE,
  MACHINE_AT,
  MAX_HARTS,
  RAM_AT,
  RAM_BASE,
  ramTables,
} from '../../../src/isa/layout.ts';

type HartField = keyof typeof HART;

/** A machine's shared memory with one RAM, a host that records, and helpers to set up and look. */
export class Rig {
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly ramSize: number;
  core!: Core;
  /** Device accesses in order: 'r' or 'w', address, width, value. */
  readonly accesses: string[] = [];
  /** What the device reads as, and what it does; undefined: nothing is there. */
  device: ((write: boolean, address: number, width: number, value: bigint) => bigint | undefined) | undefined;

  constructor(ramSize = 1 << 20, make: (memory: WebAssembly.Memory, host: CoreHost) => Core = createTsCore) {
    this.ramSize = ramSize;
    const pages = Math.ceil(ramTables(ramSize).end / 65536);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.view = new DataView(this.memory.buffer);
    this.setMachine('ramSize', BigInt(ramSize), 8);
    this.setMachine('extensions', BigInt(ALL_EXTENSIONS), 8);
    this.setMachine('maxSatpMode', 10n, 4);
    this.setMachine('hartCount', BigInt(MAX_HARTS), 4);
    const access = (write: boolean, address: number, width: number): boolean => {
      const value = BigInt.asUintN(8 * width, this.machine('mmioLow', 4) | (this.machine('mmioHigh', 4) << 32n));
      const result = this.device?.(write, address, width, value);
      if (result === undefined) return false;
      this.accesses.push(
        `${write ? 'w' : 'r'} ${address.toString(16)} ${width}${write ? ` ${value.toString(16)}` : ''}`,
      );
      if (!write) {
        this.setMachine('mmioLow', result & 0xffffffffn, 4);
        this.setMachine('mmioHigh', (result >> 32n) & 0xffffffffn, 4);
      }
      return true;
    };
    const host: CoreHost = {
      mmioRead: (a, w) => access(false, a, w),
      mmioWrite: (a, w) => access(true, a, w),
      pointMet: () => false,
      pageAbsent: () => {},
    };
    for (let hart = 0; hart < MAX_HARTS; hart++) {
      this.set('mstatus', CSR_MASKS.MSTATUS_FIXED, hart);
      this.set('pc', BigInt(RAM_BASE), hart);
      this.set('reservation', -1n, hart);
      this.set('index', BigInt(hart), hart, 4);
      this.set('prv', 3n, hart, 4);
      this.set('mtvec', BigInt(RAM_BASE) + 0x1000n, hart);
      this.set('stvec', BigInt(RAM_BASE) + 0x2000n, hart);
      this.openPmp(hart);
    }
    // trap handlers that stay where they are
    for (const handler of [0x1000, 0x2000]) {
      for (let i = 0; i < 16; i++) this.view.setUint32(RAM_AT + handler + 4 * i, assembleNamed('jal'), true);
    }
    this.core = make(this.memory, host);
    this.core.dropDerived();
  }

  /** PMP entry 0 allows everything. */
  openPmp(hart = 0): void {
    this.view.setUint8(hartAt(hart) + HART.pmpcfg, 0x1f);
    this.view.setBigUint64(hartAt(hart) + HART.pmpaddr, 0x3fffffffffffffn, true);
  }

  private place(field: HartField, hart: number): number {
    return hartAt(hart) + HART[field];
  }

  set(field: HartField, value: bigint, hart = 0, width: 4 | 8 = 8): void {
    if (width === 4) this.view.setUint32(this.place(field, hart), Number(BigInt.asUintN(32, value)), true);
    else this.view.setBigUint64(this.place(field, hart), BigInt.asUintN(64, value), true);
  }

  get(field: HartField, hart = 0, width: 4 | 8 = 8): bigint {
    return width === 4
      ? BigInt(this.view.getUint32(this.place(field, hart), true))
      : this.view.getBigUint64(this.place(field, hart), true);
  }

  x(r: number, hart = 0): bigint {
    return this.view.getBigUint64(hartAt(hart) + HART.x + 8 * r, true);
  }

  setX(r: number, value: bigint, hart = 0): void {
    this.view.setBigUint64(hartAt(hart) + HART.x + 8 * r, BigInt.asUintN(64, value), true);
  }

  f(r: number, hart = 0): bigint {
    return this.view.getBigUint64(hartAt(hart) + HART.f + 8 * r, true);
  }

  setF(r: number, value: bigint, hart = 0): void {
    this.view.setBigUint64(hartAt(hart) + HART.f + 8 * r, BigInt.asUintN(64, value), true);
  }

  machine(field: keyof typeof MACHINE, width: 4 | 8): bigint {
    const at = MACHINE_AT + MACHINE[field];
    return width === 4 ? BigInt(this.view.getUint32(at, true)) : this.view.getBigUint64(at, true);
  }

  setMachine(field: keyof typeof MACHINE, value: bigint, width: 4 | 8): void {
    const at = MACHINE_AT + MACHINE[field];
    if (width === 4) this.view.setUint32(at, Number(value), true);
    else this.view.setBigUint64(at, value, true);
  }

  /** Adds a debug point. */
  point(kind: number, start: bigint, end: bigint): void {
    const i = Number(this.machine('debugCount', 4));
    this.view.setBigUint64(MACHINE_AT + MACHINE.debugKind + 8 * i, BigInt(kind), true);
    this.view.setBigUint64(MACHINE_AT + MACHINE.debugStart + 8 * i, start, true);
    this.view.setBigUint64(MACHINE_AT + MACHINE.debugEnd + 8 * i, end, true);
    this.setMachine('debugCount', BigInt(i + 1), 4);
    this.core.dropDerived();
  }

  read64(address: number): bigint {
    return this.view.getBigUint64(RAM_AT + address - RAM_BASE, true);
  }

  read32(address: number): number {
    return this.view.getUint32(RAM_AT + address - RAM_BASE, true);
  }

  /** Writes as the host does: the core is told. */
  write64(address: number, value: bigint): void {
    this.view.setBigUint64(RAM_AT + address - RAM_BASE, BigInt.asUintN(64, value), true);
    this.core.ramChanged(address - RAM_BASE, 8);
  }

  /** Puts instructions in RAM; 16-bit ones are given with `short: true` first. */
  code(address: number, words: readonly (number | { half: number })[]): number {
    let at = address;
    for (const w of words) {
      if (typeof w === 'number') {
        this.view.setUint32(RAM_AT + at - RAM_BASE, w, true);
        at += 4;
      } else {
        this.view.setUint16(RAM_AT + at - RAM_BASE, w.half, true);
        at += 2;
      }
    }
    this.core.ramChanged(address - RAM_BASE, at - address);
    return at;
  }

  run(ticks: number, hart = 0): Exit {
    return this.core.run(hart, ticks);
  }

  /** The architectural bytes of every hart. */
  harts(): Uint8Array {
    const out = new Uint8Array(HART_STATE_SIZE * MAX_HARTS);
    for (let h = 0; h < MAX_HARTS; h++) {
      out.set(
        new Uint8Array(this.memory.buffer, HARTS_AT + h * (hartAt(1) - hartAt(0)), HART_STATE_SIZE),
        h * HART_STATE_SIZE,
      );
    }
    return out;
  }

  ram(): Uint8Array {
    return new Uint8Array(this.memory.buffer, RAM_AT, this.ramSize);
  }
}

/** Shorthand for {@link assembleNamed}. */
export const ins = (name: string, operands: Operands = {}): number => assembleNamed(name, operands);

/** Instructions that load a 64-bit constant, by shifting in parts. */
export function constant(rd: number, value: bigint): number[] {
  const v = BigInt.asIntN(64, value);
  const low = Number(BigInt.asIntN(12, v));
  if (v === BigInt.asIntN(32, v)) {
    const upper = Number(BigInt.asIntN(32, (v - BigInt(low)) & 0xfffff000n));
    if (upper === 0) return [ins('addi', { rd, imm: low })];
    return [ins('lui', { rd, imm: upper }), ins('addiw', { rd, rs1: rd, imm: low })];
  }
  return [
    ...constant(rd, (v - BigInt(low)) >> 12n),
    ins('slli', { rd, rs1: rd, imm: 12 }),
    ins('addi', { rd, rs1: rd, imm: low }),
  ];
}
