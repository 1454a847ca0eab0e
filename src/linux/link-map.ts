/**
 * The list of loaded objects that a program's dynamic linker keeps for debuggers (System V ABI, "Dynamic Linking"; glibc's link.h,
 * `struct r_debug` and `struct link_map`).
 */

/** Reads the program's memory; shorter where nothing more is mapped. */
type ReadMemory = (address: bigint, length: number) => Uint8Array;

/** An object that the dynamic linker loaded. */
export interface LinkMap {
  /** Address of its struct link_map. */
  readonly address: bigint;
  /** What is added to the addresses in its file. */
  readonly bias: bigint;
  /** Empty for the program itself. */
  readonly name: string;
  /** Address of its dynamic section. */
  readonly dynamic: bigint;
}

/** Objects of a program by the list they are in: a struct r_debug, one for each namespace of dlmopen(3). */
export interface LinkNamespace {
  readonly address: bigint;
  readonly objects: readonly LinkMap[];
}

/** Entries of the auxiliary vector (Linux include/uapi/linux/auxvec.h). */
const AT = { phdr: 3n, phent: 4n, phnum: 5n } as const;
const [PT_DYNAMIC, PT_PHDR] = [2, 6];
const [DT_NULL, DT_DEBUG] = [0n, 21n];
const LONGEST_NAME = 4096;
const MOST = 4096;
/** r_version from which namespaces follow each other. */
const NAMESPACES = 2n;

/** @param auxiliaryVector as the kernel gave it to the program @returns empty where the dynamic linker has not begun, or there is none */
export function linkNamespaces(auxiliaryVector: Uint8Array, read: ReadMemory): LinkNamespace[] {
  const first = debugStructure(auxiliaryVector, read);
  const found: LinkNamespace[] = [];
  for (let at = first; at !== 0n && found.length < 16; ) {
    found.push({ address: at, objects: linkMaps(word(read, at + 8n), read) });
    at = (word(read, at) & 0xffff_ffffn) >= NAMESPACES ? word(read, at + 40n) : 0n;
  }
  return found;
}

function word(read: ReadMemory, address: bigint): bigint {
  const bytes = read(address, 8);
  return bytes.length < 8 ? 0n : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

/** Address of struct r_debug: the dynamic linker puts it into the program's dynamic section. */
function debugStructure(vector: Uint8Array, read: ReadMemory): bigint {
  const entries = new Map<bigint, bigint>();
  const view = new DataView(vector.buffer, vector.byteOffset, vector.byteLength);
  for (let at = 0; at + 16 <= vector.length; at += 16)
    entries.set(view.getBigUint64(at, true), view.getBigUint64(at + 8, true));
  const [headers, size, count] = [entries.get(AT.phdr), entries.get(AT.phent), entries.get(AT.phnum)];
  if (headers === undefined || size !== 56n || count === undefined || count > 64n) return 0n;
  const table = read(headers, Number(size * count));
  const header = new DataView(table.buffer, table.byteOffset, table.byteLength);
  let bias = 0n;
  let dynamic: { readonly start: bigint; readonly size: bigint } | undefined;
  for (let at = 0; at + 56 <= table.length; at += 56) {
    const type = header.getUint32(at, true);
    const start = header.getBigUint64(at + 16, true);
    if (type === PT_PHDR) bias = headers - start;
    else if (type === PT_DYNAMIC) dynamic = { start, size: header.getBigUint64(at + 40, true) };
  }
  if (dynamic === undefined) return 0n;
  const start = BigInt.asUintN(64, dynamic.start + bias);
  for (let at = 0n; at < dynamic.size; at += 16n) {
    const tag = word(read, start + at);
    if (tag === DT_DEBUG) return word(read, start + at + 8n);
    if (tag === DT_NULL) break;
  }
  return 0n;
}

function linkMaps(first: bigint, read: ReadMemory): LinkMap[] {
  const found: LinkMap[] = [];
  const seen = new Set<bigint>();
  for (let at = first; at !== 0n && !seen.has(at) && seen.size < MOST; at = word(read, at + 24n)) {
    seen.add(at);
    found.push({
      address: at,
      bias: word(read, at),
      name: text(read, word(read, at + 8n)),
      dynamic: word(read, at + 16n),
    });
  }
  return found;
}

function text(read: ReadMemory, address: bigint): string {
  const bytes = read(address, LONGEST_NAME);
  const end = bytes.indexOf(0);
  return end < 0 ? '' : new TextDecoder().decode(bytes.subarray(0, end));
}
