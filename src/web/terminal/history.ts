import type { PackedArrays } from '../storage/packed-arrays.ts';

/** Everything a machine's console said, byte by byte, with the instant of each. */
export class ConsoleHistory {
  private bytes = new Uint8Array(65_536);
  private instructions = new Float64Array(65_536);
  private times = new Float64Array(65_536);
  private count = 0;
  private readonly sizes: SizeChange[] = [];
  private bare = 0;
  private feeds = 0;

  /** A copy that stays as it is. */
  copy(): ConsoleHistory {
    const copy = new ConsoleHistory();
    const { count } = this;
    copy.append(this.bytes.slice(0, count), this.instructions.subarray(0, count), this.times.subarray(0, count));
    copy.sizes.push(...this.sizes);
    return copy;
  }

  /** For a file. */
  pack(): PackedArrays {
    const { count } = this;
    return {
      consoleBytes: this.bytes.subarray(0, count),
      consoleInstructions: this.instructions.subarray(0, count),
      consoleTimes: this.times.subarray(0, count),
      sizes: Float64Array.from(this.sizes.flatMap(({ instructions, columns, rows }) => [instructions, columns, rows])),
    };
  }

  /** @returns undefined when the file does not hold all of it */
  static unpack(arrays: PackedArrays): ConsoleHistory | undefined {
    const { consoleBytes: bytes, consoleInstructions: instructions, consoleTimes: times, sizes } = arrays;
    if (
      !(bytes instanceof Uint8Array && instructions instanceof Float64Array && times instanceof Float64Array) ||
      !(sizes instanceof Float64Array)
    )
      return undefined;
    const history = new ConsoleHistory();
    history.append(bytes, instructions, times);
    for (let i = 0; i + 2 < sizes.length; i += 3) history.resized(sizes[i], sizes[i + 1], sizes[i + 2]);
    return history;
  }

  /** Bytes in all. */
  get length(): number {
    return this.count;
  }

  /** Whether lines end in a line feed alone: the output of a command without a terminal. */
  get isPlain(): boolean {
    return this.bare > this.feeds / 2;
  }

  append(bytes: Uint8Array, instructions: Float64Array, times: Float64Array): void {
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
      this.feeds++;
      if ((at > 0 ? bytes[at - 1] : this.bytes[this.count - 1]) !== 13) this.bare++;
    }
    const needed = this.count + bytes.length;
    if (needed > this.bytes.length) {
      const size = Math.max(needed, this.bytes.length * 2);
      this.bytes = grown(this.bytes, new Uint8Array(size), this.count);
      this.instructions = grown(this.instructions, new Float64Array(size), this.count);
      this.times = grown(this.times, new Float64Array(size), this.count);
    }
    this.bytes.set(bytes, this.count);
    this.instructions.set(instructions, this.count);
    this.times.set(times, this.count);
    this.count = needed;
  }

  /** From an instant on the terminal had another size. */
  resized(instructions: number, columns: number, rows: number): void {
    this.sizes.push({ instructions, columns, rows });
  }

  /** Forgets what came after an instant. */
  cut(instructions: number): void {
    this.count = this.offsetAfter(instructions);
    while (this.sizes.length > 1 && this.sizes[this.sizes.length - 1].instructions > instructions) this.sizes.pop();
  }

  /** How many bytes had come out when so many instructions were executed. */
  offsetAfter(instructions: number): number {
    return firstAbove(this.instructions, this.count, instructions - 1);
  }

  /** How many bytes had come out at a guest time. */
  offsetAtTime(time: number): number {
    return firstAbove(this.times, this.count, time);
  }

  /** The instant at which a byte came out: it is on the terminal one instruction later. */
  instructionsAt(offset: number): number {
    return this.instructions[Math.min(offset, this.count - 1)];
  }

  /** Guest time in nanoseconds at which a byte came out. */
  timeAt(offset: number): number {
    return this.times[Math.min(offset, this.count - 1)];
  }

  slice(from: number, to: number): Uint8Array {
    return this.bytes.subarray(from, Math.min(to, this.count));
  }

  /** Size of the terminal at an instant. */
  sizeAt(instructions: number): SizeChange | undefined {
    return this.sizes.findLast((size) => size.instructions <= instructions) ?? this.sizes[0];
  }

  /** Offset after the next line feed at or after `offset`, or the one before: where a console line ends. */
  lineEnd(offset: number, direction: 1 | -1): number | undefined {
    if (direction > 0) {
      const at = this.bytes.subarray(0, this.count).indexOf(10, offset);
      return at < 0 ? undefined : at + 1;
    }
    if (offset < 2) return undefined;
    const at = this.bytes.lastIndexOf(10, offset - 2);
    return at < 0 ? undefined : at + 1;
  }

  /** Bytes that came out in [from, to) of guest time. */
  countBetween(from: number, to: number): number {
    return firstAbove(this.times, this.count, to) - firstAbove(this.times, this.count, from);
  }
}

/** Size of a terminal in characters, from an instant on. */
export interface SizeChange {
  readonly instructions: number;
  readonly columns: number;
  readonly rows: number;
}

function grown<A extends Uint8Array | Float64Array>(from: A, to: A, count: number): A {
  to.set(from.subarray(0, count) as never);
  return to;
}

/** Index of the first of `count` ascending numbers that is above a limit. */
export function firstAbove(numbers: Float64Array, count: number, limit: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
