import { crc32c } from '../../bytes/checksum.ts';
import { compress } from '../../bytes/compress.ts';
import { hashWords } from '../../bytes/hash.ts';
import { hexBytes } from '../../bytes/hex.ts';
import { StateWriter } from '../../bytes/state-stream.ts';
import { PAGE_SIZE } from '../../isa/layout.ts';
import { MACHINE_VERSION } from '../../record/format.ts';
import { PlanPages } from '../boot/plan-pages.ts';
import type { Engine } from '../engine/engine.ts';
import { FrozenRam } from './frozen-ram.ts';
import { SnapshotPages } from './snapshot.ts';
import type { SnapshotFile } from './snapshot-file.ts';
import { GROUP_BYTES, MAGIC, type PagePlace, type PageRun, SECTION, STATE_VERSION, ZEROS } from './snapshot-format.ts';

/** A snapshot file that a new one may share pages with. */
export interface SnapshotBase {
  /** SHA-256 of the file. */
  readonly hash: string;
  readonly file: SnapshotFile;
}

/** A snapshot as it is to be written. */
export interface WrittenSnapshot {
  readonly bytes: Uint8Array;
  /** SHA-256 of the files that hold pages of it, of those that were offered. */
  readonly bases: readonly string[];
}

const WORDS = PAGE_SIZE / 4;
const OWN = 0;

/** The whole machine, between two instructions. @param offered files whose pages need not be written again */
export function writeSnapshot(engine: Engine, offered: readonly SnapshotBase[] = []): WrittenSnapshot {
  const pages = new PageWriter(offered);
  const runs = writeRam(engine, pages);
  const disks = engine.board.disks.map((disk) =>
    [...disk.writtenChunks()].map(({ id, mask, data }) => ({ id, mask, ...pages.add(data) })),
  );
  const { used, index, data } = pages.finish();
  const numbers = new Map(used.map((base, i) => [base, i + 1]));
  const fileNumber = (file: number): number => (file === OWN || file === ZEROS ? file : numbers.get(file)!);

  const w = new StateWriter(data.length + index.length + 65_536);
  for (const c of MAGIC) w.u8(c.charCodeAt(0));
  w.u8(STATE_VERSION);
  w.u32(MACHINE_VERSION);
  const section = (tag: number, body: Uint8Array, sum = crc32c(body)): void => {
    w.u32(tag);
    w.u32(sum);
    w.bytes(body);
  };
  const fields = (tag: number, write: (body: StateWriter) => void): void => {
    const body = new StateWriter();
    write(body);
    section(tag, body.finish());
  };
  section(SECTION.CONFIG, new TextEncoder().encode(JSON.stringify(engine.config)));
  fields(SECTION.MACHINE, (body) => engine.saveState(body));
  const connections = engine.connections.save();
  if (connections !== undefined) section(SECTION.NETWORK, connections);
  const bases = used.map((base) => offered[base - 1].hash);
  fields(SECTION.FILES, (body) => {
    body.u32(bases.length);
    for (const hash of bases) body.raw(hexBytes(hash));
  });
  for (const chunks of disks)
    fields(SECTION.DISK, (body) => {
      body.u32(chunks.length);
      for (const { id, mask, file, slot } of chunks) {
        body.u32(id);
        body.u8(mask);
        body.u16(fileNumber(file));
        body.u32(slot);
      }
    });
  fields(SECTION.PAGES, (body) => {
    body.u32(runs.length);
    for (const { first, count, file, slot } of runs) {
      body.u32(first);
      body.u32(count);
      body.u16(fileNumber(file));
      body.u32(slot);
    }
  });
  section(SECTION.INDEX, index);
  section(SECTION.DATA, data, 0);
  section(SECTION.END, new Uint8Array(0));
  return { bytes: w.finish(), bases };
}

/** Every page that is not as at power-on, in runs. */
function writeRam(engine: Engine, pages: PageWriter): PageRun[] {
  const { memory, planPages, tracker } = engine;
  tracker.collect();
  const { absent, ramWords } = memory;
  const { source } = absent;
  const planned = new Uint32Array(WORDS);
  const runs: PageRun[] = [];
  const put = (page: number, { file, slot }: PagePlace): void => {
    const last = runs.at(-1);
    if (
      last !== undefined &&
      last.first + last.count === page &&
      last.file === file &&
      (file === ZEROS || last.slot + last.count === slot)
    )
      runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ first: page, count: 1, file, slot: file === ZEROS ? 0 : slot });
  };
  for (let page = 0; page < memory.pages; page++) {
    // Neither loaded nor written to since: zero.
    if (!tracker.wasChanged(page)) continue;
    if (absent.has(page)) {
      const from = source instanceof FrozenRam && !source.own.has(page) ? source.base : source;
      if (from instanceof PlanPages) continue;
      if (from instanceof SnapshotPages) {
        const place = from.place(page);
        if (place === undefined) continue;
        const shared = pages.shared(from, place);
        if (shared !== undefined) {
          put(page, shared);
          continue;
        }
      }
      absent.fetch(page);
    }
    const at = page * WORDS;
    if (planPages.pages.has(page)) {
      planPages.read(page, new Uint8Array(planned.buffer));
      if (isSame(ramWords, at, planned, 0)) continue;
    } else if (isZero(ramWords, at)) continue;
    put(page, pages.add(memory.ramBytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)));
  }
  return runs;
}

