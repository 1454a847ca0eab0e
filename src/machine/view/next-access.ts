import { ALL_EXTENSIONS, type Decoded, decode, isLong } from '../../isa/decode.ts';
import { CACHE_BLOCK_SIZE } from '../../isa/layout.ts';
import { type MachineView, PC, X } from './machine-view.ts';
import { readVirtual } from './virtual-memory.ts';

/** What an instruction does to memory. */
export interface DataAccess {
  readonly address: bigint;
  readonly length: number;
  readonly reads: boolean;
  readonly writes: boolean;
}

/** The instruction a hart is about to execute; undefined where there is none. */
export function nextInstruction(view: MachineView, hart: number): Decoded | undefined {
  const pc = view.readRegister(hart, PC) ?? 0n;
  const bytes = readVirtual(view, hart, pc, 4);
  if (bytes.length < 2) return undefined;
  const half = bytes[0] | (bytes[1] << 8);
  return decode(isLong(half) && bytes.length === 4 ? half | (bytes[2] << 16) | (bytes[3] << 24) : half, ALL_EXTENSIONS);
}

/** The data access of the instruction a hart is about to execute, as its row tells it; undefined when it makes none. */
export function nextAccess(view: MachineView, hart: number): DataAccess | undefined {
  const d = nextInstruction(view, hart);
  if (!d) return undefined;
  const base = view.readRegister(hart, X(d.rs1)) ?? 0n;
  const at = (imm: number): bigint => BigInt.asUintN(64, base + BigInt(imm));
  const { statement: s, name } = d.row;
  if (s.kind === 'load') return { address: at(d.imm), length: s.width / 8, reads: true, writes: false };
  if (s.kind === 'store') return { address: at(d.imm), length: s.width / 8, reads: false, writes: true };
  if (s.kind === 'amo') return { address: base, length: s.width / 8, reads: true, writes: true };
  const reserved = /^(lr|sc)\.([wd])$/.exec(name);
  if (reserved)
    return {
      address: base,
      length: reserved[2] === 'w' ? 4 : 8,
      reads: reserved[1] === 'lr',
      writes: reserved[1] === 'sc',
    };
  if (name === 'cbo.zero')
    return { address: base & ~BigInt(CACHE_BLOCK_SIZE - 1), length: CACHE_BLOCK_SIZE, reads: false, writes: true };
  return undefined;
}
