import { CSR, type MachineView, PRV } from './machine-view.ts';

/** Page-table entry bits (privileged ISA, "Sv39: Addressing and Memory Protection"). */
export const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, U: 16n, G: 32n, A: 64n, D: 128n } as const;

/** `rwxugad` for the flags of an entry, `-` where one is clear. */
export const flagText = (flags: bigint): string =>
  ([PTE.R, PTE.W, PTE.X, PTE.U, PTE.G, PTE.A, PTE.D] as const)
    .map((bit, i) => (flags & bit ? 'rwxugad'[i] : '-'))
    .join('');

const PPN = 0xfff_ffff_ffffn;
const SATP = 0x180;

/** What a walk found: the leaf and the size of its page in bytes. */
export interface Mapping {
  readonly physical: bigint;
  readonly entry: bigint;
  readonly pageSize: bigint;
}

/** Levels of a satp mode: 3 for Sv39 and so on; 0 when addresses are not translated. */
export const levelsOf = (satp: bigint): number => {
  const mode = Number(satp >> 60n);
  return mode >= 8 && mode <= 10 ? mode - 5 : 0;
};

function entryAt(view: MachineView, address: bigint): bigint | undefined {
  const bytes = view.readPhysical(address, 8);
  return bytes.length < 8 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

/** Walks a page table without regard to permissions and without effect. @param satp mode and root; mode 0 maps everything to itself */
export function walk(view: MachineView, satp: bigint, address: bigint): Mapping | undefined {
  const levels = levelsOf(satp);
  if (levels === 0) return { physical: address, entry: 0xffn, pageSize: 4096n };
  const bits = BigInt(12 + 9 * levels);
  if (BigInt.asUintN(64, BigInt.asIntN(Number(bits), address)) !== address) return undefined;
  let table = (satp & PPN) << 12n;
  for (let level = levels - 1; level >= 0; level--) {
    const shift = BigInt(12 + 9 * level);
    const entry = entryAt(view, table + ((address >> shift) & 0x1ffn) * 8n);
    if (entry === undefined || (entry & PTE.V) === 0n) return undefined;
    const target = ((entry >> 10n) & PPN) << 12n;
    if ((entry & (PTE.R | PTE.X)) === 0n) {
      table = target;
      continue;
    }
    if (level === 0 && entry >> 63n === 1n) {
      // Svnapot: 64 KiB, the low four bits of the page number come from the address
      const page = (target & ~0xffffn) | (address & 0xf000n);
      return { physical: page | (address & 0xfffn), entry, pageSize: 65_536n };
    }
    const size = 1n << shift;
    return { physical: (target & ~(size - 1n)) | (address & (size - 1n)), entry, pageSize: size };
  }
  return undefined;
}

/** The translation a hart uses now: its satp, or 0 in M-mode. */
export const currentSatp = (view: MachineView, hart: number): bigint =>
  view.readRegister(hart, PRV) === 3n ? 0n : (view.readRegister(hart, CSR(SATP)) ?? 0n);

/** A stretch of virtual addresses with the same permissions. */
export interface Stretch {
  readonly start: bigint;
  readonly end: bigint;
  readonly physical: bigint;
  /** The entry's low 8 bits. */
  readonly flags: bigint;
}

/** All that a page table maps, in order; neighbours that continue each other are one. Tables are visited once per reference. */
export function* mappings(view: MachineView, satp: bigint): Generator<Stretch> {
  const levels = levelsOf(satp);
  if (levels === 0) return;
  let open: { start: bigint; end: bigint; physical: bigint; flags: bigint } | undefined;
  for (const leaf of leaves(view, (satp & PPN) << 12n, levels - 1, 0n, levels)) {
    if (
      open &&
      open.end === leaf.start &&
      open.flags === leaf.flags &&
      open.physical + (open.end - open.start) === leaf.physical
    ) {
      open.end = leaf.end;
      continue;
    }
    if (open) yield open;
    open = { ...leaf };
  }
  if (open) yield open;
}

function* leaves(view: MachineView, table: bigint, level: number, base: bigint, levels: number): Generator<Stretch> {
  const bytes = view.readPhysical(table, 4096);
  if (bytes.length < 4096) return;
  const entries = new DataView(bytes.buffer, bytes.byteOffset);
  const shift = BigInt(12 + 9 * level);
  for (let i = 0; i < 512; i++) {
    const entry = entries.getBigUint64(i * 8, true);
    if ((entry & PTE.V) === 0n) continue;
    const start = BigInt.asUintN(64, BigInt.asIntN(12 + 9 * levels, base + (BigInt(i) << shift)));
    const target = ((entry >> 10n) & PPN) << 12n;
    if ((entry & (PTE.R | PTE.X)) !== 0n)
      yield { start, end: start + (1n << shift), physical: target, flags: entry & 0xffn };
    else if (level > 0) yield* leaves(view, target, level - 1, base + (BigInt(i) << shift), levels);
  }
}

/** A source of virtual memory. */
export type Resolve = (address: bigint) => bigint | undefined;

/** Reads through a translation: shorter than asked for where nothing more is mapped. */
export function readThrough(view: MachineView, resolve: Resolve, address: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const at = BigInt.asUintN(64, address + BigInt(done));
    const physical = resolve(at);
    if (physical === undefined) break;
    const chunk = Math.min(length - done, 4096 - Number(at & 0xfffn));
    const bytes = view.readPhysical(physical, chunk);
    out.set(bytes, done);
    done += bytes.length;
    if (bytes.length < chunk) break;
  }
  return done === length ? out : out.subarray(0, done);
}
