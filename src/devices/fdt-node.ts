/** Nodes and properties of a device tree (Devicetree Specification v0.4, chapter 2), before they are flattened. */

/** A node: its properties in order, then its children in order. */
export interface FdtNode {
  /** Node name with unit address, e.g. `serial@10000000`; empty for the root. */
  readonly name: string;
  readonly properties: readonly FdtProperty[];
  readonly children: readonly FdtNode[];
}

/** A property and its raw value, see {@link cells}, {@link strings} and {@link words64} for the usual encodings. */
export interface FdtProperty {
  readonly name: string;
  readonly value: Uint8Array;
}

/** `<u32>` cells, each number reduced modulo 2^32. */
export function cells(...values: number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4);
  const view = new DataView(out.buffer);
  values.forEach((v, i) => view.setUint32(i * 4, v >>> 0));
  return out;
}

/** `<u64>` values, each as two cells; numbers below 2^53. */
export function words64(...values: number[]): Uint8Array {
  return cells(...values.flatMap((v) => [Math.floor(v / 2 ** 32), v % 2 ** 32]));
}

/** `<stringlist>`: each string followed by a NUL. */
export function strings(...values: string[]): Uint8Array {
  return new TextEncoder().encode(values.map((v) => `${v}\0`).join(''));
}

/** A node of these properties and children. */
export const node = (name: string, properties: readonly FdtProperty[], children: readonly FdtNode[] = []): FdtNode => ({
  name,
  properties,
  children,
});

/** A property with a raw value. */
export const property = (name: string, value: Uint8Array): FdtProperty => ({ name, value });

/** A property that holds a string or a list of them. */
export const text = (name: string, ...values: string[]): FdtProperty => property(name, strings(...values));

/** A property that holds u32 cells. */
export const number = (name: string, ...values: number[]): FdtProperty => property(name, cells(...values));

/** `<empty>`: a property that is true by being there. */
export const flag = (name: string): FdtProperty => property(name, new Uint8Array(0));
