import { FsError } from '../errno.ts';

/** A disk's contents as they are at one instant. */
export interface DiskContents {
  /** Bytes. */
  readonly size: number;
  /** Fills `into` from `offset` on, now or later. */
  read(offset: number, into: Uint8Array): void | Promise<void>;
  /** Metadata as a kernel that has the disk mounted holds it in memory, newer than disk and journal; undefined where it holds none. */
  metadata?(offset: number, length: number): Uint8Array | undefined;
}

/** The disk has no ext4 file system that can be read; the message says what is wrong and at which offset. */
export class Ext4Error extends FsError {
  override name = 'Ext4Error';

  constructor(message: string) {
    super('EIO', message);
  }
}

/** Blocks kept in memory: metadata is read over and over. */
const KEPT = 512;

/** The file system's blocks, as they are once what the journal holds was written to its place. */
export class BlockReader {
  readonly size: number;
  /** Block → block in which the journal has it, and whether its first word was changed there. */
  readonly journalled = new Map<number, { readonly block: number; readonly escaped: boolean }>();
  private readonly disk: DiskContents;
  /** Oldest use first. Keys are blocks of metadata, and the complements of blocks of data. */
  private readonly kept = new Map<number, Uint8Array>();

  /** @param size bytes of a block */
  constructor(disk: DiskContents, size: number) {
    this.disk = disk;
    this.size = size;
  }

  /** The bytes of a block of metadata, not to be changed. @throws Ext4Error beyond the disk */
  block(index: number): Promise<Uint8Array> {
    return this.keep(index, async () => {
      this.check(index);
      return this.disk.metadata?.(index * this.size, this.size) ?? (await this.fetch(index));
    });
  }

  /** The same of a block of a file or of the journal: what a kernel holds as metadata there is of a former use of the block. */
  data(index: number): Promise<Uint8Array> {
    return this.keep(~index, () => this.fetch(index));
  }

  private async keep(key: number, fetch: () => Promise<Uint8Array>): Promise<Uint8Array> {
    let bytes = this.kept.get(key);
    this.kept.delete(key);
    bytes ??= await fetch();
    this.kept.set(key, bytes);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(oldest);
    }
    return bytes;
  }

  /** Forgets what was kept: the journal says otherwise now. */
  forget(): void {
    this.kept.clear();
  }

  private check(index: number): void {
    const offset = index * this.size;
    if (!(offset >= 0 && offset + this.size <= this.disk.size))
      throw new Ext4Error(`block ${index} lies at offset ${offset}, beyond the disk's ${this.disk.size} bytes`);
  }

  private async fetch(index: number): Promise<Uint8Array> {
    const journalled = this.journalled.get(index);
    this.check(journalled?.block ?? index);
    const offset = (journalled?.block ?? index) * this.size;
    const bytes = new Uint8Array(this.size);
    await this.disk.read(offset, bytes);
    if (journalled?.escaped === true) new DataView(bytes.buffer).setUint32(0, JOURNAL_MAGIC);
    return bytes;
  }
}

/** First word of every block that is the journal's own (jbd2). */
export const JOURNAL_MAGIC = 0xc03b3998;
