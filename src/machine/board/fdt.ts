import { ByteWriter } from '../../bytes/writer.ts';
/**
 * Flattened device trees: writer and reader of the DTB format, version 17 (Devicetree Specification v0.4, chapter 5).
 *
 * ```
 * header (40 bytes) · memory reservation block · structure block · strings block      all numbers big-endian
 * ```
 */

import { type FdtNode, type FdtProperty, strings } from '../../devices/fdt-node.ts';

/** Physical memory that the client program must not use (Devicetree Specification 5.3). */
export interface FdtReservation {
  readonly address: bigint;
  readonly size: bigint;
}

/** A whole tree. */
export interface Fdt {
  readonly root: FdtNode;
  readonly reservations: readonly FdtReservation[];
  /** Physical id of the booting CPU. */
  readonly bootCpu: number;
}

/** A device tree blob that cannot be read. */
export class FdtError extends Error {
  override name = 'FdtError';
}

const MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE = 16;
const HEADER_SIZE = 40;
const RESERVATION_SIZE = 16;

/** Structure block tokens (5.4.1). */
const TOKEN = { beginNode: 1, endNode: 2, property: 3, nop: 4, end: 9 } as const;

/** Byte offsets of the header's words (5.2). */
const HEADER = {
  magic: 0,
  totalSize: 4,
  structOffset: 8,
  stringsOffset: 12,
  reservationsOffset: 16,
  version: 20,
  lastCompatible: 24,
  bootCpu: 28,
  stringsSize: 32,
  structSize: 36,
} as const;

const align4 = (n: number): number => (n + 3) & ~3;

/** The strings block: every property name once. */
class StringTable {
  private readonly offsets = new Map<string, number>();
  private text = '';

  offset(name: string): number {
    let at = this.offsets.get(name);
    if (at === undefined) {
      at = this.text.length;
      this.offsets.set(name, at);
      this.text += `${name}\0`;
    }
    return at;
  }

  finish(): Uint8Array {
    return new TextEncoder().encode(this.text);
  }
}

/** Writes a tree as a DTB. @throws FdtError for a node with two properties, or two children, of one name. */
export function writeFdt(tree: Fdt): Uint8Array {
  const body = new ByteWriter(4096);
  const names = new StringTable();
  writeNode(tree.root, body, names);
  body.u32be(TOKEN.end);
  const structure = body.finish();
  const text = names.finish();

  const structOffset = HEADER_SIZE + (tree.reservations.length + 1) * RESERVATION_SIZE;
  const stringsOffset = structOffset + structure.length;
  const totalSize = align4(stringsOffset + text.length);
  const out = new Uint8Array(totalSize);
  const view = new DataView(out.buffer);
  view.setUint32(HEADER.magic, MAGIC);
  view.setUint32(HEADER.totalSize, totalSize);
  view.setUint32(HEADER.structOffset, structOffset);
  view.setUint32(HEADER.stringsOffset, stringsOffset);
  view.setUint32(HEADER.reservationsOffset, HEADER_SIZE);
  view.setUint32(HEADER.version, VERSION);
  view.setUint32(HEADER.lastCompatible, LAST_COMPATIBLE);
  view.setUint32(HEADER.bootCpu, tree.bootCpu);
  view.setUint32(HEADER.stringsSize, text.length);
  view.setUint32(HEADER.structSize, structure.length);
  tree.reservations.forEach((r, i) => {
    view.setBigUint64(HEADER_SIZE + i * RESERVATION_SIZE, r.address);
    view.setBigUint64(HEADER_SIZE + i * RESERVATION_SIZE + 8, r.size);
  });
  out.set(structure, structOffset);
  out.set(text, stringsOffset);
  return out;
}

function writeNode(node: FdtNode, body: ByteWriter, names: StringTable): void {
  refuseTwins(node, node.properties, 'properties');
  refuseTwins(node, node.children, 'children');
  body.u32be(TOKEN.beginNode);
  body.raw(strings(node.name));
  body.pad(4);
  for (const property of node.properties) {
    body.u32be(TOKEN.property);
    body.u32be(property.value.length);
    body.u32be(names.offset(property.name));
    body.raw(property.value);
    body.pad(4);
  }
  for (const child of node.children) writeNode(child, body, names);
  body.u32be(TOKEN.endNode);
}

function refuseTwins(node: FdtNode, members: readonly { name: string }[], what: string): void {
  const seen = new Set<string>();
  for (const { name } of members) {
    if (seen.has(name)) throw new FdtError(`node "${node.name || '/'}" has two ${what} named "${name}"`);
    seen.add(name);
  }
}

/** Reads a DTB. @throws FdtError naming the offset of what is wrong. */
export function readFdt(blob: Uint8Array): Fdt {
  return new FdtReader(blob).read();
}

class FdtReader {
  private readonly blob: Uint8Array;
  private readonly view: DataView;
  private at = 0;
  private structEnd = 0;
  private stringsAt = 0;
  private stringsEnd = 0;

  constructor(blob: Uint8Array) {
    // A Node Buffer's slice would share memory with it.
    this.blob = new Uint8Array(blob.buffer, blob.byteOffset, blob.byteLength);
    this.view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  }

