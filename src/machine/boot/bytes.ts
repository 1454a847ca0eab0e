/** Little-endian fields of a file; callers check bounds first. */
export function fields(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether the bytes at `offset` are `wanted` (text is compared as Latin-1). */
export function matches(bytes: Uint8Array, offset: number, wanted: string | readonly number[]): boolean {
  const codes = typeof wanted === 'string' ? Array.from(wanted, (c) => c.charCodeAt(0)) : wanted;
  return offset + codes.length <= bytes.length && codes.every((code, i) => bytes[offset + i] === code);
}

/** A u64 as a number; values of 2^53 and more come out inexact, which every bounds check here refuses anyway. */
export function u64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}
