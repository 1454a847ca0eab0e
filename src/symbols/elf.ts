import { toHex } from '../bytes/hex.ts';
import { inflateZlib } from '../bytes/inflate.ts';
import type { NamedAddress } from './table.ts';

/** What debuggers need of an ELF file. */
export interface ElfFile {
  readonly symbols: readonly NamedAddress[];
  /** The lowest address its segments ask for: 0 for position-independent ones. */
  readonly base: bigint;
  readonly end: bigint;
  /** Offset in the file of what is loaded to an address; undefined where the file has nothing for it. */
  fileOffset(address: bigint): bigint | undefined;
  /** Content of a section, unpacked; undefined when it is not there or holds none. @throws RangeError when it cannot be unpacked */
  section(name: string): Uint8Array | undefined;
  /** Where a section lies in memory; 0 where it does not. */
  sectionAddress(name: string): bigint;
  /** What names this build (`.note.gnu.build-id`), in hexadecimal. */
  readonly buildId: string | undefined;
}

const SYMTAB = 2;
const DYNSYM = 11;
const NOBITS = 8;
const LOAD = 1;
const RISCV = 243;
const COMPRESSED = 0x800;
/** ch_type of sections that zlib packed. */
const ZLIB = 1;
/** Largest section that is unpacked. */
const LARGEST = 1 << 30;
const BUILD_ID = 3;
const FUNC = 2;

/** Text of a C string in a table. */
function stringAt(table: Uint8Array, at: number): string {
  let end = at;
  while (end < table.length && table[end] !== 0) end++;
  return new TextDecoder().decode(table.subarray(at, end));
}

/**
 * Reads an ELF64 file for RISC-V (System V ABI, "Object Files").
 * @param name for messages
 * @throws RangeError naming the file and what is wrong with it
 */
export function readElf(bytes: Uint8Array, name: string): ElfFile {
  const fail = (what: string): never => {
    throw new RangeError(`${name}: ${what}`);
  };
  if (bytes.length < 64 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46)
    fail('is no ELF file');
  if (bytes[4] !== 2 || bytes[5] !== 1) fail('is not a little-endian ELF64 file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(18, true) !== RISCV)
    fail(`is for machine ${view.getUint16(18, true)}: expected ${RISCV} (RISC-V)`);
  const part = (at: number, size: number, what: string): Uint8Array => {
    if (!(at >= 0 && size >= 0 && at + size <= bytes.length))
      fail(`${what} at offset ${at} is cut off: the file has ${bytes.length} bytes`);
    return bytes.subarray(at, at + size);
  };
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));

  let base: bigint | undefined;
  let end = 0n;
  const segments: { readonly start: bigint; readonly size: bigint; readonly offset: bigint }[] = [];
  const phoff = u64(32);
  const phentsize = view.getUint16(54, true);
  for (let i = 0; i < view.getUint16(56, true); i++) {
    const at = phoff + i * phentsize;
    part(at, 56, 'a program header');
    if (view.getUint32(at, true) !== LOAD) continue;
    const start = view.getBigUint64(at + 16, true);
    if (base === undefined || start < base) base = start;
    segments.push({ start, size: view.getBigUint64(at + 32, true), offset: view.getBigUint64(at + 8, true) });
    const to = start + view.getBigUint64(at + 40, true);
    if (to > end) end = to;
  }

  const shoff = u64(40);
  const shentsize = view.getUint16(58, true);
  const shnum = shoff === 0 ? 0 : view.getUint16(60, true);
  const header = (i: number): { name: number; type: number; flags: number; at: number; size: number; link: number } => {
    const at = shoff + i * shentsize;
    part(at, 64, 'a section header');
    return {
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      flags: u64(at + 8),
      at: u64(at + 24),
      size: u64(at + 32),
      link: view.getUint32(at + 40, true),
    };
  };
  const headers = Array.from({ length: shnum }, (_, i) => header(i));
  const content = (i: number): Uint8Array => {
    if (headers[i] === undefined) fail(`section ${i} is named but does not exist`);
    return headers[i].type === NOBITS ? new Uint8Array(0) : part(headers[i].at, headers[i].size, `section ${i}`);
  };
  const names = shnum > 0 ? content(view.getUint16(62, true)) : new Uint8Array(0);

  const indexOf = (wanted: string): number => headers.findIndex((h) => stringAt(names, h.name) === wanted);
  const unpacked = new Map<number, Uint8Array>();
  const section = (wanted: string): Uint8Array | undefined => {
    const i = indexOf(wanted);
    if (i < 0 || headers[i].type === NOBITS) return undefined;
    if ((headers[i].flags & COMPRESSED) === 0) return content(i);
    let out = unpacked.get(i);
    if (out === undefined) unpacked.set(i, (out = unpack(content(i), `${name}: section ${wanted}`)));
    return out;
  };
  const table = headers.findIndex((h) => h.type === SYMTAB);
  const chosen = table >= 0 ? table : headers.findIndex((h) => h.type === DYNSYM);
  return {
    base: base ?? 0n,
    end,
    symbols: chosen < 0 ? [] : readSymbols(content(chosen), content(headers[chosen].link)),
    fileOffset(address) {
      const found = segments.find(({ start, size }) => address >= start && address < start + size);
      return found && address - found.start + found.offset;
    },
    section,
    sectionAddress(wanted) {
      const i = indexOf(wanted);
      return i < 0 ? 0n : view.getBigUint64(shoff + i * shentsize + 16, true);
    },
    get buildId() {
      return buildIdOf(section('.note.gnu.build-id'));
    },
  };
}

/** A section that begins with an `Elf64_Chdr`. */
function unpack(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes.length < 24) throw new RangeError(`${name} is cut off`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint32(0, true);
  const size = Number(view.getBigUint64(8, true));
  if (type !== ZLIB) throw new RangeError(`${name} is packed in a way (${type}) that is not known: expected zlib`);
  if (size > LARGEST) throw new RangeError(`${name} would have ${size} bytes`);
  return inflateZlib(bytes.subarray(24), size);
}

function buildIdOf(note: Uint8Array | undefined): string | undefined {
  if (note === undefined || note.length < 16) return undefined;
  const view = new DataView(note.buffer, note.byteOffset, note.byteLength);
  if (view.getUint32(8, true) !== BUILD_ID) return undefined;
  const from = 12 + ((view.getUint32(0, true) + 3) & ~3);
  return toHex(note.subarray(from, from + view.getUint32(4, true)));
}

function readSymbols(table: Uint8Array, strings: Uint8Array): NamedAddress[] {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const out: NamedAddress[] = [];
  for (let at = 0; at + 24 <= table.length; at += 24) {
    const type = table[at + 4] & 15;
    // no type, objects, functions; defined
    if (type > FUNC || view.getUint16(at + 6, true) === 0) continue;
    const name = stringAt(strings, view.getUint32(at, true));
    if (name === '' || /^[$.]/.test(name)) continue;
    out.push({
      name,
      address: view.getBigUint64(at + 8, true),
      size: Number(view.getBigUint64(at + 16, true)),
      code: type === FUNC,
    });
  }
  return out;
}

/** Reads a System.map: lines of address, type letter, name. @throws RangeError when a line is none */
export function readSystemMap(text: string, name: string): NamedAddress[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => {
      const m = /^([0-9a-f]+) ([a-zA-Z?]) (\S+)/.exec(line);
      if (!m) throw new RangeError(`${name}: line ${i + 1} is no symbol: expected ADDRESS TYPE NAME`);
      return { address: BigInt(`0x${m[1]}`), size: 0, name: m[3], code: /[tTwW]/.test(m[2]) };
    });
}
