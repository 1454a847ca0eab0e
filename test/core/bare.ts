import type { Core, CoreHost } from '../../src/core/core.ts';
import { createTsCore } from '../../src/core/ts/core.ts';
import { createWasmCore } from '../../src/core/wasm/core.ts';
import { CSR_MASKS } from '../../src/isa/csrs.ts';
import { ALL_EXTENSIONS } from '../../src/isa/decode.ts';
import {
  type Exit,
  HART,
  HART_STATE_FIELDS,
  HART_STATE_SIZE,
  hartAt,
  MACHINE,
  MACHINE_AT,
  PAGE_FLAG,
  RAM_AT,
  RAM_BASE,
  ramTables,
} from '../../src/isa/layout.ts';
import { createJitCore } from '../../src/jit/core.ts';

export type CoreKind = Core['kind'];

/** Every core, by kind. The translator is made eager, so that short programs reach translated code. */
const CORES: Record<CoreKind, (memory: WebAssembly.Memory, host: CoreHost) => Core> = {
  wasm: createWasmCore,
  ts: createTsCore,
  jit: (memory, host) => createJitCore(memory, host, { threshold: 2 }),
};

/** What lies outside RAM. */
export interface Outside {
  /** @returns undefined: nothing is there */
  read(address: number, width: number): bigint | undefined;
  /** @returns false: nothing is there */
  write(address: number, width: number, value: bigint): boolean;
}

const NOTHING: Outside = { read: () => undefined, write: () => false };
const WIDTHS = new Map<string, number>(HART_STATE_FIELDS.map(([name, width]) => [name, width]));

/** A bare machine: one hart, RAM, a core, and a host that answers MMIO and writes it down. */
export class Bare {
  readonly kind: CoreKind;
  readonly ramSize: number;
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  /** Guest RAM. */
  readonly ram: Uint8Array;
  /** The architectural state of hart 0. */
  readonly hart: Uint8Array;
  readonly core: Core;
  outside: Outside = NOTHING;
  /** MMIO accesses in order. */
  log: string[] = [];

  constructor(kind: CoreKind, ramSize: number, extensions = ALL_EXTENSIONS) {
    this.kind = kind;
    this.ramSize = ramSize;
    const pages = Math.ceil(ramTables(ramSize).end / 65536);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.view = new DataView(this.memory.buffer);
    this.ram = new Uint8Array(this.memory.buffer, RAM_AT, ramSize);
    this.hart = new Uint8Array(this.memory.buffer, hartAt(0), HART_STATE_SIZE);
    this.machine64('ramSize', BigInt(ramSize));
    this.machine64('extensions', BigInt(extensions));
    this.machine32('hartCount', 1);
    this.machine32('maxSatpMode', 10);
    this.core = CORES[kind](this.memory, {
      mmioRead: (address, width) => {
        const value = this.outside.read(address, width);
        this.log.push(`r${width} ${address.toString(16)}`);
        if (value === undefined) return false;
        this.view.setBigUint64(MACHINE_AT + MACHINE.mmioLow, BigInt.asUintN(64, value), true);
        return true;
      },
      mmioWrite: (address, width) => {
        const value = BigInt.asUintN(8 * width, this.view.getBigUint64(MACHINE_AT + MACHINE.mmioLow, true));
        this.log.push(`w${width} ${address.toString(16)} ${value.toString(16)}`);
        return this.outside.write(address, width, value);
      },
      pointMet: () => false,
      pageAbsent: () => {},
    });
    this.reset();
  }

  /** M-mode at the beginning of RAM, everything else zero. RAM keeps its bytes. */
  reset(): void {
    this.hart.fill(0);
    this.set('mstatus', CSR_MASKS.MSTATUS_FIXED);
    this.set('misa', 0x8000_0000_0014_112dn);
    this.set('pc', BigInt(RAM_BASE));
    this.set('reservation', 0xffff_ffff_ffff_ffffn);
    this.set('prv', 3n);
    this.machine64('timeEnd', 0n);
    this.machine32('left', 0);
    this.machine32('attention', 0);
    this.machine32('hostSbi', 0);
    this.machine32('debugCount', 0);
    this.machine32('debugSkip', 0);
    this.machine32('debugHit', 0);
    this.machine64('debugAddress', 0n);
    this.log = [];
    this.core.dropDerived();
  }

  /** A hart field; arrays by index. Call `core.hartChanged(0)` when done. */
  set(field: (typeof HART_STATE_FIELDS)[number][0], value: bigint, index = 0): void {
    const width = WIDTHS.get(field) ?? 8;
    const at = hartAt(0) + HART[field] + index * width;
    if (width === 4) this.view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
    else this.view.setBigUint64(at, BigInt.asUintN(64, value), true);
  }

  get(field: (typeof HART_STATE_FIELDS)[number][0], index = 0): bigint {
    const width = WIDTHS.get(field) ?? 8;
    const at = hartAt(0) + HART[field] + index * width;
    return width === 4 ? BigInt(this.view.getUint32(at, true)) : this.view.getBigUint64(at, true);
  }

  machine32(field: keyof typeof MACHINE, value?: number): number {
    if (value !== undefined) this.view.setUint32(MACHINE_AT + MACHINE[field], value, true);
    return this.view.getUint32(MACHINE_AT + MACHINE[field], true);
  }

  machine64(field: keyof typeof MACHINE, value?: bigint): bigint {
    if (value !== undefined) this.view.setBigUint64(MACHINE_AT + MACHINE[field], BigInt.asUintN(64, value), true);
    return this.view.getBigUint64(MACHINE_AT + MACHINE[field], true);
  }

  /** Replaces all of RAM. */
  load(bytes: Uint8Array): void {
    this.ram.set(bytes);
    this.core.ramChanged(0, this.ramSize);
  }

  run(ticks: number): Exit {
    return this.core.run(0, ticks);
  }

  /** Whether the host would be told that the page has changed. */
  isDirty(page: number): boolean {
    return (this.view.getUint8(ramTables(this.ramSize).flags + page) & PAGE_FLAG.DIRTY) !== 0;
  }
}

/** Names and values of the fields that differ between two harts' states. */
export function hartDifferences(a: Bare, b: Bare): string[] {
  const out: string[] = [];
  for (const [name, width, count = 1] of HART_STATE_FIELDS as readonly (readonly [
    (typeof HART_STATE_FIELDS)[number][0],
    number,
    number?,
  ])[]) {
    for (let i = 0; i < count; i++) {
      const left = a.get(name, i),
        right = b.get(name, i);
      if (left !== right)
        out.push(
          `${name}${count > 1 ? `[${i}]` : ''}: ${a.kind} ${left.toString(16).padStart(2 * width, '0')}, ${b.kind} ${right.toString(16).padStart(2 * width, '0')}`,
        );
    }
  }
  return out;
}
