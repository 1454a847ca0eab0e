/**
 * The kernel's own symbol table, found in an image of its memory by its structure. Laid out by the kernel's build one after the
 * other, each 8-byte aligned: number of symbols, names (length, then token numbers), markers (offset of every 256th name), token table,
 * token index, offsets, base address (Linux 6.12, scripts/kallsyms.c).
 */

/** A symbol: address, type letter as `nm` prints it, name. */
export interface KernelSymbol {
  readonly address: bigint;
  readonly type: string;
  readonly name: string;
}

const TOKENS = 256;
const DIGITS = Uint8Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 0x30 + i / 2 : 0));

const align8 = (n: number): number => (n + 7) & ~7;

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
  const index = align8(at);
  if (index + 2 * TOKENS > bytes.length) return undefined;
  for (let n = 0; n < TOKENS; n++) if (view.getUint16(index + 2 * n, true) !== offsets[n]) return undefined;
  return { start, end: index + 2 * TOKENS, text };
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
  const latest = (markers - last) & ~7;
  for (let head = latest; head > Math.max(0, latest - 0x4_0000); head -= 8) {
    const count = view.getUint32(head, true);
    if (Math.ceil(count / 256) !== chunks || view.getUint32(head + 4, true) !== 0) continue;
    let name = head + 8;
    for (let i = 0; i < 256; i++) name = entry(bytes, name).to;
    if (name - head - 8 === second) return { count, at: head + 8 };
  }
  return undefined;
}

/**
 * Reads the symbol table.
 * @param image the kernel's memory from its first byte on
 * @returns undefined when there is none
 */
export function readKallsyms(image: Uint8Array): KernelSymbol[] | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let digits = find(image, DIGITS, 0); digits >= 0; digits = find(image, DIGITS, digits + 1)) {
    const tokens = tokensAt(image, view, digits);
    const names = tokens && namesBefore(image, view, tokens.start);
    if (!tokens || !names) continue;
    const offsets = align8(tokens.end);
    const baseAt = align8(offsets + 4 * names.count);
    if (baseAt + 8 > image.length) continue;
    const base = view.getBigUint64(baseAt, true);
    const out: KernelSymbol[] = [];
    let at = names.at;
    for (let i = 0; i < names.count; i++) {
      const { from, to } = entry(image, at);
      let text = '';
      for (let k = from; k < to; k++) text += tokens.text[image[k]];
      at = to;
      out.push({ address: base + BigInt(view.getUint32(offsets + 4 * i, true)), type: text[0], name: text.slice(1) });
    }
    return out;
  }
  return undefined;
}
