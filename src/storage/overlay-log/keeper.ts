import { CHUNK, type OverlayChunk, type OverlayDisk } from '../overlay.ts';
import { laySectors, type OverlaidBackend } from './backend.ts';
import type { OverlayLog, OverlayWrite } from './log.ts';

/** Puts what a guest writes to a disk into an overlay, where it survives the machine. */
export class OverlayKeeper {
  private readonly disk: OverlayDisk;
  private readonly backend: OverlaidBackend;
  private readonly log: OverlayLog;
  private readonly target: Pick<OverlayLog, 'append'>;
  private generation = 0;
  private restores: number;
  /** Contents of chunks that were put there, by chunk. */
  private readonly kept = new Map<number, Uint8Array>();

  /**
   * @param disk over `backend` @param log what `backend` was made of, and nothing was added to since
   * @param target takes what is written, on its way there
   */
  constructor(disk: OverlayDisk, backend: OverlaidBackend, log: OverlayLog, target: Pick<OverlayLog, 'append'> = log) {
    this.disk = disk;
    this.backend = backend;
    this.log = log;
    this.target = target;
    this.restores = disk.restores;
  }

  /** Puts all that the disk holds now into the overlay; returns when it survives a power loss. @throws OverlayError */
  flush(): void {
    const { disk } = this;
    const same = disk.restores === this.restores;
    const changed = [...(same ? disk.changedSince(this.generation) : this.differences())];
    const gone = same ? [] : this.gone();
    if (changed.length + gone.length === 0) return;
    this.target.append([...changed.map((chunk) => this.written(chunk)), ...gone.map((id) => this.before(id))]);
    for (const id of gone) this.kept.delete(id);
    for (const { id, data } of changed) this.kept.set(id, data);
    this.generation = disk.seal();
    this.restores = disk.restores;
  }

  /** After the machine went back: the chunks that are not as they were put there. */
  private *differences(): Iterable<OverlayChunk> {
    for (const chunk of this.disk.writtenChunks()) if (this.kept.get(chunk.id) !== chunk.data) yield chunk;
  }

  /** After the machine went back: the chunks that were put there and have not been written. */
  private gone(): number[] {
    const now = new Set(Array.from(this.disk.writtenChunks(), ({ id }) => id));
    return [...this.kept.keys()].filter((id) => !now.has(id));
  }

  /** A chunk with the sectors that were in the overlay from the beginning. */
  private written({ id, mask, data }: OverlayChunk): OverlayWrite {
    const entry = this.backend.entries.get(id);
    const missing = (entry?.mask ?? 0) & ~mask;
    if (missing === 0) return { id, mask, data: data.every((byte) => byte === 0) ? undefined : data };
    const whole = data.slice();
    laySectors(this.log.read(entry!), missing, 0, whole);
    return { id, mask: mask | missing, data: whole };
  }

  /** A chunk as it was in the beginning. */
  private before(id: number): OverlayWrite {
    const entry = this.backend.entries.get(id);
    if (entry === undefined) return { id, mask: 0, data: undefined };
    return { id, mask: entry.mask, data: entry.at === 0 ? undefined : this.log.read(entry) };
  }
}

/** Puts all that an overlay holds into a disk image. @param write puts bytes at an offset of the image */
export function mergeOverlay(log: OverlayLog, size: number, write: (offset: number, bytes: Uint8Array) => void): void {
  for (const [id, entry] of log.entries) {
    const data = log.read(entry);
    forSectors(entry.mask, (from, to) => {
      const end = Math.min(id * CHUNK + to, size);
      if (end > id * CHUNK + from) write(id * CHUNK + from, data.subarray(from, end - id * CHUNK));
    });
  }
}

const SECTOR_BITS = 8;

/** Calls back for each run of sectors in a mask, with its bytes in the chunk. */
function forSectors(mask: number, run: (from: number, to: number) => void): void {
  const size = CHUNK / SECTOR_BITS;
  for (let i = 0; i < SECTOR_BITS; ) {
    if ((mask & (1 << i)) === 0) {
      i++;
      continue;
    }
    let end = i;
    while (end < SECTOR_BITS && (mask & (1 << end)) !== 0) end++;
    run(i * size, end * size);
    i = end;
  }
}