/** Puts pages into slots: each contents once, those that an offered file has not at all. */
class PageWriter {
  private readonly offered: readonly SnapshotBase[];
  private readonly used = new Set<number>();
  private readonly known = new Map<number, PagePlace[]>();
  private readonly hashes = new StateWriter();
  private readonly groups = new StateWriter();
  private readonly data = new StateWriter(1 << 20);
  private readonly group = new Uint8Array(GROUP_BYTES);
  private readonly own: Uint8Array[] = [];
  private filled = 0;
  private lookedUp = false;

  /** Files are counted from 1 here. */
  constructor(offered: readonly SnapshotBase[]) {
    this.offered = offered;
  }

  /** A page that lies in a snapshot that is open: where, if that file was offered. */
  shared({ snapshot }: SnapshotPages, { file, slot }: PagePlace): PagePlace | undefined {
    if (file === ZEROS) return { file, slot };
    const base = this.offered.findIndex((one) => one.file.source === snapshot.files[file].source) + 1;
    if (base === 0) return undefined;
    this.used.add(base);
    return { file: base, slot };
  }

  /** @param bytes PAGE_SIZE of them, which stay as they are until {@link finish} @returns where they lie */
  add(bytes: Uint8Array): PagePlace {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, WORDS);
    if (isZero(words, 0)) return { file: ZEROS, slot: 0 };
    if (!this.lookedUp) this.lookUpOffered();
    const hash = { low: 0, high: 0 };
    hashWords(words, 0, WORDS, hash);
    const key = keyOf(hash.low, hash.high);
    const places = this.known.get(key) ?? [];
    for (const place of places) {
      if (!this.holds(place, words)) continue;
      if (place.file !== OWN) this.used.add(place.file);
      return place;
    }
    const place = { file: OWN, slot: this.own.length };
    places.push(place);
    this.known.set(key, places);
    this.hashes.u32(hash.low);
    this.hashes.u32(hash.high);
    this.own.push(aligned);
    this.group.set(bytes, this.filled);
    this.filled += PAGE_SIZE;
    if (this.filled === GROUP_BYTES) this.endGroup();
    return place;
  }

  finish(): { readonly used: readonly number[]; readonly index: Uint8Array; readonly data: Uint8Array } {
    if (this.filled > 0) this.endGroup();
    const index = new StateWriter();
    index.u32(this.own.length);
    index.raw(this.groups.finish());
    index.raw(this.hashes.finish());
    return { used: [...this.used].sort((a, b) => a - b), index: index.finish(), data: this.data.finish() };
  }

  private endGroup(): void {
    const packed = compress(this.group.subarray(0, this.filled));
    this.groups.u32(packed.length);
    this.groups.u32(crc32c(packed));
    this.data.raw(packed);
    this.filled = 0;
  }

  private lookUpOffered(): void {
    this.lookedUp = true;
    this.offered.forEach(({ file }, i) => {
      for (let slot = 0; slot < file.slots; slot++) {
        const key = keyOf(file.hashes[slot * 2], file.hashes[slot * 2 + 1]);
        const places = this.known.get(key);
        if (places === undefined) this.known.set(key, [{ file: i + 1, slot }]);
        else places.push({ file: i + 1, slot });
      }
    });
  }

  /** Hashes find, contents decide. */
  private holds({ file, slot }: PagePlace, words: Uint32Array): boolean {
    if (file === OWN) {
      const { buffer, byteOffset } = this.own[slot];
      return isSame(words, 0, new Uint32Array(buffer, byteOffset, WORDS), 0);
    }
    this.offered[file - 1].file.read(slot, new Uint8Array(scratch.buffer));
    return isSame(words, 0, scratch, 0);
  }
}

const scratch = new Uint32Array(WORDS);

/** 53 of a hash's 64 bits, as a number. */
const keyOf = (low: number, high: number): number => low + (high & 0x1f_ffff) * 2 ** 32;

function isZero(words: Uint32Array, at: number): boolean {
  for (let i = at; i < at + WORDS; i++) if (words[i] !== 0) return false;
  return true;
}

function isSame(one: Uint32Array, oneAt: number, two: Uint32Array, twoAt: number): boolean {
  for (let i = 0; i < WORDS; i++) if (one[oneAt + i] !== two[twoAt + i]) return false;
  return true;
}
