/** DEFLATE (RFC 1951) in the zlib format (RFC 1950), for what is compressed within files: sections of ELF files. */

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
/** The order in which lengths of the code for code lengths are written (section 3.2.7). */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LONGEST = 15;
const END_OF_BLOCK = 256;
const DEFLATE = 8;

/** A Huffman code (section 3.2.2): what a prefix of {@link SHORT} bits begins with; longer codes are followed bit by bit. */
interface Code {
  /** Symbol × 16 + length, by the next bits; 0 for codes that are longer. */
  readonly short: Uint16Array;
  /** How many codes there are of each length, and their symbols in order. */
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

const SHORT = 10;

function makeCode(lengths: ArrayLike<number>): Code {
  const counts = new Uint16Array(LONGEST + 1);
  for (let i = 0; i < lengths.length; i++) counts[lengths[i]]++;
  counts[0] = 0;
  const next = new Uint16Array(LONGEST + 2);
  const codes = new Uint16Array(LONGEST + 2);
  for (let length = 1; length <= LONGEST; length++) {
    next[length + 1] = next[length] + counts[length];
    codes[length + 1] = (codes[length] + counts[length]) << 1;
  }
  const symbols = new Uint16Array(lengths.length);
  const short = new Uint16Array(1 << SHORT);
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i];
    if (length === 0) continue;
    symbols[next[length]++] = i;
    const code = codes[length]++;
    if (length > SHORT) continue;
    // Codes come in with their highest bit first.
    let reversed = 0;
    for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
    for (let at = reversed; at < short.length; at += 1 << length) short[at] = i * 16 + length;
  }
  return { short, counts, symbols };
}

const FIXED_LITERALS = makeCode(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)));
const FIXED_DISTANCES = makeCode(new Array<number>(30).fill(5));

class Inflater {
  private readonly input: Uint8Array;
  private readonly out: Uint8Array;
  private at: number;
  private length = 0;
  private held = 0;
  private count = 0;

  constructor(input: Uint8Array, at: number, size: number) {
    this.input = input;
    this.at = at;
    this.out = new Uint8Array(size);
  }

  run(): Uint8Array {
    for (let last = false; !last; ) {
      last = this.bits(1) === 1;
      const kind = this.bits(2);
      if (kind === 0) this.stored();
      else if (kind === 1) this.block(FIXED_LITERALS, FIXED_DISTANCES);
      else if (kind === 2) this.dynamic();
      else throw new RangeError(`compressed data: a block of kind 3 before offset ${this.at}`);
    }
    if (this.length !== this.out.length)
      throw new RangeError(`compressed data: ${this.length} bytes came out, expected ${this.out.length}`);
    return this.out;
  }

  private bits(n: number): number {
    while (this.count < n) {
      if (this.at >= this.input.length) throw new RangeError('compressed data is cut off');
      this.held |= this.input[this.at++] << this.count;
      this.count += 8;
    }
    const v = this.held & ((1 << n) - 1);
    this.held >>>= n;
    this.count -= n;
    return v;
  }

  private symbol({ short, counts, symbols }: Code): number {
    while (this.count < SHORT && this.at < this.input.length) {
      this.held |= this.input[this.at++] << this.count;
      this.count += 8;
    }
    const known = short[this.held & ((1 << SHORT) - 1)];
    if (known !== 0 && (known & 15) <= this.count) {
      this.held >>>= known & 15;
      this.count -= known & 15;
      return known >> 4;
    }
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= LONGEST; length++) {
      code |= this.bits(1);
      const n = counts[length];
      if (code - n < first) return symbols[index + (code - first)];
      index += n;
      first = (first + n) << 1;
      code <<= 1;
    }
    throw new RangeError(`compressed data: no such code before offset ${this.at}`);
  }

  private put(byte: number): void {
    if (this.length >= this.out.length) throw new RangeError('compressed data: more comes out than was announced');
    this.out[this.length++] = byte;
  }

  private stored(): void {
    this.bits(this.count & 7);
    const length = this.bits(16);
    this.bits(16);
    for (let i = 0; i < length; i++) this.put(this.bits(8));
  }

  private block(literals: Code, distances: Code): void {
    for (;;) {
      const symbol = this.symbol(literals);
      if (symbol < END_OF_BLOCK) {
        this.put(symbol);
        continue;
      }
      if (symbol === END_OF_BLOCK) return;
      const i = symbol - 257;
      if (i >= LENGTH_BASE.length) throw new RangeError('compressed data: no such length');
      const length = LENGTH_BASE[i] + this.bits(LENGTH_EXTRA[i]);
      const d = this.symbol(distances);
      if (d >= DISTANCE_BASE.length) throw new RangeError('compressed data: no such distance');
      const distance = DISTANCE_BASE[d] + this.bits(DISTANCE_EXTRA[d]);
      if (distance > this.length) throw new RangeError('compressed data: a distance before the beginning');
      for (let k = 0; k < length; k++) this.put(this.out[this.length - distance]);
    }
  }

  private dynamic(): void {
    const literals = this.bits(5) + 257;
    const distances = this.bits(5) + 1;
    const codes = this.bits(4) + 4;
    const lengths = new Uint8Array(320);
    for (let i = 0; i < codes; i++) lengths[ORDER[i]] = this.bits(3);
    const code = makeCode(lengths.subarray(0, 19));
    const all = new Uint8Array(literals + distances);
    for (let i = 0; i < all.length; ) {
      const symbol = this.symbol(code);
      if (symbol < 16) {
        all[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) throw new RangeError('compressed data: a length is repeated that is not there');
      const value = symbol === 16 ? all[i - 1] : 0;
      const times = symbol === 16 ? 3 + this.bits(2) : symbol === 17 ? 3 + this.bits(3) : 11 + this.bits(7);
      if (i + times > all.length) throw new RangeError('compressed data: too many lengths');
      all.fill(value, i, i + times);
      i += times;
    }
    this.block(makeCode(all.subarray(0, literals)), makeCode(all.subarray(literals)));
  }
}

/** Unpacks zlib data. @param size bytes that come out @throws RangeError when it is malformed, or another number of bytes comes out */
export function inflateZlib(input: Uint8Array, size: number): Uint8Array {
  if (
    input.length < 2 ||
    (input[0] & 15) !== DEFLATE ||
    (input[1] & 32) !== 0 ||
    ((input[0] << 8) | input[1]) % 31 !== 0
  )
    throw new RangeError('compressed data does not begin as zlib data does');
  return new Inflater(input, 2, size).run();
}
