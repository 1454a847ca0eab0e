import type { ReadySource } from '../../bytes/source.ts';
import { StateError } from '../../bytes/state-stream.ts';
import { PAGE_SIZE } from '../../isa/layout.ts';
import type { Instant } from '../../record/door.ts';
import type { OverlayChunk } from '../../storage/index.ts';
import type { MachineConfig } from '../board/config.ts';
import type { PlanPages } from '../boot/plan-pages.ts';
import type { PageSource } from '../memory/absent-pages.ts';
import { SnapshotFile } from './snapshot-file.ts';
import { type PagePlace, ZEROS } from './snapshot-format.ts';

/** Finds a snapshot file by its SHA-256; undefined when it is not there. */
export type FindSnapshotFile = (hash: string) => ReadySource | undefined;

/** A snapshot with all files that hold its pages. */
export class Snapshot {
  /** Its own file, then its bases. */
  readonly files: readonly SnapshotFile[];

  private constructor(files: readonly SnapshotFile[]) {
    this.files = files;
  }

  /**
   * Opens a snapshot. Bytes in memory are checked whole, other sources as they are read.
   * @param name of the file, for messages @param find where other files are that it needs @param hash its SHA-256, if that is known
   * @throws StateError when it is foreign, damaged, of another version, or needs a file that is missing
   */
  static open(
    from: Uint8Array | ReadySource,
    name?: string,
    find: FindSnapshotFile = () => undefined,
    hash?: string,
  ): Snapshot {
    const file = new SnapshotFile(from, name, hash);
    const bases = file.bases.map((hash) => {
      const source = find(hash);
      if (source === undefined) {
        throw new StateError(
          `${file.name} shares pages with another snapshot file, which is not there: bring the file with SHA-256 ${hash}, or a snapshot that was exported whole`,
        );
      }
      return new SnapshotFile(source, `${hash}.hss, which ${file.name} shares pages with,`, hash);
    });
    const snapshot = new Snapshot([file, ...bases]);
    snapshot.check();
    if (from instanceof Uint8Array) file.verify();
    return snapshot;
  }

  get machine(): number {
    return this.files[0].machine;
  }

  get config(): MachineConfig {
    return this.files[0].config;
  }

  /** Where its machine is. */
  get at(): Instant {
    return this.files[0].at;
  }

  /** Guest time there in ticks. */
  get time(): number {
    return this.files[0].time;
  }

  /** What Engine.saveState wrote. */
  get state(): Uint8Array {
    return this.files[0].state;
  }

  /** Connections that the guest has open, as GuestConnections.save wrote them. */
  get connections(): Uint8Array | undefined {
    return this.files[0].connections;
  }

  /** Written chunks of every disk. @throws StateError when they are damaged */
  disks(): OverlayChunk[][] {
    return this.files[0].disks.map((chunks) =>
      chunks.map(({ id, mask, ...place }) => {
        const data = new Uint8Array(PAGE_SIZE);
        this.read(place, data);
        return { id, mask, data, generation: 0 };
      }),
    );
  }

  /** Puts contents into PAGE_SIZE bytes. @throws StateError when they are damaged */
  read({ file, slot }: PagePlace, into: Uint8Array): void {
    if (file === ZEROS) into.fill(0);
    else this.files[file].read(slot, into);
  }

  /** Whether everything that is named is there. */
  private check(): void {
    const [file] = this.files;
    const has = (place: PagePlace, count: number): boolean =>
      place.file === ZEROS || (place.file < this.files.length && place.slot + count <= this.files[place.file].slots);
    if (!file.runs.every((run) => has(run, run.count)) || !file.disks.every((disk) => disk.every((c) => has(c, 1))))
      throw new StateError(`${file.name} names pages that are in none of its files`);
  }
}

/** RAM of a snapshot, page by page: its own pages, and those of the boot plan that it did not change. */
export class SnapshotPages implements PageSource {
  readonly snapshot: Snapshot;
  /** Pages that are not all zeros, as far as is known without reading them. */
  readonly pages: number[] = [];
  private readonly plan: PlanPages;
  private readonly fileOf: Uint16Array;
  private readonly slotOf: Uint32Array;

  /** @param pages how many RAM has @throws StateError when the snapshot has more */
  constructor(snapshot: Snapshot, plan: PlanPages, pages: number) {
    this.snapshot = snapshot;
    this.plan = plan;
    this.fileOf = new Uint16Array(pages).fill(AS_PLANNED);
    this.slotOf = new Uint32Array(pages);
    for (const { first, count, file, slot } of snapshot.files[0].runs) {
      if (first + count > pages)
        throw new StateError(`${snapshot.files[0].name} has pages up to ${first + count}, this machine has ${pages}`);
      for (let i = 0; i < count; i++) {
        this.fileOf[first + i] = file;
        this.slotOf[first + i] = slot + i;
        if (file !== ZEROS) this.pages.push(first + i);
      }
    }
    for (const page of plan.pages) if (this.fileOf[page] === AS_PLANNED) this.pages.push(page);
  }

  read(page: number, into: Uint8Array): void {
    const file = this.fileOf[page];
    if (file === AS_PLANNED) this.plan.read(page, into);
    else this.snapshot.read({ file, slot: this.slotOf[page] }, into);
  }

  /** Where a page's contents lie; undefined when they are as at power-on. */
  place(page: number): PagePlace | undefined {
    const file = this.fileOf[page];
    return file === AS_PLANNED ? undefined : { file, slot: this.slotOf[page] };
  }
}

/** In place of a file's number: as at power-on. */
const AS_PLANNED = 0xfffe;