  read(): Fdt {
    if (this.blob.length < HEADER_SIZE)
      throw new FdtError(`${this.blob.length} bytes are too few for a device tree's header of ${HEADER_SIZE}`);
    const word = (offset: number): number => this.view.getUint32(offset);
    if (word(HEADER.magic) !== MAGIC)
      throw new FdtError(
        `no device tree: magic is 0x${word(HEADER.magic).toString(16)}, expected 0x${MAGIC.toString(16)}`,
      );
    const lastCompatible = word(HEADER.lastCompatible);
    if (lastCompatible > VERSION)
      throw new FdtError(`device tree is compatible down to version ${lastCompatible}, this reader knows ${VERSION}`);
    const totalSize = word(HEADER.totalSize);
    if (totalSize > this.blob.length)
      throw new FdtError(`device tree of ${totalSize} bytes is cut off after ${this.blob.length}`);
    this.stringsAt = word(HEADER.stringsOffset);
    this.stringsEnd = this.stringsAt + word(HEADER.stringsSize);
    this.at = word(HEADER.structOffset);
    this.structEnd = this.at + word(HEADER.structSize);
    if (this.structEnd > totalSize || this.stringsEnd > totalSize)
      throw new FdtError(`a block reaches past the device tree's ${totalSize} bytes`);

    const reservations = this.reservations(word(HEADER.reservationsOffset), totalSize);
    this.expect(TOKEN.beginNode);
    const root = this.node(0);
    this.expect(TOKEN.end);
    return { root, reservations, bootCpu: word(HEADER.bootCpu) };
  }

  private reservations(start: number, end: number): FdtReservation[] {
    const found: FdtReservation[] = [];
    for (let at = start; ; at += RESERVATION_SIZE) {
      if (at + RESERVATION_SIZE > end) throw new FdtError(`memory reservation block at ${start} has no end`);
      const address = this.view.getBigUint64(at);
      const size = this.view.getBigUint64(at + 8);
      if (address === 0n && size === 0n) return found;
      found.push({ address, size });
    }
  }

  private u32(): number {
    if (this.at + 4 > this.structEnd) throw new FdtError(`structure block ends at ${this.structEnd} inside a node`);
    const v = this.view.getUint32(this.at);
    this.at += 4;
    return v;
  }

  private token(): number {
    let token = this.u32();
    while (token === TOKEN.nop) token = this.u32();
    return token;
  }

  private expect(wanted: number): void {
    const token = this.token();
    if (token !== wanted) throw new FdtError(`token ${token} at ${this.at - 4}, expected ${wanted}`);
  }

  /** NUL-terminated text at `start`, before `end`. */
  private text(start: number, end: number): string {
    const stop = this.blob.subarray(0, end).indexOf(0, start);
    if (start >= end || stop < 0) throw new FdtError(`text at ${start} has no end`);
    return new TextDecoder().decode(this.blob.subarray(start, stop));
  }

  /** A node whose begin token was read. */
  private node(depth: number): FdtNode {
    if (depth > 64) throw new FdtError(`nodes nest deeper than 64 at ${this.at}`);
    const name = this.text(this.at, this.structEnd);
    this.at += align4(new TextEncoder().encode(name).length + 1);
    const properties: FdtProperty[] = [];
    const children: FdtNode[] = [];
    for (;;) {
      const token = this.token();
      if (token === TOKEN.endNode) return { name, properties, children };
      if (token === TOKEN.beginNode) children.push(this.node(depth + 1));
      else if (token === TOKEN.property) properties.push(this.property());
      else throw new FdtError(`token ${token} at ${this.at - 4} inside node "${name}"`);
    }
  }

  private property(): FdtProperty {
    const length = this.u32();
    const name = this.text(this.stringsAt + this.u32(), this.stringsEnd);
    if (this.at + length > this.structEnd)
      throw new FdtError(`property "${name}" at ${this.at} reaches past the structure block`);
    const value = this.blob.slice(this.at, this.at + length);
    this.at += align4(length);
    return { name, value };
  }
}

/** The node at `path` (`/cpus/cpu@0`; `/` is the root), or undefined. */
export function findNode(tree: Fdt, path: string): FdtNode | undefined {
  let node: FdtNode | undefined = tree.root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    node = node?.children.find((child) => child.name === name);
  }
  return node;
}

/** The raw value of a property, or undefined. */
export function findProperty(node: FdtNode | undefined, name: string): Uint8Array | undefined {
  return node?.properties.find((property) => property.name === name)?.value;
}

/** Reads a value back as cells. @throws FdtError unless its length is a multiple of 4. */
export function asCells(value: Uint8Array): number[] {
  if (value.length % 4 !== 0) throw new FdtError(`a value of ${value.length} bytes is no list of cells`);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length / 4 }, (_, i) => view.getUint32(i * 4));
}

/** Reads a value back as a list of strings. */
export function asStrings(value: Uint8Array): string[] {
  return new TextDecoder().decode(value).split('\0').slice(0, -1);
}
