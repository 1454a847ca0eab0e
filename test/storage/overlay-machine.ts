import {
  MemoryBackend,
  OverlaidBackend,
  OverlayDisk,
  type OverlayFile,
  OverlayKeeper,
  OverlayLog,
} from '../../src/storage/index.ts';

/** Bytes of the disks here; the last chunk is not whole. */
export const SIZE = 64 * 4096 + 512;
export const ID = '00112233445566778899aabbccddeeff';

export const base = new MemoryBackend(
  Uint8Array.from({ length: SIZE }, (_, i) => (i * 7) & 255),
  'b'.repeat(64),
);

/** Numbers from a seed (mulberry32). */
export function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The power went: nothing works any more. */
export class PowerLoss extends Error {}

/** A file in memory that can be cut short or run out of room, and that a loss of power leaves as a disk may. */
export class MemoryFile implements OverlayFile {
  readonly name: string;
  bytes: Uint8Array;
  room = Infinity;
  /** How many more writes and synchronizations there are until the power goes, in all files that share it. */
  power = { left: Infinity };
  private durable: Uint8Array;
  private unsynchronized: { readonly offset: number; readonly data: Uint8Array }[] = [];

  constructor(bytes = new Uint8Array(0), name = 'work.hso') {
    this.bytes = bytes;
    this.durable = bytes;
    this.name = name;
  }
  get size(): number {
    return this.bytes.length;
  }
  read(offset: number, into: Uint8Array): number {
    const part = this.bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }
  write(offset: number, data: Uint8Array): void {
    this.spend();
    const end = offset + data.length;
    if (end > this.room) throw new Error('ENOSPC: no space left on device');
    this.unsynchronized.push({ offset, data: data.slice() });
    this.bytes = laid(this.bytes, offset, data);
  }
  sync(): void {
    this.spend();
    this.durable = this.bytes.slice();
    this.unsynchronized = [];
  }
  async syncLater(): Promise<void> {
    this.sync();
  }
  truncate(size: number): void {
    this.spend();
    // Whether it survives is known after the next synchronization only; here it does not.
    this.bytes = this.bytes.slice(0, size);
  }
  close(): void {}

  /** The file after the power came back: what was synchronized, and any part of what was written since, in sectors. */
  afterPowerLoss(random: (below: number) => number): MemoryFile {
    let bytes = this.durable;
    for (const { offset, data } of this.unsynchronized)
      for (let at = 0; at < data.length; at += 512)
        if (random(2) === 0) bytes = laid(bytes, offset + at, data.subarray(at, at + 512));
    return new MemoryFile(bytes.slice(), this.name);
  }

  /** The file after its process was killed: the system has all that was written. */
  afterKill(): MemoryFile {
    return new MemoryFile(this.bytes.slice(), this.name);
  }

  private spend(): void {
    if (this.power.left-- <= 0) throw new PowerLoss();
  }
}

function laid(bytes: Uint8Array, offset: number, data: Uint8Array): Uint8Array {
  const end = offset + data.length;
  let grown = bytes;
  if (end > bytes.length) {
    grown = new Uint8Array(end);
    grown.set(bytes);
  }
  grown.set(data, offset);
  return grown;
}

export function contents(backend: { read(offset: number, into: Uint8Array): void | Promise<void> }): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  void backend.read(0, bytes);
  return bytes;
}

export const diskContents = (disk: OverlayDisk): Uint8Array => {
  const bytes = new Uint8Array(SIZE);
  disk.prefetch(0, SIZE).finish(0, bytes);
  return bytes;
};

export const create = (file: OverlayFile): OverlayLog =>
  OverlayLog.create(file, ID, { size: SIZE, hash: base.hash, path: '/images/disk.img' });

export interface Kept {
  readonly log: OverlayLog;
  readonly backend: OverlaidBackend;
  readonly disk: OverlayDisk;
  readonly keeper: OverlayKeeper;
}

/** A disk over an overlay. @param target takes what is flushed */
export function machine(log: OverlayLog, target: Pick<OverlayLog, 'append'> = log): Kept {
  const backend = new OverlaidBackend(base, log);
  const disk = new OverlayDisk(backend);
  return { log, backend, disk, keeper: new OverlayKeeper(disk, backend, log, target) };
}

/** Does something to a disk at random. */
export function change(disk: OverlayDisk, random: (below: number) => number): void {
  const sectors = SIZE / 512;
  const at = random(sectors);
  const length = 1 + random(Math.min(20, sectors - at));
  const kind = random(8);
  if (kind === 0) disk.zero(at * 512, length * 512);
  else if (kind === 1) disk.discard(at * 512, length * 512);
  else
    disk.write(
      at * 512,
      Uint8Array.from({ length: length * 512 }, () => random(256)),
    );
}
