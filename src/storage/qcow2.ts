import { type BlockBackend, checkRange, SECTOR } from './backend.ts';

/** Header of qcow2 versions 2 and 3 (QEMU, docs/interop/qcow2.rst); all numbers are big-endian. */
const MAGIC = 0x514649fb;
const HEADER_V2 = 72;
const HEADER_V3 = 104;
const MIN_CLUSTER_BITS = 9;
const MAX_CLUSTER_BITS = 21;
/** Largest first-level table that QEMU takes, in bytes. */
const MAX_L1 = 32 * 2 ** 20;
const MAX_BACKING_NAME = 1023;
const INCOMPATIBLE = { dirty: 1, corrupt: 2, externalData: 4, compressionType: 8, extendedL2: 16 } as const;
const EXTENSION_END = 0;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;

/** Of entries of both tables: the offset of what is pointed to; of the second level: how it is stored. */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const ZERO = 1n;
/** Second-level tables and unpacked clusters that are kept. */
const KEPT_TABLES = 64;

/** A qcow2 image is damaged or uses what is not understood; the message says at which offset. */
export class Qcow2Error extends Error {
  override name = 'Qcow2Error';
}

/** What an image says of the one below it. */
export interface BackingFile {
  /** As it is written in the image: relative to the image's own folder, or absolute. */
  readonly name: string;
  /** `raw`, `qcow2`, … if the image says it. */
  readonly format?: string;
}

/** The file an image is in. */
export interface Qcow2Source {
  /** For messages. */
  readonly name: string;
  /** Bytes in the file. */
  readonly size: number;
  readonly immediate: boolean;
  read(offset: number, into: Uint8Array): void | Promise<void>;
  close(): void;
}

/** The image below another. */
export type BackingImage = Pick<BlockBackend, 'size' | 'immediate' | 'read'> & { close(): void };

export interface Qcow2Options {
  /** Opens the image below, whose clusters are read where this one has none. */
  readonly openBacking: (backing: BackingFile) => BackingImage;
  /** Unpacks a raw deflate stream (RFC 1951) of at most `size` bytes; what follows it in `packed` does not belong to it. */
  readonly inflate: (packed: Uint8Array, size: number) => Uint8Array;
  /** Name of the contents; computed from them where it is asked for. */
  readonly hash: (contents: Qcow2Contents) => string;
}

/** What {@link Qcow2Options.hash} is given. */
export type Qcow2Contents = Pick<BlockBackend, 'size' | 'read'>;

interface Header {
  readonly size: number;
  readonly clusterSize: number;
  readonly l1: BigUint64Array;
  readonly version: number;
  readonly backing?: BackingFile;
}

/** A read that a step of work waits for; it ends at once where the source is immediate. */
type Reads<T> = Generator<void | Promise<void>, T, void>;

/** The current contents of a qcow2 image, versions 2 and 3, as an immutable base: with backing files and clusters packed by deflate. */
export class Qcow2Backend implements BlockBackend {
  readonly size: number;
  readonly immediate: boolean;
  private readonly source: Qcow2Source;
  private readonly options: Qcow2Options;
  private readonly header: Header;
  private readonly backing: BackingImage | undefined;
  private readonly tables = new Map<number, BigUint64Array>();
  private readonly unpacked = new Map<bigint, Uint8Array>();
  private knownHash: string | undefined;

  private constructor(source: Qcow2Source, options: Qcow2Options, header: Header) {
    this.source = source;
    this.options = options;
    this.header = header;
    this.backing = header.backing && options.openBacking(header.backing);
    this.size = Math.ceil(header.size / SECTOR) * SECTOR;
    this.immediate = source.immediate && this.backing?.immediate !== false;
  }

  /** @throws Qcow2Error when it is no image that can be read */
  static open(source: Qcow2Source, options: Qcow2Options): Qcow2Backend | Promise<Qcow2Backend> {
    return drive(readHeader(source), (header) => new Qcow2Backend(source, options, header));
  }

  get hash(): string {
    this.knownHash ??= this.options.hash(this);
    return this.knownHash;
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    checkRange(offset, into.length, this.size);
    return drive(this.readRange(offset, into), () => undefined);
  }

  /** Closes the file and those of the images below. */
  close(): void {
    this.source.close();
    this.backing?.close();
  }

  private *readRange(offset: number, into: Uint8Array): Reads<void> {
    const { clusterSize } = this.header;
    for (let at = 0; at < into.length; ) {
      const cluster = Math.floor((offset + at) / clusterSize);
      const within = offset + at - cluster * clusterSize;
      const piece = into.subarray(at, at + Math.min(clusterSize - within, into.length - at));
      yield* this.readCluster(cluster, within, piece);
      at += piece.length;
    }
  }

