import { EXTENSIONS, type Extension } from '../../isa/instruction.ts';
import { HART, HART_STATE_SIZE, hartAt } from '../../isa/layout.ts';
import type { MachineMemory } from './memory.ts';

/** Bits of mip, mie and the wires (Privileged Architecture, "mip and mie"). */
export const INTERRUPT = {
  SSIP: 1 << 1,
  MSIP: 1 << 3,
  STIP: 1 << 5,
  MTIP: 1 << 7,
  SEIP: 1 << 9,
  MEIP: 1 << 11,
} as const;

/** Privilege levels. */
export const PRIVILEGE = { user: 0, supervisor: 1, machine: 3 } as const;

/** Guest ticks to a tick of the `time` CSR: a power of two, as the CSR is guest time shifted right. */
const TICKS_PER_TIME = 64;

const STCE = 1n << 63n;
const STCE_HIGH = 0x8000_0000;
const UXL_SXL = 0xa_0000_0000n;
const ALL = 0xffff_ffff_ffff_ffffn;
/** menvcfg bits, and what delegation the firmware gives S-mode (docs/core-semantics.md, "Reset"). */
const MENVCFG = { cbie: 3n << 4n, cbcfe: 1n << 6n, cbze: 1n << 7n, adue: 1n << 61n, pbmte: 1n << 62n } as const;
const FIRMWARE_MEDELEG = 0xb1ffn;
const FIRMWARE_MIDELEG = 0x222n;
/** PMP entry 0: NAPOT, readable, writable, executable; with all address bits set it matches everything. */
const PMP_OPEN = 0x1fn;

type Field = keyof typeof HART;

/** Bits of MACHINE.extensions. */
export function extensionBits(extensions: readonly Extension[]): bigint {
  return extensions.reduce((bits, extension) => bits | (1n << BigInt(EXTENSIONS.indexOf(extension))), 0n);
}

/** misa: RV64 and the letters that are on (Privileged Architecture, "misa"). */
function misa(extensions: readonly Extension[]): bigint {
  const letters = extensions
    .filter((e) => e.length === 1)
    .reduce((bits, e) => bits | (1n << BigInt(e.charCodeAt(0) - 97)), 0n);
  return (2n << 62n) | letters | (1n << 18n) | (1n << 20n);
}

/** One hart's architectural state in the shared memory. Whoever changes it while a core is attached tells the core (`hartChanged`). */
export class HartState {
  readonly index: number;
  private readonly at: number;
  private readonly view: DataView;
  private readonly u32: Uint32Array;
  private readonly bytes: Uint8Array;

  constructor(memory: MachineMemory, index: number) {
    this.index = index;
    this.at = hartAt(index);
    this.view = memory.view;
    this.u32 = memory.u32;
    this.bytes = memory.u8.subarray(this.at, this.at + HART_STATE_SIZE);
  }

  /** The saved and hashed bytes, live. */
  get state(): Uint8Array {
    return this.bytes;
  }

  /** A field of 8 bytes; `item` picks one of several. */
  get(field: Field, item = 0): bigint {
    return this.view.getBigUint64(this.at + HART[field] + item * 8, true);
  }

  set(field: Field, value: bigint, item = 0): void {
    this.view.setBigUint64(this.at + HART[field] + item * 8, BigInt.asUintN(64, value), true);
  }

  /** A field of 4 bytes. */
  get32(field: Field): number {
    return this.u32[(this.at + HART[field]) >>> 2];
  }

  set32(field: Field, value: number): void {
    this.u32[(this.at + HART[field]) >>> 2] = value;
  }

  /** Reset with host SBI: stopped, in S-mode with delegation as firmware leaves it. */
  resetForSupervisor(extensions: readonly Extension[]): void {
    this.clear(extensions);
    this.set32('prv', PRIVILEGE.supervisor);
    this.set32('mcounteren', 0xffff_ffff);
    // As firmware leaves it: programs read the time through the vDSO with rdtime, and Linux without a PMU driver never sets this itself.
    this.set32('scounteren', 0b111);
    this.set('medeleg', FIRMWARE_MEDELEG);
    this.set('mideleg', FIRMWARE_MIDELEG);
    let menvcfg = MENVCFG.cbie | MENVCFG.cbcfe | MENVCFG.cbze;
    if (extensions.includes('sstc')) menvcfg |= STCE;
    if (extensions.includes('svadu')) menvcfg |= MENVCFG.adue;
    if (extensions.includes('svpbmt')) menvcfg |= MENVCFG.pbmte;
    this.set('menvcfg', menvcfg);
    this.set('pmpcfg', PMP_OPEN);
    this.set('pmpaddr', (1n << 54n) - 1n);
    this.set32('hsm', 1);
  }

  /** Reset for firmware in the guest: M-mode, everything else zero. */
  resetForMachine(extensions: readonly Extension[]): void {
    this.clear(extensions);
    this.set32('prv', PRIVILEGE.machine);
  }

  private clear(extensions: readonly Extension[]): void {
    const lines = this.get32('lines');
    this.bytes.fill(0);
    // Wires are driven by devices, which are reset before harts.
    this.set32('lines', lines);
    this.set('mstatus', UXL_SXL);
    this.set('misa', misa(extensions));
    this.set('reservation', ALL);
    this.set('stimecmp', ALL);
  }

  /** Pending interrupts at guest time `now`, as mip shows them. */
  pending(now: number): number {
    const bits = this.get32('mip') | this.get32('lines');
    if (!this.sstc) return bits;
    return this.timerAt <= now ? bits | INTERRUPT.STIP : bits & ~INTERRUPT.STIP;
  }

  /** Whether a hart that waits would go on at guest time `now`. */
  wakes(now: number): boolean {
    return (this.pending(now) & this.get32('mie')) !== 0;
  }

  /** Guest time at which stimecmp makes STIP pending; Infinity when it never does (Sstc off, or beyond exact numbers of ticks). */
  get timerDeadline(): number {
    return this.sstc ? this.timerAt : Infinity;
  }

  /** Guest time at which firmware without Sstc is to raise the timer interrupt it was asked for (kept in stimecmp). */
  get firmwareDeadline(): number {
    return this.timerAt;
  }

  private get sstc(): boolean {
    return (this.u32[(this.at + HART.menvcfg + 4) >>> 2] & STCE_HIGH) !== 0;
  }

  private get timerAt(): number {
    const low = (this.at + HART.stimecmp) >>> 2;
    const ticks = (this.u32[low + 1] * 2 ** 32 + this.u32[low]) * TICKS_PER_TIME;
    return ticks <= Number.MAX_SAFE_INTEGER ? ticks : Infinity;
  }
}
