/**
 * The kernel's own symbol table, found in an image of its memory by its structure. Laid out by the kernel's build one after the
 * other: number of symbols, names (length, then token numbers), markers (offset of every 256th name), token table, token index,
 * offsets. In Linux 6.12 each is 8-byte aligned, an offset counts from a base address, and that follows the offsets; in Linux 7.2
 * each is 4-byte aligned, and an offset counts from where it lies itself (scripts/kallsyms.c of each).
 */

/** A symbol: where it is, its type letter as `nm` prints it, its name. */
export interface KernelSymbol {
  /** Bytes from `Kallsyms.base`. */
  readonly offset: bigint;
  readonly type: string;
  readonly name: string;
}

/** A kernel's symbol table. */
export interface Kallsyms {
  /** The address that offsets count from; undefined when that is the image's first byte, wherever it is mapped. */
  readonly base: bigint | undefined;
  readonly symbols: readonly KernelSymbol[];
}

const TOKENS = 256;
const DIGITS = Uint8Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 0x30 + i / 2 : 0));

const align8 = (n: number): number => (n + 7) & ~7;
const align4 = (n: number): number => (n + 3) & ~3;

function find(bytes: Uint8Array, what: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(what[0], from); at >= 0; at = bytes.indexOf(what[0], at + 1)) {
    let i = 1;
    while (i < what.length && bytes[at + i] === what[i]) i++;
    if (i === what.length) return at;
  }
  return -1;
}

interface Tokens {
  readonly start: number;
  readonly end: number;
  readonly text: readonly string[];
}

/** The token table around the place where the digits are their own tokens. */
function tokensAt(bytes: Uint8Array, view: DataView, digits: number): Tokens | undefined {
  let start = digits;
  for (let n = 0; n < 0x30; n++) {
    start -= 2;
    while (start >= 0 && bytes[start] !== 0) start--;
    start++;
    if (start <= 0) return undefined;
  }
  const text: string[] = [];
  let at = start;
  const offsets: number[] = [];
  for (let n = 0; n < TOKENS; n++) {
    const end = bytes.indexOf(0, at);
    if (end < 0 || end - at > 1024) return undefined;
    offsets.push(at - start);
    text.push(String.fromCharCode(...bytes.subarray(at, end)));
    at = end + 1;
  }
  const index = [align4(at), align8(at)].find(
    (i) => i + 2 * TOKENS <= bytes.length && offsets.every((offset, n) => view.getUint16(i + 2 * n, true) === offset),
  );
  return index === undefined ? undefined : { start, end: index + 2 * TOKENS, text };
}

/** Length of a name's entry and where its tokens begin. */
function entry(bytes: Uint8Array, at: number): { from: number; to: number } {
  const low = bytes[at];
  if (low < 0x80) return { from: at + 1, to: at + 1 + low };
  return { from: at + 2, to: at + 2 + ((low & 0x7f) | (bytes[at + 1] << 7)) };
}

interface Names {
  readonly count: number;
  readonly at: number;
}

/** The number of symbols and their names, before the token table. */
function namesBefore(bytes: Uint8Array, view: DataView, tokens: number): Names | undefined {
  let at = tokens - 4;
  if (view.getUint32(at, true) === 0) at -= 4; // padding
  const last = view.getUint32(at, true);
  let markers = at;
  while (view.getUint32(markers, true) !== 0) {
    if (markers < 8 || view.getUint32(markers - 4, true) >= view.getUint32(markers, true)) return undefined;
    markers -= 4;
  }
  const chunks = (at - markers) / 4 + 1;
  if (chunks < 2) return undefined;
  const second = view.getUint32(markers + 4, true);
  const latest = (markers - last) & ~3;
  for (let head = latest; head > Math.max(0, latest - 0x4_0000); head -= 4) {
    const count = view.getUint32(head, true);
    if (Math.ceil(count / 256) !== chunks) continue;
    // Padded where tables are 8-byte aligned.
    const first = [head + 4, head + 8].find((names) => {
      let name = names;
      for (let i = 0; i < 256; i++) name = entry(bytes, name).to;
      return name - names === second;
    });
    if (first !== undefined) return { count, at: first };
  }
  return undefined;
}

/**
 * Reads the symbol table.
 * @param image the kernel's memory from its first byte on
 * @returns undefined when there is none
 */
export function readKallsyms(image: Uint8Array): Kallsyms | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let digits = find(image, DIGITS, 0); digits >= 0; digits = find(image, DIGITS, digits + 1)) {
    const tokens = tokensAt(image, view, digits);
    const names = tokens && namesBefore(image, view, tokens.start);
    if (!tokens || !names) continue;
    const offsets = tokens.end;
    const baseAt = align8(offsets + 4 * names.count);
    if (baseAt + 8 > image.length) continue;
    // The first symbol is the lowest: counted from a base it is not negative, counted from its own place it is.
    const fromItself = view.getInt32(offsets, true) < 0;
    const symbols: KernelSymbol[] = [];
    let at = names.at;
    for (let i = 0; i < names.count; i++) {
      const { from, to } = entry(image, at);
      let text = '';
      for (let k = from; k < to; k++) text += tokens.text[image[k]];
      at = to;
      const place = offsets + 4 * i;
      const offset = BigInt(fromItself ? place + view.getInt32(place, true) : view.getUint32(place, true));
      symbols.push({ offset, type: text[0], name: text.slice(1) });
    }
    return { base: fromItself ? undefined : view.getBigUint64(baseAt, true), symbols };
  }
  return undefined;
}
