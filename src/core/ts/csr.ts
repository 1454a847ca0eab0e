import { CSRS, type Csr } from '../../isa/csrs.ts';
import { extensionBit } from '../../isa/decode.ts';
import type { IrregularCsr } from './csr-access.ts';
import { irregularCsrs } from './csr-irregular.ts';
import { EVENT, HI, io, LO, xh, xl } from './registers.ts';
import { H, type State } from './state.ts';
import type { Translation } from './translation.ts';
import type { Traps } from './traps.ts';

interface Entry {
  /** Extension bit that must be on; −1 asks for none. */
  readonly extension: number;
  /** Word offset of the field in the hart's block, or −1. */
  readonly field: number;
  readonly wide: boolean;
  readonly writeLo: number;
  readonly writeHi: number;
  readonly constant: number;
  readonly irregular: IrregularCsr | undefined;
}

function entryFor(row: Csr, irregular: Record<string, IrregularCsr>): Entry {
  const write = row.write ?? 0n;
  if (row.helper !== undefined && !(row.helper in irregular))
    throw new Error(`CSR ${row.name}: no helper "${row.helper}"`);
  return {
    extension: row.extension ? extensionBit(row.extension) : -1,
    field: row.field === undefined ? -1 : H[row.field],
    wide: row.width === 8,
    writeLo: Number(BigInt.asIntN(32, write)),
    writeHi: Number(BigInt.asIntN(32, write >> 32n)),
    constant: Number(row.constant ?? 0n),
    irregular: row.helper === undefined ? undefined : irregular[row.helper],
  };
}

/** Kinds of CSR instruction. */
export const CSR_OP = { WRITE: 0, SET: 1, CLEAR: 2 } as const;

const MIP = 0x344;
const SIP = 0x144;

/** Control and status registers, by number (unprivileged ISA, "Zicsr"; privileged ISA, "CSR Listing"). */
export class Csrs {
  private readonly table: (Entry | undefined)[] = new Array<Entry | undefined>(4096).fill(undefined);
  private readonly state: State;
  /** A debugger asks: privilege does not count. */
  private forced = false;

  constructor(state: State, traps: Traps, translation: Translation) {
    this.state = state;
    const irregular = irregularCsrs(state, traps, translation, () => this.forced);
    for (const row of CSRS) {
      const entry = entryFor(row, irregular);
      for (let i = 0; i < (row.count ?? 1); i++) this.table[row.number + i] = entry;
    }
  }

  /** Reads a CSR into LO and HI. @returns whether it exists and may be read here */
  read(number: number): boolean {
    const entry = this.table[number];
    if (!entry || (entry.extension !== -1 && (this.state.extensions & entry.extension) === 0)) return false;
    if (entry.irregular) return entry.irregular.read(number);
    const at = this.state.h + entry.field;
    const held = entry.field >= 0;
    io[LO] = held ? this.state.m32[at] : entry.constant;
    io[HI] = held && entry.wide ? this.state.m32[at + 1] : 0;
    return true;
  }

  /** Writes a CSR that may be read here. @returns an event */
  private write(number: number, lo: number, hi: number): number {
    const entry = this.table[number]!;
    if (entry.irregular) return entry.irregular.write(number, lo, hi);
    if (entry.field >= 0) {
      const { m32, h } = this.state;
      const at = h + entry.field;
      m32[at] = (m32[at] & ~entry.writeLo) | (lo & entry.writeLo);
      if (entry.wide) m32[at + 1] = (m32[at + 1] & ~entry.writeHi) | (hi & entry.writeHi);
    }
    return EVENT.CHECK;
  }

  /**
   * Executes a CSR instruction.
   * @param rd index of the destination @param writes whether it writes at all (CSRRS and CSRRC with x0 do not) @returns an event
   */
  execute(kind: number, rd: number, number: number, lo: number, hi: number, writes: boolean): number {
    const { m32, h } = this.state;
    if (m32[h + H.prv] < ((number >> 8) & 3) || (writes && number >> 10 === 3) || !this.read(number))
      return EVENT.ILLEGAL;
    const oldLo = io[LO];
    const oldHi = io[HI];
    let event: number = EVENT.NONE;
    if (writes) {
      // of mip, wired bits are read but take no part in setting and clearing bits
      const wired = number === MIP || number === SIP;
      const baseLo = wired ? m32[h + H.mip] : oldLo;
      const baseHi = wired ? m32[h + H.mip + 1] : oldHi;
      if (kind === CSR_OP.WRITE) event = this.write(number, lo, hi);
      else if (kind === CSR_OP.SET) event = this.write(number, baseLo | lo, baseHi | hi);
      else event = this.write(number, baseLo & ~lo, baseHi & ~hi);
    }
    xl[rd] = oldLo;
    xh[rd] = oldHi;
    return event;
  }

  /** Reads for a debugger, as M-mode would, into LO and HI. */
  peek(number: number): boolean {
    this.forced = true;
    const found = this.read(number);
    this.forced = false;
    return found;
  }

  /** Writes for a debugger. */
  poke(number: number, lo: number, hi: number): boolean {
    if (number >> 10 === 3) return false;
    this.forced = true;
    const found = this.read(number);
    if (found) this.write(number, lo, hi);
    this.forced = false;
    return found;
  }
}