  private *readCluster(cluster: number, within: number, into: Uint8Array): Reads<void> {
    const { clusterSize, l1, version } = this.header;
    const perTable = clusterSize / 8;
    const first = l1[Math.floor(cluster / perTable)] ?? 0n;
    const table = Number(first & OFFSET_MASK);
    const entry = table === 0 ? 0n : (yield* this.table(table))[cluster % perTable];
    if ((entry & COMPRESSED) !== 0n) {
      into.set((yield* this.unpack(entry)).subarray(within, within + into.length));
      return;
    }
    const at = Number(entry & OFFSET_MASK);
    if (version >= 3 && (entry & ZERO) !== 0n) into.fill(0);
    else if (at !== 0) {
      if (at % clusterSize !== 0)
        throw this.damage(`cluster ${cluster} at offset ${at}, which is no multiple of ${clusterSize}`);
      yield* this.fetch(at + within, into, `cluster ${cluster}`);
    } else yield* this.readBacking(cluster * clusterSize + within, into);
  }

  /** Beyond the end of a smaller image below there are zeros. */
  private *readBacking(offset: number, into: Uint8Array): Reads<void> {
    const { backing } = this;
    const there = backing === undefined ? 0 : Math.max(0, Math.min(into.length, backing.size - offset));
    if (there > 0) yield backing!.read(offset, into.subarray(0, there));
    into.fill(0, there);
  }

  private *table(at: number): Reads<BigUint64Array> {
    const known = this.tables.get(at);
    if (known !== undefined) return known;
    const bytes = new Uint8Array(this.header.clusterSize);
    if (at % bytes.length !== 0)
      throw this.damage(`a table of clusters at offset ${at}, which is no multiple of ${bytes.length}`);
    yield* this.fetch(at, bytes, 'a table of clusters');
    return keep(this.tables, at, numbers(bytes));
  }

  private *unpack(entry: bigint): Reads<Uint8Array> {
    const { clusterSize } = this.header;
    const known = this.unpacked.get(entry);
    if (known !== undefined) return known;
    const bits = BigInt(62 - (Math.log2(clusterSize) - 8));
    const at = Number(entry & ((1n << bits) - 1n));
    const sectors = Number((entry & (COMPRESSED - 1n)) >> bits) + 1;
    // The last sector may end beyond the file.
    const length = Math.min(sectors * SECTOR - (at % SECTOR), this.source.size - at);
    if (length <= 0) throw this.damage(`a packed cluster at offset ${at}, beyond the file's ${this.source.size} bytes`);
    const packed = new Uint8Array(length);
    yield* this.fetch(at, packed, 'a packed cluster');
    let bytes: Uint8Array;
    try {
      bytes = this.options.inflate(packed, clusterSize);
    } catch (error) {
      throw this.damage(`a packed cluster at offset ${at} that cannot be unpacked: ${(error as Error).message}`);
    }
    if (bytes.length !== clusterSize)
      throw this.damage(`a packed cluster at offset ${at} of ${bytes.length} bytes, expected ${clusterSize}`);
    return keep(this.unpacked, entry, bytes);
  }

  private *fetch(at: number, into: Uint8Array, what: string): Reads<void> {
    // The file may end within its last cluster.
    const there = Math.min(into.length, this.source.size - at);
    if (there <= 0) throw this.damage(`${what} at offset ${at}, beyond the file's ${this.source.size} bytes`);
    yield this.source.read(at, into.subarray(0, there));
    into.fill(0, there);
  }

  private damage(message: string): Qcow2Error {
    return new Qcow2Error(`disk ${this.source.name} is a damaged qcow2 image: it has ${message}`);
  }
}

/** Whether a file begins as a qcow2 image does. @param start its first 4 bytes */
export function isQcow2(start: Uint8Array): boolean {
  return start.length >= 4 && new DataView(start.buffer, start.byteOffset).getUint32(0) === MAGIC;
}

