import { StateError, type StateReader, type StateWriter } from '../bytes/state-stream.ts';
import { type BlockBackend, checkRange, type Disk, type DiskRead, SECTOR } from './backend.ts';
import type { DiskOverlay } from './image-name.ts';

/** Bytes of a chunk, the unit in which written data is kept, saved and compared: one guest page. */
export const CHUNK = 4096;
const SECTORS_PER_CHUNK = CHUNK / SECTOR;
const ALL_SECTORS = 2 ** SECTORS_PER_CHUNK - 1;

const ZEROS = new Uint8Array(CHUNK);

/**
 * What was written of one chunk. Never changes once {@link OverlayDisk.seal} returned its generation or a later one: the next
 * write makes a new chunk, so that a checkpoint may keep it without a copy.
 */
export interface OverlayChunk {
  /** Byte offset on the disk divided by {@link CHUNK}. */
  readonly id: number;
  /** Bit i: sector i of the chunk was written; the others read from the base (and are zero in {@link data}). */
  readonly mask: number;
  /** {@link CHUNK} bytes. */
  readonly data: Uint8Array;
  /** Generation of the last write; counts on the host's side, no part of the machine's state. */
  readonly generation: number;
}

/** Hears of what is asked of a disk. */
type DiskObserver = (write: boolean, offset: number, length: number) => void;

type OwnChunk = { -readonly [K in keyof OverlayChunk]: OverlayChunk[K] };

/**
 * A writable disk over an immutable base: what the guest writes is kept in chunks in memory, part of the machine's state, and
 * the base is named by its hash (contract 4). Nothing it holds depends on when the base's data arrived.
 *
 * For incremental checkpoints: `const g = disk.seal()`, then later `disk.changedSince(g)`. A restore replaces everything and
 * forgets what was there, so that increments start again: {@link changedSince} of an earlier generation gives every chunk.
 */
export class OverlayDisk implements Disk {
  readonly readOnly: boolean;
  private readonly base: BlockBackend;
  private readonly chunks = new Map<number, OwnChunk>();
  /** Chunks in the order of their generations; superseded ones among them until the next clean-up. */
  private log: OwnChunk[] = [];
  private generation = 1;

  private observer: DiskObserver | undefined;
  /** Called when what was written must survive, so that its owner can store it. Changes nothing of the disk. */
  onFlush: (() => void) | undefined;
  /** How often everything was replaced. */
  restores = 0;

  /** @param options.readOnly writes are refused by the device; the overlay stays empty */
  constructor(base: BlockBackend, options: { readonly readOnly?: boolean } = {}) {
    this.base = base;
    this.readOnly = options.readOnly ?? false;
  }

  get size(): number {
    return this.base.size;
  }

  /** The base's hash. */
  get baseHash(): string {
    return this.base.hash;
  }

  /** What lies over the base, beneath what is written here. */
  get overlay(): DiskOverlay | undefined {
    return this.base.overlay;
  }

  /** How many chunks were written; each takes {@link CHUNK} bytes of memory, if it is not all zeros made by {@link zero}. */
  get chunkCount(): number {
    return this.chunks.size;
  }

  /** Has a listener hear of every read that is begun and every write, which changes nothing; undefined ends it. */
  watch(observer: DiskObserver | undefined): void {
    this.observer = observer;
  }

  prefetch(offset: number, length: number): DiskRead {
    this.check(offset, length);
    this.observer?.(false, offset, length);
    if (this.base.immediate) return { late: undefined, finish: (from, into) => this.readNow(offset + from, into) };
    // All of it, whatever the overlay holds now: that may change before the read is finished.
    const bytes = new Uint8Array(length);
    let arrived = false;
    let late = this.base.read(offset, bytes) ?? undefined;
    if (late === undefined) arrived = true;
    else late = late.then(() => void (arrived = true));
    // Whoever waits sees a failure; until somebody does, it is no unhandled rejection.
    late?.catch(() => undefined);
    return {
      late,
      finish: (from, into) => {
        if (!arrived)
          throw new Error(`disk base ${this.base.hash}: ${length} bytes at offset ${offset} have not arrived`);
        into.set(bytes.subarray(from, from + into.length));
        this.readWritten(offset + from, into);
      },
    };
  }

  write(offset: number, data: Uint8Array): void {
    this.check(offset, data.length);
    this.observer?.(true, offset, data.length);
    for (let at = 0; at < data.length; ) {
      const within = (offset + at) % CHUNK;
      const length = Math.min(CHUNK - within, data.length - at);
      const chunk = this.own((offset + at - within) / CHUNK);
      chunk.data.set(data.subarray(at, at + length), within);
      chunk.mask |= sectorMask(within, length);
      at += length;
    }
  }

  zero(offset: number, length: number): void {
    this.check(offset, length);
    for (let at = 0; at < length; ) {
      const within = (offset + at) % CHUNK;
      const n = Math.min(CHUNK - within, length - at);
      const id = (offset + at - within) / CHUNK;
      if (n === CHUNK) {
        this.put({ id, mask: ALL_SECTORS, data: ZEROS, generation: this.generation });
      } else {
        const chunk = this.own(id);
        chunk.data.fill(0, within, within + n);
        chunk.mask |= sectorMask(within, n);
      }
      at += n;
    }
  }

  /** Whole chunks that were written become zeros and free their memory; all else keeps what it was. */
  discard(offset: number, length: number): void {
    this.check(offset, length);
    const end = Math.floor((offset + length) / CHUNK);
    for (let id = Math.ceil(offset / CHUNK); id < end; id++) if (this.chunks.has(id)) this.zero(id * CHUNK, CHUNK);
  }

