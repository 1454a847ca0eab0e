import { RAM_BASE } from '../../../src/isa/layout.ts';
import type { Random } from '../random.ts';
import { CODE, DATA, DATA_SIZE, STUB, TABLES, TABLES_SIZE } from './layout.ts';

/** A place that virtual addresses lead to data by, or not: 4 KiB from `address` on. */
export interface Mapping {
  readonly address: bigint;
}

/** An address space: what goes to satp, where code is for each privilege, and addresses worth touching. */
export interface Space {
  readonly satp: bigint;
  /** Virtual address of the beginning of RAM for S-mode (U clear) and U-mode (U set) code. */
  readonly supervisor: bigint;
  readonly user: bigint;
  /** The page of calls that S-mode traps lead to. */
  readonly stub: bigint;
  readonly mappings: readonly Mapping[];
}

const V = 1n,
  R = 2n,
  W = 4n,
  X = 8n,
  U = 16n,
  A = 64n,
  D = 128n;
const canonical = (levels: number, address: bigint): bigint =>
  BigInt.asUintN(64, BigInt.asIntN(12 + 9 * levels, address));

/** Hands out pages of the pool and writes entries. */
class Tables {
  private next = TABLES;
  private readonly ram: DataView;

  constructor(ram: DataView) {
    this.ram = ram;
  }

  page(): number {
    if (this.next === TABLES + TABLES_SIZE) throw new Error('the pool of page tables is used up');
    const page = this.next;
    this.next += 4096;
    return page;
  }

  get(table: number, index: number): bigint {
    return this.ram.getBigUint64(table + 8 * index, true);
  }

  set(table: number, index: number, entry: bigint): void {
    this.ram.setBigUint64(table + 8 * index, BigInt.asUintN(64, entry), true);
  }
}

const entryFor = (offset: number, flags: bigint): bigint => (BigInt((RAM_BASE + offset) / 4096) << 10n) | flags;

/** Puts a leaf in place, making upper levels as needed. @param level 0: 4 KiB, 1: 2 MiB … */
function map(tables: Tables, root: number, levels: number, address: bigint, level: number, entry: bigint): void {
  let table = root;
  for (let l = levels - 1; l > level; l--) {
    const index = Number((address >> BigInt(12 + 9 * l)) & 511n);
    const known = tables.get(table, index);
    if ((known & V) !== 0n) {
      if ((known & (R | W | X)) !== 0n) return;
      table = Number(known >> 10n) * 4096 - RAM_BASE;
    } else {
      const page = tables.page();
      tables.set(table, index, entryFor(page, V));
      table = page;
    }
  }
  tables.set(table, Number((address >> BigInt(12 + 9 * level)) & 511n), entry);
}

/** Flags of a leaf: most work, every bit is wrong now and then. */
function flags(r: Random): bigint {
  let f = V | R | A;
  f |= r.pick([0n, W, W, W | X, X]);
  if (r.chance(50)) f |= U;
  if (r.chance(50)) f |= D;
  if (r.chance(20)) f &= ~A;
  if (r.chance(8)) f &= ~V;
  if (r.chance(8)) f ^= R;
  if (r.chance(5)) f ^= W;
  f |= BigInt(r.below(4)) << 8n;
  // QEMU 7.2 looks neither at bits 60:54 nor for the reserved memory type 3
  if (r.chance(6)) f |= BigInt(r.between(1, 2)) << 61n;
  // QEMU sets A and D before it looks at what N says
  if (r.chance(3)) f |= (1n << 63n) | A | D;
  return f;
}

/** Builds one address space of 3 (Sv39), 4 or 5 levels. */
function space(r: Random, tables: Tables, levels: 3 | 4 | 5): Space {
  const root = tables.page();
  const top = BigInt(12 + 9 * levels);
  // not where RAM is: QEMU keeps the runner's own translations of it for M-mode, and MPRV finds them
  const far = (): bigint => {
    const address = canonical(levels, ((r.u64() & ((1n << top) - 1n)) >> 30n) << 30n);
    return address === BigInt(RAM_BASE) ? 0x4000_0000n : address;
  };
  const [supervisor, user, near, other] = [far(), far(), far(), far()];
  const code = entryFor(0, V | R | W | X | A | D);
  // code by 2 MiB leaves, the stub by its own page next to them
  map(tables, root, levels, supervisor + BigInt(CODE), 1, entryFor(CODE, V | R | X | A));
  map(tables, root, levels, supervisor, 0, code);
  map(tables, root, levels, supervisor + BigInt(STUB), 0, entryFor(STUB, V | R | X | A));
  map(tables, root, levels, user + BigInt(CODE), 1, entryFor(CODE, V | R | X | U | A));
  const mappings: Mapping[] = [];
  const dataPages = DATA_SIZE / 4096;
  const dataPage = (): number => DATA + r.below(dataPages) * 4096;
  for (let i = 0; i < 40; i++) {
    const address = near + BigInt(i * 4096);
    map(tables, root, levels, address, 0, entryFor(dataPage(), flags(r)));
    mappings.push({ address });
  }
  // contiguous blocks of 64 KiB, right ones and wrong ones
  for (let i = 0; i < 2; i++) {
    const address = near + BigInt(0x80000 + i * 0x10000);
    const block = (BigInt((RAM_BASE + DATA + i * 0x10000) / 4096) | 8n) << 10n;
    const f = (flags(r) & ~(3n << 61n)) | (1n << 63n);
    for (let j = 0; j < 16; j++) {
      // QEMU sets A and D of a block of the wrong size before it faults
      map(tables, root, levels, address + BigInt(j * 4096), 0, block | f | (r.chance(10) ? (1n << 10n) | A | D : 0n));
      mappings.push({ address: address + BigInt(j * 4096) });
    }
  }
  // superpages over RAM's beginning, aligned and not
  for (let i = 0; i < 4; i++) {
    const address = near + BigInt((i + 1) * 0x20_0000);
    map(tables, root, levels, address, 1, entryFor(r.chance(30) ? DATA : 0, flags(r)));
    mappings.push(...Array.from({ length: 4 }, () => ({ address: address + BigInt(dataPage()) })));
  }
  map(tables, root, levels, other, 2, entryFor(r.chance(30) ? 0x20_0000 : 0, flags(r)));
  mappings.push(...Array.from({ length: 4 }, () => ({ address: other + BigInt(dataPage()) })));
  // the far side of an upper entry that is odd or absent
  for (let i = 0; i < 6; i++) {
    const address = far();
    const index = Number((address >> BigInt(12 + 9 * (levels - 1))) & 511n);
    if (tables.get(root, index) === 0n) {
      const odd = r.pick([A, D, U, 1n << 63n, 1n << 61n, W, 0n, 0n]);
      tables.set(root, index, entryFor(tables.page(), V | odd));
    }
    mappings.push({ address });
  }
  mappings.push({ address: far() ^ (1n << 63n) }, { address: BigInt.asUintN(64, 1n << top) });
  return {
    satp: (BigInt(levels + 5) << 60n) | BigInt((RAM_BASE + root) / 4096),
    supervisor,
    user,
    stub: supervisor + BigInt(STUB),
    mappings,
  };
}

/** Address spaces of every mode. */
export function spaces(r: Random, ram: DataView): Space[] {
  const tables = new Tables(ram);
  return [space(r, tables, 3), space(r, tables, 4), space(r, tables, 5)];
}
