import { CSR, type MachineView } from '../machine/view/machine-view.ts';
import { levelsOf, type Mapping, readThrough, walk } from '../machine/view/page-table.ts';
import { SymbolTable } from '../symbols/table.ts';
import { Btf, type Field } from './btf.ts';
import { findKernelImage, type KernelImage } from './image.ts';
import { readKallsyms } from './kallsyms.ts';

const SATP = 0x180;
const LONGEST_STRING = 4096;
const LIST_LIMIT = 100_000;
/** Where the kernel is mapped unless it was moved (Linux, arch/riscv/include/asm/pgtable.h, KERNEL_LINK_ADDR). */
const LINK_ADDRESS = 0xffff_ffff_8000_0000n;

/** Where a kernel's image is mapped, as it says itself in `kernel_map`; before it has written that, where it was linked to. */
function mappedAt(image: Uint8Array, btf: Btf, map: bigint | undefined): bigint {
  const field = map === undefined ? undefined : btf.field(btf.struct('kernel_mapping'), 'virt_addr');
  if (!field) return LINK_ADDRESS;
  const at = Number(map) + field.offset;
  return at + 8 > image.length
    ? LINK_ADDRESS
    : new DataView(image.buffer, image.byteOffset).getBigUint64(at, true) || LINK_ADDRESS;
}

/** A Linux kernel as its own symbols and types describe it, read from guest memory at the present instant. */
export class LinuxKernel {
  readonly view: MachineView;
  readonly symbols: SymbolTable;
  readonly btf: Btf;
  private readonly image: KernelImage;
  private readonly start: bigint;
  private linear: { readonly start: bigint; readonly physical: bigint } | undefined;
  private readonly fields = new Map<string, Field>();

  private constructor(view: MachineView, image: KernelImage, symbols: SymbolTable, btf: Btf, start: bigint) {
    this.view = view;
    this.image = image;
    this.symbols = symbols;
    this.btf = btf;
    this.start = start;
  }

  /** Looks for a kernel in RAM. @returns undefined when there is none that has kallsyms and BTF */
  static find(view: MachineView): LinuxKernel | undefined {
    const image = findKernelImage(view);
    if (!image) return undefined;
    const bytes = view.readPhysical(image.physical, image.size);
    const table = readKallsyms(bytes);
    if (!table) return undefined;
    const offsetOf = (name: string): bigint | undefined => table.symbols.find((s) => s.name === name)?.offset;
    const origin = offsetOf('_start');
    const from = offsetOf('__start_BTF');
    const to = offsetOf('__stop_BTF');
    if (origin === undefined || from === undefined || to === undefined || to - origin > BigInt(image.size))
      return undefined;
    const btf = new Btf(bytes.slice(Number(from - origin), Number(to - origin)));
    const base = table.base ?? mappedAt(bytes, btf, offsetOf('kernel_map'));
    const symbols = new SymbolTable(
      table.symbols.map((s) => ({ address: base + s.offset, size: 0, name: s.name, code: /[tTwW]/.test(s.type) })),
    );
    return new LinuxKernel(view, image, symbols, btf, base + origin);
  }

  /** Address of a symbol. @throws RangeError when there is none */
  address(name: string): bigint {
    const s = this.symbols.find(name);
    if (!s) throw new RangeError(`the kernel has no symbol ${name}`);
    return s.address;
  }

  /** Where a kernel virtual address lies, by the kernel's own page table. */
  resolve(address: bigint): bigint | undefined {
    if (address >= this.start && address < this.start + BigInt(this.image.size))
      return address - this.start + this.image.physical;
    const mode = this.mode();
    if (mode === 0n) return undefined;
    const linear = this.linearOffset(address);
    if (linear !== undefined) return linear;
    const root = this.address('swapper_pg_dir') - this.start + this.image.physical;
    return walk(this.view, mode | (root >> 12n), address)?.physical;
  }

  /** Where an address within the kernel's linear mapping of RAM lies: found without a walk of page tables. */
  private linearOffset(address: bigint): bigint | undefined {
    const { ram } = this.view;
    if (this.linear === undefined) {
      const map = this.symbols.find('kernel_map')?.address;
      const base = this.symbols.find('phys_ram_base')?.address;
      if (map === undefined || base === undefined) return undefined;
      const start = this.get('kernel_mapping', map, 'page_offset');
      const physical = this.pointer(base);
      // Not set up yet: setup_vm() writes the first, setup_bootmem() later the second (Linux, arch/riscv/mm/init.c).
      if (start >> 63n === 0n || physical === 0n) return undefined;
      this.linear = { start, physical };
    }
    const offset = address - this.linear.start;
    const physical = offset + this.linear.physical;
    return offset >= 0n && physical < ram.base + BigInt(ram.size) ? physical : undefined;
  }

