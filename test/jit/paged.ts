import type { Rig } from '../../bench/jit/rig.ts';
import { EXTENSIONS } from '../../src/isa/instruction.ts';
import type { Assembler } from './assembler.ts';
import type { Random } from './random.ts';

// A world for random programs in S-mode: two Sv39 address spaces that share tables in part, code on pages in no physical order and twice,
// and a page of table entries and satp values that the program puts into use.

const BASE = 0x1000_0000;
/** Where programs are mapped. */
export const PAGED_BASE = BASE;
const CODE_PAGES = 12;
const DATA_AT = 0x40;
const DATA_PAGES = 6;
const TABLE_AT = 0x50;
const CONSTANTS_AT = 0x51;
/** Offsets of data from the base; one behind the last page. */
export const PAGED_DATA = Array.from({ length: DATA_PAGES + 1 }, (_, i) => (DATA_AT + i) * 4096);

/** Physical pages (RAM page numbers). */
const PHYSICAL = {
  root: 0x100,
  middle: 0x101,
  leaf: 0x102,
  root2: 0x103,
  middle2: 0x104,
  leaf2: 0x105,
  constants: 0x110,
  data: 0x140,
  code: 0x20,
  copy: 0x60,
} as const;
const VALID = 1,
  R = 2,
  W = 4,
  X = 8,
  A = 64,
  D = 128;
const entry = (page: number, flags: number): bigint => (BigInt(0x80000 + page) << 10n) | BigInt(flags);
const CODE = VALID | R | W | X | A | D;
const shuffled = (page: number, i: number): number => page + ((i * 7) % CODE_PAGES);
const CONSTANTS = 64;

/** Entries a program may write for a slot: first code slots, then data slots, 4 of each; then 2 satp values. */
function constants(): bigint[] {
  const list: bigint[] = [];
  for (let c = 0; c < CODE_PAGES; c++)
    list.push(entry(shuffled(PHYSICAL.code, c), CODE), entry(shuffled(PHYSICAL.copy, c), CODE));
  for (let d = 0; d < DATA_PAGES; d++) {
    const page = PHYSICAL.data + d;
    list.push(entry(page, VALID | R | W | A | D), entry(page, VALID | R | A), entry(page + 1, VALID | R | W), 0n);
  }
  while (list.length < CONSTANTS) list.push(0n);
  list.push(
    (8n << 60n) | BigInt(0x80000 + PHYSICAL.root),
    (8n << 60n) | (1n << 44n) | BigInt(0x80000 + PHYSICAL.root2),
  );
  return list;
}

/** Puts a program into its pages and a hart at its start. */
export function enterPaged({ memory, hart, core }: Rig, program: Uint8Array, r: Random): void {
  const put = (page: number, slot: number, value: bigint): void =>
    memory.view.setBigUint64(memory.ramBytes.byteOffset + page * 4096 + slot * 8, value, true);
  for (const [root, middle, leaf] of [
    [PHYSICAL.root, PHYSICAL.middle, PHYSICAL.leaf],
    [PHYSICAL.root2, PHYSICAL.middle2, PHYSICAL.leaf2],
  ] as const) {
    put(root, 0, entry(middle, VALID));
    put(middle, BASE >> 21, entry(leaf, VALID));
    for (let c = 0; c < CODE_PAGES; c++)
      put(leaf, c, entry(shuffled(leaf === PHYSICAL.leaf ? PHYSICAL.code : PHYSICAL.copy, c), CODE));
    for (let d = 0; d < DATA_PAGES; d++)
      put(
        leaf,
        DATA_AT + d,
        entry(
          PHYSICAL.data + (leaf === PHYSICAL.leaf ? d : DATA_PAGES - 1 - d),
          VALID | R | W | (r.chance(50) ? A | D : 0),
        ),
      );
    put(leaf, TABLE_AT, entry(leaf, VALID | R | W | A | D));
    put(leaf, CONSTANTS_AT, entry(PHYSICAL.constants, VALID | R | A));
  }
  constants().forEach((value, i) => put(PHYSICAL.constants, i, value));
  for (let c = 0; c < CODE_PAGES; c++) {
    const part = program.subarray(c * 4096, (c + 1) * 4096);
    memory.ramBytes.set(part, shuffled(PHYSICAL.code, c) * 4096);
    memory.ramBytes.set(part, shuffled(PHYSICAL.copy, c) * 4096);
  }
  if (program.length > CODE_PAGES * 4096)
    throw new Error(`a program of ${program.length} bytes is too long for its pages`);
  memory.setMachine32('hostSbi', 1);
  hart.resetForSupervisor(EXTENSIONS);
  hart.set32('hsm', 0);
  hart.set('pc', BigInt(BASE));
  hart.set('satp', constants()[CONSTANTS]);
  core.ramChanged(0, memory.ramSize);
  core.hartChanged(0);
}

/** Physical pages of a page of code, by their RAM page numbers: the first address space's, and the copy that the second has. */
export const pageEntry = (page: number): { readonly code: number; readonly copy: number } => ({
  code: shuffled(PHYSICAL.code, page),
  copy: shuffled(PHYSICAL.copy, page),
});

/** satp of an address space. */
export const pagedSatp = (space: 0 | 1): bigint => constants()[CONSTANTS + space];

/** Maps a page of code of the first address space, or unmaps it, as a host would. */
export function remapCode({ memory, core }: Rig, page: number, to: 'code' | 'copy' | undefined): void {
  const at = PHYSICAL.leaf * 4096 + page * 8;
  const value = to === undefined ? 0n : entry(pageEntry(page)[to], CODE);
  memory.view.setBigUint64(memory.ramBytes.byteOffset + at, value, true);
  core.ramChanged(at, 8);
}

/** Changes a page table entry, or switches to the other tables. */
export function remap(r: Random, a: Assembler): void {
  a.li(5, BASE + CONSTANTS_AT * 4096);
  if (r.chance(25)) {
    a.op('ld', { rd: 6, rs1: 5, imm: (CONSTANTS + r.below(2)) * 8 });
    return a.op('csrrw', { rd: 0, rs1: 6, imm: 0x180 });
  }
  const code = r.chance(50);
  const which = r.below(code ? CODE_PAGES : DATA_PAGES);
  a.op('ld', { rd: 6, rs1: 5, imm: (code ? which * 2 + r.below(2) : CODE_PAGES * 2 + which * 4 + r.below(4)) * 8 });
  a.li(5, BASE + TABLE_AT * 4096);
  a.op('sd', { rs1: 5, rs2: 6, imm: (code ? which : DATA_AT + which) * 8 });
  if (r.chance(50)) a.op('sfence.vma');
}