function* readHeader(source: Qcow2Source): Reads<Header> {
  const fail = (message: string): Qcow2Error => new Qcow2Error(`disk ${source.name}: ${message}`);
  const start = new Uint8Array(Math.min(HEADER_V3 + 8, source.size));
  if (start.length < HEADER_V2) throw fail(`a qcow2 header has ${HEADER_V2} bytes, the file ${source.size}`);
  yield source.read(0, start);
  const view = new DataView(start.buffer);
  const large = (at: number): number => Number(view.getBigUint64(at));
  const version = view.getUint32(4);
  if (view.getUint32(0) !== MAGIC || (version !== 2 && version !== 3))
    throw fail(`offset 4 says version ${version}: expected a qcow2 image of version 2 or 3`);
  if (version === 3 && start.length < HEADER_V3) throw fail('the header is cut short');
  const features = version === 3 ? large(72) : 0;
  const headerLength = version === 3 ? view.getUint32(100) : HEADER_V2;
  if ((features & INCOMPATIBLE.corrupt) !== 0)
    throw fail('offset 72 says it is corrupt: repair it with qemu-img check -r all');
  if ((features & INCOMPATIBLE.externalData) !== 0)
    throw fail('its data is in another file, which is not read: convert it with qemu-img convert');
  if ((features & INCOMPATIBLE.extendedL2) !== 0)
    throw fail('it has sub-clusters, which are not read: convert it with qemu-img convert');
  if ((features & INCOMPATIBLE.compressionType) !== 0 && (start[104] ?? 0) !== 0)
    throw fail('its clusters are packed with zstd, which is not read: convert it with qemu-img convert');
  if (features > 31) throw fail(`offset 72 names unknown features 0x${features.toString(16)}`);
  if (view.getUint32(32) !== 0) throw fail('it is encrypted: decrypt it with qemu-img convert');
  const clusterBits = view.getUint32(20);
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS)
    throw fail(
      `offset 20 says clusters of 2^${clusterBits} bytes: expected 2^${MIN_CLUSTER_BITS} to 2^${MAX_CLUSTER_BITS}`,
    );
  const clusterSize = 2 ** clusterBits;
  const size = large(24);
  const l1Size = view.getUint32(36);
  const l1At = large(40);
  const needed = Math.ceil(size / (clusterSize * (clusterSize / 8)));
  if (!Number.isSafeInteger(size) || size === 0) throw fail(`offset 24 says a disk of ${size} bytes`);
  if (l1Size < needed || l1Size * 8 > MAX_L1)
    throw fail(`offset 36 says a table of ${l1Size} entries: expected ${needed} to ${MAX_L1 / 8} for ${size} bytes`);
  if (l1At % clusterSize !== 0 || l1At + l1Size * 8 > source.size)
    throw fail(`the table at offset ${l1At} lies beyond the file's ${source.size} bytes, or across clusters`);
  const l1 = new Uint8Array(l1Size * 8);
  yield source.read(l1At, l1);
  const backing = yield* readBacking(source, large(8), view.getUint32(16), headerLength, clusterSize, fail);
  return { size, clusterSize, version, l1: numbers(l1), ...(backing && { backing }) };
}

function* readBacking(
  source: Qcow2Source,
  at: number,
  length: number,
  headerLength: number,
  clusterSize: number,
  fail: (message: string) => Qcow2Error,
): Reads<BackingFile | undefined> {
  if (at === 0) return undefined;
  if (length < 1 || length > MAX_BACKING_NAME || at + length > source.size || at + length > clusterSize)
    throw fail(`the name of the image below it, at offset ${at} with ${length} bytes, does not fit`);
  const start = new Uint8Array(at + length);
  yield source.read(0, start);
  const view = new DataView(start.buffer);
  const name = new TextDecoder().decode(start.subarray(at));
  for (let e = headerLength; e + 8 <= at; ) {
    const type = view.getUint32(e);
    const size = view.getUint32(e + 4);
    if (type === EXTENSION_END || e + 8 + size > start.length) break;
    if (type === EXTENSION_BACKING_FORMAT)
      return { name, format: new TextDecoder().decode(start.subarray(e + 8, e + 8 + size)) };
    e += 8 + ((size + 7) & ~7);
  }
  return { name };
}

function numbers(bytes: Uint8Array): BigUint64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return BigUint64Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigUint64(8 * i));
}

/** Keeps the latest. */
function keep<K, V>(map: Map<K, V>, key: K, value: V): V {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= KEPT_TABLES) break;
    map.delete(oldest);
  }
  return value;
}

/** Does the work: at once as long as nothing is late. */
function drive<T, U>(work: Reads<T>, finish: (value: T) => U): U | Promise<U> {
  for (let step = work.next(); ; step = work.next()) {
    if (step.done) return finish(step.value);
    if (step.value instanceof Promise) return driveLate(work, step.value).then(finish);
  }
}

async function driveLate<T>(work: Reads<T>, first: Promise<void>): Promise<T> {
  await first;
  for (let step = work.next(); ; step = work.next()) {
    if (step.done) return step.value;
    await step.value;
  }
}