  /** Where whole ranges of kernel addresses are mapped: its image and, once that is set up, all of RAM. */
  ranges(): readonly { readonly start: bigint; readonly physical: bigint; readonly size: bigint }[] {
    const { ram } = this.view;
    const { physical, size } = this.image;
    const image = { start: this.start, physical, size: BigInt(size) };
    if (this.mode() === 0n || this.linearOffset(0n) !== undefined || this.linear === undefined) return [image];
    return [{ ...this.linear, size: ram.base + BigInt(ram.size) - this.linear.physical }, image];
  }

  /** The address that a place within the kernel's image was linked to; undefined outside. */
  imageAddress(physical: bigint): bigint | undefined {
    const offset = physical - this.image.physical;
    return offset < 0n || offset >= BigInt(this.image.size) ? undefined : this.start + offset;
  }

  /** satp with only its MODE field, as any hart has it on. */
  mode(): bigint {
    for (let hart = 0; hart < this.view.harts; hart++) {
      const satp = this.view.readRegister(hart, CSR(SATP)) ?? 0n;
      if (levelsOf(satp) > 0) return (satp >> 60n) << 60n;
    }
    return 0n;
  }

  /** A user-space address under a page table the kernel knows by its virtual address. */
  resolveUser(pgd: bigint, address: bigint): Mapping | undefined {
    const root = this.resolve(pgd);
    return root === undefined ? undefined : walk(this.view, this.mode() | (root >> 12n), address);
  }

  read(address: bigint, length: number): Uint8Array {
    return readThrough(this.view, (a) => this.resolve(a), address, length);
  }

  /** An unsigned value in memory; 0 where nothing is mapped. */
  value(address: bigint, size: number): bigint {
    if (Number(address & 0xfffn) + size <= 4096 && (size === 8 || size === 4 || size === 2 || size === 1)) {
      const physical = this.resolve(address);
      const number = physical === undefined ? undefined : this.view.readNumber(physical, size);
      if (number !== undefined) return number;
    }
    const bytes = this.read(address, size);
    let v = 0n;
    for (let i = bytes.length - 1; i >= 0; i--) v = (v << 8n) | BigInt(bytes[i]);
    return v;
  }

  pointer(address: bigint): bigint {
    return this.value(address, 8);
  }

  /** Text up to its NUL. */
  text(address: bigint, longest = LONGEST_STRING): string {
    const bytes = this.read(address, longest);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** A member of a structure. @throws RangeError when the kernel has no such member */
  field(struct: string, path: string): Field {
    const key = `${struct}.${path}`;
    let f = this.fields.get(key);
    if (!f) {
      f = this.btf.field(this.btf.struct(struct), path);
      if (!f) throw new RangeError(`the kernel's struct ${struct} has no member ${path}`);
      this.fields.set(key, f);
    }
    return f;
  }

  /** Whether a structure has a member. */
  has(struct: string, path: string): boolean {
    return this.btf.field(this.btf.struct(struct), path) !== undefined;
  }

  /** Value of a member of the structure at an address. */
  get(struct: string, address: bigint, path: string): bigint {
    const f = this.field(struct, path);
    const v = this.value(address + BigInt(f.offset), f.size);
    return f.bits ? (v >> BigInt(f.bits.from)) & ((1n << BigInt(f.bits.count)) - 1n) : v;
  }

  /** Address of a member. */
  at(struct: string, address: bigint, path: string): bigint {
    return address + BigInt(this.field(struct, path).offset);
  }

  /** The structures of a `list_head` list, the head left out. Stops at memory that cannot be right. */
  *list(head: bigint, struct: string, member: string): Generator<bigint> {
    const offset = BigInt(this.field(struct, member).offset);
    const seen = new Set<bigint>();
    for (
      let at = this.pointer(head);
      at !== head && at !== 0n && !seen.has(at) && seen.size < LIST_LIMIT;
      at = this.pointer(at)
    ) {
      seen.add(at);
      yield at - offset;
    }
  }
}
