import type { LinuxKernel } from './kernel.ts';

const PAGE = 4096;
/** Slots of an xarray's node, and the bits of an index that choose one (Linux include/linux/xarray.h). */
const SLOTS = 64n;
const SLOT_BITS = 6n;
/** Pointers up to this are not nodes but marks within one. */
const LAST_MARK = 4096n;
/** Bits of virtual addresses by satp's MODE. */
const ADDRESS_BITS: Readonly<Record<string, bigint>> = { 8: 39n, 9: 48n, 10: 57n };
/** log2 of the size that the kernel reserves for a struct page. */
const STRUCT_PAGE_SHIFT = 6n;

/** Contents of files as the kernel keeps them in memory. */
export class PageCache {
  private readonly kernel: LinuxKernel;
  private readonly pageSize: bigint;

  constructor(kernel: LinuxKernel) {
    this.kernel = kernel;
    this.pageSize = BigInt(kernel.btf.sizeOf(kernel.btf.struct('page')));
  }

  /**
   * A file's contents.
   * @param file address of its struct file
   * @returns undefined where parts of it are not in memory
   */
  read(file: bigint): Uint8Array | undefined {
    const { kernel } = this;
    const size = Number(kernel.get('inode', kernel.get('file', file, 'f_inode'), 'i_size'));
    const mapping = kernel.get('file', file, 'f_mapping');
    const out = new Uint8Array(size);
    for (let at = 0; at < size; at += PAGE) {
      const physical = this.page(mapping, BigInt(at / PAGE));
      if (physical === undefined) return undefined;
      out.set(kernel.view.readPhysical(physical, Math.min(PAGE, size - at)), at);
    }
    return out;
  }

  /** Physical address of a page of a file. @param mapping address of its struct address_space @param index of the page */
  page(mapping: bigint, index: bigint): bigint | undefined {
    const { kernel } = this;
    let entry = kernel.get('address_space', mapping, 'i_pages.xa_head');
    const isNode = (e: bigint): boolean => (e & 3n) === 2n && e > LAST_MARK;
    for (let top = true; isNode(entry); top = false) {
      const node = entry - 2n;
      const shift = kernel.get('xa_node', node, 'shift');
      if (top && index >> (shift + SLOT_BITS) !== 0n) return undefined;
      const slots = kernel.at('xa_node', node, 'slots');
      entry = kernel.pointer(slots + 8n * ((index >> shift) & (SLOTS - 1n)));
      // One entry may stand for several indices: the other slots name the one it is in.
      if ((entry & 3n) === 2n && !isNode(entry)) entry = kernel.pointer(slots + 8n * (entry >> 2n));
    }
    // Odd entries are not pages but what is known of ones that were dropped.
    if (entry === 0n || (entry & 1n) === 1n) return undefined;
    const first = kernel.get('folio', entry, 'index');
    const frame = this.frame(entry);
    return frame === undefined ? undefined : (frame + index - first) << 12n;
  }

  /** Number of the page frame that a struct page describes (Linux arch/riscv/include/asm/pgtable.h, `vmemmap`). */
  private frame(page: bigint): bigint | undefined {
    const { kernel } = this;
    const bits = ADDRESS_BITS[String(kernel.mode() >> 60n)];
    if (bits === undefined) return undefined;
    const offset = kernel.get('kernel_mapping', kernel.address('kernel_map'), 'page_offset');
    const vmalloc = offset - (1n << (bits - 3n));
    const start = vmalloc - (1n << (bits - 13n + STRUCT_PAGE_SHIFT));
    const ram = kernel.pointer(kernel.address('phys_ram_base')) >> 12n;
    return (page - start) / this.pageSize + ram;
  }
}
