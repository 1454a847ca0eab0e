import type { LinuxKernel } from './kernel.ts';

/** Bytes of a page. */
export const PAGE = 4096;
/** Slots of an xarray's node, and the bits of an index that choose one (Linux include/linux/xarray.h). */
const SLOTS = 64n;
const SLOT_BITS = 6n;
/** Pointers up to this are not nodes but marks within one. */
const LAST_MARK = 4096n;
/** Bits of virtual addresses by satp's MODE. */
const ADDRESS_BITS: Readonly<Record<string, bigint>> = { 8: 39n, 9: 48n, 10: 57n };
/** log2 of the size that the kernel reserves for a struct page. */
const STRUCT_PAGE_SHIFT = 6n;
/** Of buffer_head.b_state: BH_Uptodate. */
const BUFFER_UPTODATE = 1n;

/** Contents of files as the kernel keeps them in memory. */
export class PageCache {
  private readonly kernel: LinuxKernel;
  private readonly pageSize: bigint;
  /** Flag of a page that was read, or written as a whole. */
  private readonly upToDate: bigint;
  /** Flag of a page that has buffers. */
  private readonly hasPrivate: bigint;

  constructor(kernel: LinuxKernel) {
    this.kernel = kernel;
    this.pageSize = BigInt(kernel.btf.sizeOf(kernel.btf.struct('page')));
    const flag = (name: string): bigint => {
      const bit = kernel.btf.enumerator(name);
      return bit === undefined ? 0n : 1n << bit;
    };
    this.upToDate = flag('PG_uptodate');
    this.hasPrivate = flag('PG_private');
  }

  /** A page of a file, at most {@link PAGE} bytes from `index` pages on; undefined when it is not in memory. */
  read(mapping: bigint, index: number, length: number): Uint8Array | undefined {
    const physical = this.page(mapping, BigInt(index));
    return physical === undefined ? undefined : this.kernel.view.readPhysical(physical, Math.min(PAGE, length));
  }

  /** Physical address of a page of a file. @param mapping address of its struct address_space @param index of the page */
  page(mapping: bigint, index: bigint): bigint | undefined {
    const folio = this.folio(mapping, index);
    return folio !== undefined && this.isUpToDate(folio) ? this.physical(folio, index) : undefined;
  }

  /**
   * A block of a disk's metadata; undefined when it is not in memory. File systems read single blocks, which makes those blocks valid but
   * not the page they are in (Linux fs/buffer.c, end_buffer_read_sync).
   * @param mapping address of the disk's struct address_space @param offset of the block, which lies within a page
   */
  block(mapping: bigint, offset: number, length: number): Uint8Array | undefined {
    const index = BigInt(Math.floor(offset / PAGE));
    const within = offset % PAGE;
    const folio = within + length > PAGE ? undefined : this.folio(mapping, index);
    if (folio === undefined || !(this.isUpToDate(folio) || this.isRead(folio, index, within))) return undefined;
    const physical = this.physical(folio, index);
    return physical === undefined ? undefined : this.kernel.view.readPhysical(physical + BigInt(within), length);
  }

  private isUpToDate(folio: bigint): boolean {
    return (this.kernel.get('folio', folio, 'flags') & this.upToDate) !== 0n;
  }

  /** Whether the buffer of a place in a page holds what is on the disk, or newer. */
  private isRead(folio: bigint, index: bigint, within: number): boolean {
    const { kernel } = this;
    const first = kernel.get('folio', folio, 'private');
    if ((kernel.get('folio', folio, 'flags') & this.hasPrivate) === 0n || first === 0n) return false;
    const place = Number(index - kernel.get('folio', folio, 'index')) * PAGE + within;
    let start = 0;
    let head = first;
    do {
      const get = (path: string): bigint => kernel.get('buffer_head', head, path);
      const end = start + Number(get('b_size'));
      if (end === start) return false;
      if (place < end) return (get('b_state') & BUFFER_UPTODATE) !== 0n;
      start = end;
      head = get('b_this_page');
    } while (head !== first && head !== 0n);
    return false;
  }

  private physical(folio: bigint, index: bigint): bigint | undefined {
    const frame = this.frame(folio);
    return frame === undefined ? undefined : (frame + index - this.kernel.get('folio', folio, 'index')) << 12n;
  }

  /** Address of the struct folio that holds a page, valid or not. */
  private folio(mapping: bigint, index: bigint): bigint | undefined {
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
    return entry === 0n || (entry & 1n) === 1n ? undefined : entry;
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
