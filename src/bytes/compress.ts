import { StateError } from './state-stream.ts';

/**
 * A small, fast compressor for pages, states and logs. Sequences of a token, literals and a match with what came before:
 *
 * ```
 * token   1 byte: literals in the high 4 bits, match length − MIN_MATCH in the low 4; 15 means bytes of 255 and a last one follow
 * literals
 * offset  u16 little-endian, 1 … 65535 back; absent in the last sequence, which has literals only
 * ```
 */
const MIN_MATCH = 4;
const HASH_BITS = 12;
const MAX_OFFSET = 65_535;
/** Copies longer than this are left to the engine: a call costs about as much as so many bytes. */
const LONG_COPY = 32;
/** The last bytes are always literals, so that four bytes can be read at any place of a match. */
const TAIL = 5;

const table = new Int32Array(1 << HASH_BITS);

/** Largest size {@link compress} may need. */
const compressBound = (length: number): number => length + Math.ceil(length / 255) + 16;

let scratch = new Uint8Array(compressBound(1 << 16));

/** Compresses `source`. @returns new bytes; they may be longer than the source when it has no repetitions */
export function compress(source: Uint8Array): Uint8Array {
  const bound = compressBound(source.length);
  if (scratch.length < bound) scratch = new Uint8Array(bound);
  const out = scratch;
  table.fill(-1);
  const end = source.length - TAIL;
  let at = 0;
  let literals = 0;
  let to = 0;
  while (at < end) {
    const word = source[at] | (source[at + 1] << 8) | (source[at + 2] << 16) | (source[at + 3] << 24);
    const slot = Math.imul(word, 0x9e37_79b1) >>> (32 - HASH_BITS);
    const before = table[slot];
    table[slot] = at;
    const near = before >= 0 && at - before <= MAX_OFFSET;
    if (
      !near ||
      source[before] !== (word & 0xff) ||
      source[before + 1] !== ((word >>> 8) & 0xff) ||
      source[before + 2] !== ((word >>> 16) & 0xff) ||
      source[before + 3] !== word >>> 24
    ) {
      // Where nothing repeats, look at fewer places.
      at += 1 + ((at - literals) >> 6);
      continue;
    }
    let length = MIN_MATCH;
    while (at + length < end && source[before + length] === source[at + length]) length++;
    to = sequence(out, to, source, literals, at, length);
    out[to++] = (at - before) & 0xff;
    out[to++] = (at - before) >>> 8;
    at += length;
    literals = at;
  }
  to = sequence(out, to, source, literals, source.length, MIN_MATCH);
  return out.slice(0, to);
}

/** Writes a token, its lengths and the literals from `from` to `until`. @returns where the next byte goes */
function sequence(out: Uint8Array, at: number, source: Uint8Array, from: number, until: number, match: number): number {
  const literals = until - from;
  const rest = match - MIN_MATCH;
  out[at++] = (Math.min(15, literals) << 4) | Math.min(15, rest);
  if (literals >= 15) at = long(out, at, literals - 15);
  for (let i = from; i < until; i++) out[at++] = source[i];
  // A decoder needs the match length after the literals, as it reads on.
  return rest >= 15 ? long(out, at, rest - 15) : at;
}

function long(out: Uint8Array, at: number, n: number): number {
  for (; n >= 255; n -= 255) out[at++] = 255;
  out[at++] = n;
  return at;
}

/**
 * Undoes {@link compress} into `into`, which has exactly the size of the original.
 * @throws StateError when the bytes are not what `compress` made of that many
 */
export function decompress(source: Uint8Array, into: Uint8Array): void {
  let at = 0;
  let to = 0;
  const damaged = (): StateError => new StateError(`compressed bytes are damaged at offset ${at} of ${source.length}`);
  const extended = (n: number): number => {
    if (n < 15) return n;
    for (;;) {
      if (at >= source.length) throw damaged();
      const more = source[at++];
      n += more;
      if (more < 255) return n;
    }
  };
  while (at < source.length) {
    const token = source[at++];
    const literals = extended(token >>> 4);
    if (at + literals > source.length || to + literals > into.length) throw damaged();
    if (literals > LONG_COPY) {
      into.set(source.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    } else for (const end = to + literals; to < end; ) into[to++] = source[at++];
    if (at === source.length) break;
    const length = extended(token & 15) + MIN_MATCH;
    if (at + 2 > source.length) throw damaged();
    const offset = source[at] | (source[at + 1] << 8);
    at += 2;
    if (offset === 0 || offset > to || to + length > into.length) throw damaged();
    if (length > LONG_COPY && offset >= length) {
      into.copyWithin(to, to - offset, to - offset + length);
      to += length;
    } else for (const end = to + length; to < end; to++) into[to] = into[to - offset];
  }
  if (to !== into.length) throw damaged();
}
