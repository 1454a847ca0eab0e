import { ByteWriter } from '../bytes/writer.ts';

/** A stretch of memory that has no contents in the file: debuggers read them from the machine. */
export interface MemorySection {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly code: boolean;
}

/** A symbol to be written. */
export interface WrittenSymbol {
  readonly name: string;
  readonly address: bigint;
  /** Bytes; 0 when unknown. */
  readonly size: number;
  readonly code: boolean;
  readonly global: boolean;
  /** Index of the {@link MemorySection} it lies in; undefined for an absolute one. */
  readonly section: number | undefined;
}

const EXEC = 2;
const RISCV = 243;
/** e_flags: compressed instructions are used (RISC-V ELF psABI, "File Header"). */
const RVC = 1;
const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTION_HEADER = 64;
const SYMBOL = 24;
const [PROGBITS, SYMTAB, STRTAB, NOBITS] = [1, 2, 3, 8];
const [WRITE, ALLOC, EXECUTE] = [1n, 2n, 4n];
const LOAD = 1;
const ABSOLUTE = 0xfff1;
const [OBJECT, FUNCTION] = [1, 2];
const GLOBAL = 1;

/** Names one after the other, each ended by NUL. */
class StringTable {
  private readonly writer = new ByteWriter(1 << 16);
  private readonly encoder = new TextEncoder();

  constructor() {
    this.writer.u8(0);
  }

  add(text: string): number {
    const at = this.writer.length;
    this.writer.raw(this.encoder.encode(text));
    this.writer.u8(0);
    return at;
  }

  finish(): Uint8Array {
    return this.writer.finish();
  }
}

/** An ELF64 file for RISC-V of symbols and debug information alone (System V ABI, "Object Files"). @param debug sections by name */
export function writeSymbolFile(
  memory: readonly MemorySection[],
  symbols: readonly WrittenSymbol[],
  debug: Readonly<Record<string, Uint8Array>>,
): Uint8Array {
  const strings = new StringTable();
  const names = new StringTable();
  const table = new ByteWriter(SYMBOL * (symbols.length + 1));
  table.raw(new Uint8Array(SYMBOL));
  const ordered = [...symbols.filter(({ global }) => !global), ...symbols.filter(({ global }) => global)];
  for (const { name, address, size, code, global, section } of ordered) {
    table.u32(strings.add(name));
    table.u8((global ? GLOBAL << 4 : 0) | (code ? FUNCTION : OBJECT));
    table.u8(0);
    table.u16(section === undefined ? ABSOLUTE : section + 1);
    table.u64(address);
    table.u64(BigInt(size));
  }
  const headers = new ByteWriter(SECTION_HEADER * (memory.length + 8));
  const body = new ByteWriter(1 << 20);
  const bodyAt = HEADER + PROGRAM_HEADER * memory.length;
  const header = (
    name: string,
    type: number,
    flags: bigint,
    address: bigint,
    size: bigint,
    more: { readonly link?: number; readonly info?: number; readonly alignment?: number; readonly entry?: number } = {},
  ): void => {
    headers.u32(name === '' ? 0 : names.add(name));
    headers.u32(type);
    headers.u64(flags);
    headers.u64(address);
    headers.u64(BigInt(bodyAt + body.length));
    headers.u64(size);
    headers.u32(more.link ?? 0);
    headers.u32(more.info ?? 0);
    headers.u64(BigInt(more.alignment ?? 1));
    headers.u64(BigInt(more.entry ?? 0));
  };
  const section = (name: string, type: number, bytes: Uint8Array, more: Parameters<typeof header>[5] = {}): void => {
    body.pad(8);
    header(name, type, 0n, 0n, BigInt(bytes.length), more);
    body.raw(bytes);
  };
  headers.raw(new Uint8Array(SECTION_HEADER));
  for (const { name, start, end, code } of memory)
    header(name, NOBITS, ALLOC | (code ? EXECUTE : WRITE), start, end - start);
  for (const [name, bytes] of Object.entries(debug)) section(name, PROGBITS, bytes);
  const count = 1 + memory.length + Object.keys(debug).length;
  const locals = 1 + symbols.filter(({ global }) => !global).length;
  section('.symtab', SYMTAB, table.finish(), { link: count + 1, info: locals, alignment: 8, entry: SYMBOL });
  section('.strtab', STRTAB, strings.finish());
  // Its own name is in it.
  const own = names.add('.shstrtab');
  const namesBytes = names.finish();
  body.pad(8);
  headers.u32(own);
  headers.u32(STRTAB);
  headers.u64(0n);
  headers.u64(0n);
  headers.u64(BigInt(bodyAt + body.length));
  headers.u64(BigInt(namesBytes.length));
  headers.u64(0n);
  headers.u64(1n);
  headers.u64(0n);
  body.raw(namesBytes);
  body.pad(8);
  const out = new ByteWriter(bodyAt + body.length + headers.length);
  out.raw(Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  out.u16(EXEC);
  out.u16(RISCV);
  out.u32(1);
  out.u64(memory[0]?.start ?? 0n);
  out.u64(BigInt(HEADER));
  out.u64(BigInt(bodyAt + body.length));
  out.u32(RVC);
  for (const value of [HEADER, PROGRAM_HEADER, memory.length, SECTION_HEADER, count + 3, count + 2]) out.u16(value);
  for (const { start, end, code } of memory) {
    out.u32(LOAD);
    out.u32(code ? 5 : 6);
    out.u64(BigInt(bodyAt));
    out.u64(start);
    out.u64(start);
    out.u64(0n);
    out.u64(end - start);
    out.u64(1n);
  }
  out.raw(body.finish());
  out.raw(headers.finish());
  return out.finish();
}
