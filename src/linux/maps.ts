import type { LinuxKernel } from './kernel.ts';
import { pathOf, rootOf } from './path.ts';
import type { Task } from './tasks.ts';

/** A mapping of a process's memory. */
export interface MemoryArea {
  readonly start: bigint;
  readonly end: bigint;
  /** `rwxp` as /proc/PID/maps shows it. */
  readonly permissions: string;
  /** Offset in the file, bytes. */
  readonly offset: bigint;
  /** Address of the struct file that is mapped; 0 for memory of its own. */
  readonly file: bigint;
  /** File name, `[heap]`, `[stack]`, `[vdso]` or empty. */
  readonly name: string;
}

const FLAG = { READ: 1n, WRITE: 2n, EXEC: 4n, MAYSHARE: 0x80n } as const;

/** Node types of the maple tree (Linux include/linux/maple_tree.h). */
const LEAF = 1;
const RANGE = 2;
const ALLOCATION = 3;
const NODE_SLOTS = { [LEAF]: 16, [RANGE]: 16, [ALLOCATION]: 10 } as Readonly<Record<number, number>>;
const DEPTH = 16;
const ALL = 0xffff_ffff_ffff_ffffn;
/** Entries up to this are not pointers. */
const RESERVED = 4096n;

/** Whether a tree's root leads to nodes rather than to its only entry. Pointers within nodes carry no such mark: their level tells. */
const isNode = (root: bigint): boolean => (root & 3n) === 2n && root > RESERVED;

/** The entries of a maple tree in order: pointers that are set. */
function* mapleEntries(kernel: LinuxKernel, root: bigint): Generator<bigint> {
  if (root === 0n) return;
  if (!isNode(root)) {
    yield root;
    return;
  }
  yield* nodeEntries(kernel, root, ALL, 0);
}

function* nodeEntries(kernel: LinuxKernel, encoded: bigint, max: bigint, depth: number): Generator<bigint> {
  const type = Number((encoded >> 3n) & 15n);
  const slots = NODE_SLOTS[type];
  if (slots === undefined || depth > DEPTH) return;
  const bytes = kernel.read(encoded & ~0xffn, 8 + 8 * (slots - 1) + 8 * slots);
  if (bytes.length < 16 * slots) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = 0; i < slots; i++) {
    const pivot = i < slots - 1 ? view.getBigUint64(8 + 8 * i, true) : max;
    const end = (pivot === 0n && i > 0) || pivot >= max ? max : pivot;
    const entry = view.getBigUint64(8 * slots + 8 * i, true);
    if (entry > RESERVED) {
      if (type === LEAF) yield entry;
      else yield* nodeEntries(kernel, entry, end, depth + 1);
    }
    if (end === max) return;
  }
}

/** The entry of a maple tree for an index. */
function mapleEntry(kernel: LinuxKernel, root: bigint, index: bigint): bigint {
  if (!isNode(root)) return root;
  let encoded = root;
  for (let depth = 0; depth <= DEPTH; depth++) {
    const type = Number((encoded >> 3n) & 15n);
    const slots = NODE_SLOTS[type];
    if (slots === undefined) return 0n;
    const bytes = kernel.read(encoded & ~0xffn, 16 * slots);
    if (bytes.length < 16 * slots) return 0n;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    let i = 0;
    for (; i < slots - 1; i++) {
      const pivot = view.getBigUint64(8 + 8 * i, true);
      if (index <= pivot || (pivot === 0n && i > 0)) break;
    }
    const entry = view.getBigUint64(8 * slots + 8 * i, true);
    if (type === LEAF || entry <= RESERVED) return entry > RESERVED ? entry : 0n;
    encoded = entry;
  }
  return 0n;
}

/** What a `struct vm_area_struct` says of the file that is mapped. */
export interface FileMapping {
  readonly start: bigint;
  readonly end: bigint;
  /** Offset in the file, bytes. */
  readonly offset: bigint;
  /** Address of the struct file; 0 for memory of its own. */
  readonly file: bigint;
  readonly executable: boolean;
}

/** Reads the mapping of a `struct vm_area_struct`. */
export function fileMapping(kernel: LinuxKernel, vma: bigint): FileMapping {
  const get = (path: string): bigint => kernel.get('vm_area_struct', vma, path);
  const file = get('vm_file');
  return {
    start: get('vm_start'),
    end: get('vm_end'),
    offset: file === 0n ? 0n : get('vm_pgoff') << 12n,
    file,
    executable: (get('vm_flags') & FLAG.EXEC) !== 0n,
  };
}

/** The mapping that an address of a process lies in. @param mm address of its mm_struct */
export function mappingAt(kernel: LinuxKernel, mm: bigint, address: bigint): FileMapping | undefined {
  if (mm === 0n) return undefined;
  const vma = mapleEntry(kernel, kernel.get('mm_struct', mm, 'mm_mt.ma_root'), address);
  if (vma === 0n) return undefined;
  const found = fileMapping(kernel, vma);
  return address >= found.start && address < found.end ? found : undefined;
}

/** The memory map of a process, its files as the process itself names them; empty for kernel threads. */
export function memoryAreas(kernel: LinuxKernel, { address, mm }: Task): MemoryArea[] {
  if (mm === 0n) return [];
  const root = rootOf(kernel, address);
  const value = (path: string): bigint => kernel.get('mm_struct', mm, path);
  const brk = { start: value('start_brk'), end: value('brk') };
  const stack = value('start_stack');
  const vdso = kernel.has('mm_struct', 'context.vdso') ? value('context.vdso') : 0n;
  const out: MemoryArea[] = [];
  for (const vma of mapleEntries(kernel, kernel.get('mm_struct', mm, 'mm_mt.ma_root'))) {
    const get = (path: string): bigint => kernel.get('vm_area_struct', vma, path);
    const start = get('vm_start');
    const end = get('vm_end');
    const flags = get('vm_flags');
    const file = get('vm_file');
    let name = '';
    if (file !== 0n) name = pathOf(kernel, kernel.at('file', file, 'f_path'), root);
    else if (start <= brk.end && end >= brk.start && brk.end !== brk.start) name = '[heap]';
    else if (start <= stack && end >= stack) name = '[stack]';
    else if (start === vdso && vdso !== 0n) name = '[vdso]';
    out.push({
      start,
      end,
      name,
      file,
      offset: file === 0n ? 0n : get('vm_pgoff') << 12n,
      permissions:
        (flags & FLAG.READ ? 'r' : '-') +
        (flags & FLAG.WRITE ? 'w' : '-') +
        (flags & FLAG.EXEC ? 'x' : '-') +
        (flags & FLAG.MAYSHARE ? 's' : 'p'),
    });
  }
  return out;
}

/** The program that a process executes, as it names it; undefined for kernel threads. */
export function executablePath(kernel: LinuxKernel, { address, mm }: Task): string | undefined {
  const file = mm === 0n ? 0n : kernel.get('mm_struct', mm, 'exe_file');
  return file === 0n ? undefined : pathOf(kernel, kernel.at('file', file, 'f_path'), rootOf(kernel, address));
}
