import { type BlockBackend, SECTOR } from '../backend.ts';
import type { DiskOverlay } from '../image-name.ts';
import { CHUNK } from '../overlay.ts';
import type { OverlayEntry, OverlayLog } from './log.ts';

const ALL_SECTORS = 2 ** (CHUNK / SECTOR) - 1;

/** A base with what an overlay holds over it, as it was when this was made: what is added to the overlay afterwards does not show. */
export class OverlaidBackend implements BlockBackend {
  readonly size: number;
  /** Of the base. */
  readonly hash: string;
  readonly immediate: boolean;
  readonly overlay: DiskOverlay;
  /** What it holds. */
  readonly entries: ReadonlyMap<number, OverlayEntry>;
  /** What it lies over. */
  readonly base: BlockBackend & { close?(): void };
  private readonly log: OverlayLog;

  constructor(base: BlockBackend & { close?(): void }, log: OverlayLog) {
    this.size = base.size;
    this.hash = base.hash;
    this.immediate = base.immediate;
    this.base = base;
    this.log = log;
    this.entries = new Map(log.entries);
    this.overlay = { file: log.name, id: log.header.id, sequence: log.sequence, state: log.state };
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    const late = this.covers(offset, into.length) ? undefined : this.base.read(offset, into);
    if (late !== undefined) return late.then(() => this.lay(offset, into));
    this.lay(offset, into);
  }

  /** Closes base and overlay. */
  close(): void {
    this.base.close?.();
    this.log.close();
  }

  private covers(offset: number, length: number): boolean {
    for (let at = offset - (offset % CHUNK); at < offset + length; at += CHUNK)
      if (this.entries.get(at / CHUNK)?.mask !== ALL_SECTORS) return false;
    return true;
  }

  private lay(offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const within = (offset + at) % CHUNK;
      const length = Math.min(CHUNK - within, into.length - at);
      const entry = this.entries.get((offset + at - within) / CHUNK);
      if (entry !== undefined) laySectors(this.log.read(entry), entry.mask, within, into.subarray(at, at + length));
      at += length;
    }
  }
}

/** Lays the sectors of a mask over a part of a chunk, from `within` it on. */
export function laySectors(data: Uint8Array, mask: number, within: number, into: Uint8Array): void {
  for (let at = 0; at < into.length; ) {
    const sector = Math.floor((within + at) / SECTOR);
    const end = Math.min((sector + 1) * SECTOR - within, into.length);
    if ((mask & (1 << sector)) !== 0) into.set(data.subarray(within + at, within + end), at);
    at = end;
  }
}
