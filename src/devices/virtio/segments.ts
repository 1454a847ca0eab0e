import type { DmaMemory } from '../dma.ts';

/** A piece of guest RAM that a descriptor names: checked to lie in RAM. */
export interface Segment {
  /** Physical address. */
  readonly address: number;
  /** Length in bytes. */
  readonly length: number;
}

/** Bytes in all segments. */
export function totalLength(segments: readonly Segment[]): number {
  let total = 0;
  for (const segment of segments) total += segment.length;
  return total;
}

/** The segments that hold bytes `from` to `from + length` of these; shorter where these end. */
export function sliceSegments(segments: readonly Segment[], from: number, length: number): Segment[] {
  const slice: Segment[] = [];
  let skip = from;
  let left = length;
  for (const segment of segments) {
    if (left <= 0) break;
    if (skip >= segment.length) {
      skip -= segment.length;
      continue;
    }
    const take = Math.min(segment.length - skip, left);
    slice.push({ address: segment.address + skip, length: take });
    left -= take;
    skip = 0;
  }
  return slice;
}

/** A copy of the bytes of the segments, one after the other. @param room bytes that are left free before them */
export function gather(ram: DmaMemory, segments: readonly Segment[], room = 0): Uint8Array {
  const bytes = new Uint8Array(room + totalLength(segments));
  let at = room;
  for (const segment of segments) {
    bytes.set(ram.read(segment.address, segment.length), at);
    at += segment.length;
  }
  return bytes;
}

/** Writes `data` to the segments, one after the other, from their byte `from` on. @returns how many bytes had room */
export function scatter(ram: DmaMemory, segments: readonly Segment[], data: Uint8Array, from = 0): number {
  let at = 0;
  let skip = from;
  for (const { address, length } of segments) {
    if (at >= data.length) break;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    const piece = data.subarray(at, at + length - skip);
    ram.write(address + skip, piece);
    at += piece.length;
    skip = 0;
  }
  return at;
}