  flush(): void {
    this.onFlush?.();
  }

  /** Every written chunk, by id. */
  *writtenChunks(): Iterable<OverlayChunk> {
    for (const id of [...this.chunks.keys()].sort((a, b) => a - b)) yield this.chunks.get(id) as OverlayChunk;
  }

  /** Freezes all chunks as they are. @returns the generation they belong to, for {@link changedSince} */
  seal(): number {
    return this.generation++;
  }

  /** Chunks written after `seal` returned `generation`, in no particular order; 0 gives all. */
  *changedSince(generation: number): Iterable<OverlayChunk> {
    for (let i = this.log.length - 1; i >= 0 && this.log[i].generation > generation; i--) {
      const chunk = this.log[i];
      if (this.chunks.get(chunk.id) === chunk) yield chunk;
    }
  }

  /** Replaces everything written by these chunks, which are shared, not copied, and stay as they are. */
  restoreChunks(chunks: Iterable<OverlayChunk>): void {
    this.restores++;
    this.chunks.clear();
    this.log = [];
    for (const { id, mask, data } of chunks) {
      this.checkChunk(id, mask, data);
      this.put({ id, mask, data, generation: this.generation });
    }
    this.seal();
  }

  /** Forgets everything written: the disk is its base again. */
  clear(): void {
    this.restoreChunks([]);
  }

  /** Writes the base's name and every written sector. */
  save(w: StateWriter): void {
    w.text(this.base.hash);
    w.f64(this.base.size);
    w.u32(this.chunks.size);
    for (const { id, mask, data } of this.writtenChunks()) {
      w.u32(id);
      w.u8(mask);
      w.bool(data !== ZEROS);
      if (data !== ZEROS) w.bytes(data);
    }
  }

  /** @throws StateError when the state was saved over another base, or is damaged */
  restore(r: StateReader): void {
    const hash = r.text();
    const size = r.f64();
    if (hash !== this.base.hash || size !== this.base.size) {
      throw new StateError(
        `saved disk is over base ${hash} of ${size} bytes, this one is ${this.base.hash} of ${this.base.size}`,
      );
    }
    const count = r.u32();
    const chunks: OverlayChunk[] = [];
    for (let i = 0; i < count; i++) {
      const id = r.u32();
      const mask = r.u8();
      chunks.push({ id, mask, data: r.bool() ? r.bytes() : ZEROS, generation: 0 });
    }
    this.restoreChunks(chunks);
  }

  /** The chunk `id`, made writable in this generation. */
  private own(id: number): OwnChunk {
    const old = this.chunks.get(id);
    if (old !== undefined && old.generation === this.generation && old.data !== ZEROS) return old;
    const data = new Uint8Array(CHUNK);
    if (old !== undefined) data.set(old.data);
    return this.put({ id, mask: old?.mask ?? 0, data, generation: this.generation });
  }

  private put(chunk: OwnChunk): OwnChunk {
    this.chunks.set(chunk.id, chunk);
    this.log.push(chunk);
    if (this.log.length > 64 && this.log.length > 2 * this.chunks.size)
      this.log = this.log.filter((c) => this.chunks.get(c.id) === c);
    return chunk;
  }

  /** Base and overlay, at once. */
  private readNow(offset: number, into: Uint8Array): void {
    if (!this.covered(offset, into.length)) void this.base.read(offset, into);
    this.readWritten(offset, into);
  }

  private covered(offset: number, length: number): boolean {
    for (let at = offset - (offset % CHUNK); at < offset + length; at += CHUNK) {
      if (this.chunks.get(at / CHUNK)?.mask !== ALL_SECTORS) return false;
    }
    return true;
  }

  /** Lays the written sectors over `into`. */
  private readWritten(offset: number, into: Uint8Array): void {
    if (this.chunks.size === 0) return;
    for (let at = 0; at < into.length; ) {
      const within = (offset + at) % CHUNK;
      const length = Math.min(CHUNK - within, into.length - at);
      const chunk = this.chunks.get((offset + at - within) / CHUNK);
      if (chunk !== undefined) {
        if (chunk.mask === ALL_SECTORS) into.set(chunk.data.subarray(within, within + length), at);
        else copySectors(chunk, within, into.subarray(at, at + length));
      }
      at += length;
    }
  }

  private check(offset: number, length: number): void {
    checkRange(offset, length, this.size);
    if (offset % SECTOR !== 0 || length % SECTOR !== 0) {
      throw new RangeError(`disk access of ${length} bytes at ${offset}: expected multiples of ${SECTOR}`);
    }
  }

  private checkChunk(id: number, mask: number, data: Uint8Array): void {
    if (!(id * CHUNK < this.size && mask >= 1 && mask <= ALL_SECTORS && data.length === CHUNK)) {
      throw new StateError(
        `disk chunk ${id} of ${data.length} bytes, sectors ${mask}, does not fit a disk of ${this.size} bytes`,
      );
    }
  }
}

/** Bits of the sectors in `length` bytes from `within` a chunk. */
function sectorMask(within: number, length: number): number {
  return (2 ** (length / SECTOR) - 1) << (within / SECTOR);
}

/** `into` starts and ends at sectors or at the chunk's end. */
function copySectors(chunk: OverlayChunk, within: number, into: Uint8Array): void {
  for (let at = 0; at < into.length; ) {
    const sector = Math.floor((within + at) / SECTOR);
    const end = Math.min((sector + 1) * SECTOR - within, into.length);
    if ((chunk.mask & (1 << sector)) !== 0) into.set(chunk.data.subarray(within + at, within + end), at);
    at = end;
  }
}
