import {
  HART_SIZE,
  hartAt,
  MACHINE,
  MACHINE_AT,
  MAX_RAM,
  MIN_RAM,
  PAGE_SIZE,
  RAM_AT,
  RAM_BASE,
  ramTables,
} from '../../isa/layout.ts';
import { AbsentPages } from './absent-pages.ts';
import { GuestRam, type RamChanged } from './ram.ts';

const WASM_PAGE = 65_536;
const WORD = 2 ** 32;

/**
 * The linear memory that cores, devices and debuggers share, with its views. It is allocated once at its full size, so no view
 * ever goes stale.
 */
export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly buffer: ArrayBuffer;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  readonly ramSize: number;
  /** Number of RAM pages. */
  readonly pages: number;
  /** All of RAM. */
  readonly ramBytes: Uint8Array;
  /** RAM as words. */
  readonly ramWords: Uint32Array;
  /** One byte of PAGE_FLAG bits per RAM page. */
  readonly pageFlags: Uint8Array;
  /** Pages whose contents are not in RAM yet: ask it before reading {@link ramBytes} or {@link ramWords}. */
  readonly absent: AbsentPages;
  private readonly timeLow = (MACHINE_AT + MACHINE.timeEnd) >>> 2;
  private readonly left = (MACHINE_AT + MACHINE.left) >>> 2;

  /** @param ramSize bytes, a multiple of the page size from MIN_RAM to MAX_RAM @throws RangeError otherwise, or when the host has not that much */
  constructor(ramSize: number) {
    if (!(ramSize >= MIN_RAM && ramSize <= MAX_RAM && ramSize % PAGE_SIZE === 0)) {
      throw new RangeError(
        `memory of ${ramSize} bytes: expected a multiple of ${PAGE_SIZE} from ${MIN_RAM} to ${MAX_RAM}`,
      );
    }
    const tables = ramTables(ramSize);
    const size = tables.end / WASM_PAGE;
    this.memory = new WebAssembly.Memory({ initial: size, maximum: size });
    this.buffer = this.memory.buffer as ArrayBuffer;
    this.u8 = new Uint8Array(this.buffer);
    this.u32 = new Uint32Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.ramSize = ramSize;
    this.pages = ramSize / PAGE_SIZE;
    this.ramBytes = new Uint8Array(this.buffer, RAM_AT, ramSize);
    this.ramWords = new Uint32Array(this.buffer, RAM_AT, ramSize / 4);
    this.pageFlags = new Uint8Array(this.buffer, tables.flags, this.pages);
    this.absent = new AbsentPages(this.pageFlags, this.ramBytes);
  }

  /** RAM for devices, firmware and debuggers. */
  guestRam(onChange: RamChanged): GuestRam {
    return new GuestRam(this.ramBytes, RAM_BASE, onChange, (offset, length) => this.absent.need(offset, length));
  }

  /** Guest time in ticks: exact while a core is inside a call to its host, and between runs. */
  get time(): number {
    return this.u32[this.timeLow + 1] * WORD + this.u32[this.timeLow] - this.u32[this.left];
  }

  /** Sets guest time; only between runs. */
  set time(ticks: number) {
    this.u32[this.timeLow] = ticks % WORD;
    this.u32[this.timeLow + 1] = Math.floor(ticks / WORD);
    this.u32[this.left] = 0;
  }

  /** A 4-byte field of the MACHINE block. */
  machine32(field: keyof typeof MACHINE): number {
    return this.u32[(MACHINE_AT + MACHINE[field]) >>> 2];
  }

  setMachine32(field: keyof typeof MACHINE, value: number): void {
    this.u32[(MACHINE_AT + MACHINE[field]) >>> 2] = value;
  }

  setMachine64(field: keyof typeof MACHINE, value: bigint): void {
    this.view.setBigUint64(MACHINE_AT + MACHINE[field], BigInt.asUintN(64, value), true);
  }

  /** A hart's whole block. */
  hartBytes(hart: number): Uint8Array {
    return this.u8.subarray(hartAt(hart), hartAt(hart) + HART_SIZE);
  }
}
