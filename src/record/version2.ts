import { toHex } from '../bytes/hex.ts';
import { ByteReader } from '../bytes/reader.ts';
import type { ByteSource } from '../bytes/source.ts';
import { type ChunkPlace, chunkCheck, decodeBody, readPlace } from './chunk.ts';
import { isDamage } from './damage.ts';
import type { StoredEvent } from './event-codec.ts';
import {
  CHUNK_HEADER,
  chunkName,
  FIRST_NUMBER,
  MAGIC,
  NOTE,
  RecordingError,
  type RecordingHeader,
  ZEROS,
} from './format.ts';
import { RecordedEvents } from './recorded-events.ts';
import type {
  CheckpointContents,
  EmbeddedImage,
  Recording,
  StoredCheckpoint,
  StoredDiskChunk,
  StoredPage,
} from './recording.ts';
import type { SourceWindow } from './source-window.ts';

/**
 * Version 2 of the format, which is read and no longer written: no index, a chunk's check begins with that of the chunk before, and a
 * checkpoint is the difference from all before it. docs/recording-format.md, "Version 2".
 */
const KIND = { HEADER: 1, EVENTS: 2, IMAGE: 3, CHECKPOINT: 4, END: 5 } as const;
/** Kinds of notes among the events; those of events proper are below. */
const NOTES: Readonly<Record<number, number>> = { 5: NOTE.REWOUND, 6: NOTE.REACHED, 7: NOTE.HASH };
const HASH_NOTE = 7;
const REACHED_NOTE = 6;
const REWOUND_NOTE = 5;
/** What stands for the machine among the five bits of a port. */
const MACHINE_PORT_BITS = 31;

/** Goes through the whole file. @param window over `source` */
export async function readVersion2(
  source: ByteSource,
  window: SourceWindow,
  header: RecordingHeader,
): Promise<Recording> {
  const past = new RecordedEvents(header);
  const images = new Map<string, EmbeddedImage>();
  const sizes: Record<string, number> = {};
  const events = new EventReader();
  const differences = new Differences(source);
  let complete = false;
  let damage: string | undefined;
  let good = MAGIC.length;
  let check = 0;
  while (good < source.size && damage === undefined && !complete) {
    try {
      if (good + CHUNK_HEADER > source.size) throw new RecordingError('a chunk is cut short');
      const place = readPlace((await window.read(good, CHUNK_HEADER)).slice(), good, source.size);
      const whole = await window.read(good, CHUNK_HEADER + place.length);
      const stored = whole.subarray(CHUNK_HEADER);
      if (chunkCheck(whole, stored, check) !== place.check) throw new RecordingError('a chunk is damaged');
      switch (place.kind) {
        case KIND.HEADER:
          if (good !== MAGIC.length) throw new RecordingError('the header is not where it belongs');
          break;
        case KIND.EVENTS:
          events.read(decodeBody(stored, place.kind), past);
          break;
        case KIND.IMAGE: {
          const body = decodeBody(stored, place.kind);
          images.set(toHex(body.subarray(0, 32)), new WholeImage(source, place, body.length - 32));
          break;
        }
        case KIND.CHECKPOINT:
          past.checkpoints.push(differences.add(place, decodeBody(stored, place.kind)));
          break;
        case KIND.END:
          complete = true;
          break;
        default:
          throw new RecordingError(`a chunk of unknown kind ${place.kind}`);
      }
      const name = place.kind === KIND.END ? 'end' : chunkName(place.kind);
      sizes[name] = (sizes[name] ?? 0) + CHUNK_HEADER + place.length;
      good += CHUNK_HEADER + place.length;
      ({ check } = place);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage = `${error.message} at offset ${good}`;
    }
  }
  if (!complete) damage ??= `the recording breaks off at offset ${good}`;
  else if (good < source.size) damage = `${source.size - good} bytes follow the end at offset ${good}`;
  const { hashes, turns, checkpoints, end, endTime } = past;
  return {
    header,
    events: past.events,
    hashes,
    marks: [],
    turns,
    images,
    checkpoints,
    end,
    endTime,
    complete,
    good,
    sizes,
    ...(damage !== undefined && { damage }),
  };
}

/** kind (low 3 bits) and port (high 5), then distances as varints, on through the file. */
class EventReader {
  private instructions = 0;
  private skipped = 0;

  read(body: Uint8Array, past: RecordedEvents): void {
    const r = new ByteReader(body, 'a chunk of events');
    while (r.remaining > 0) {
      const { event, payload } = this.event(r);
      past.add(event, payload);
    }
  }

  private event(r: ByteReader): { event: StoredEvent; payload: Uint8Array } {
    const head = r.u8();
    const stored = head & 7;
    if (stored === REWOUND_NOTE) this.instructions = this.skipped = 0;
    this.instructions += r.varint();
    const sequence = r.varint();
    this.skipped += r.varint();
    const payload = r.raw(stored === REACHED_NOTE ? 0 : stored === HASH_NOTE ? 8 : r.varint());
    const event = {
      kind: NOTES[stored] ?? stored,
      port: head >>> 3 === MACHINE_PORT_BITS ? 255 : head >>> 3,
      at: { instructions: this.instructions, sequence },
      time: this.instructions + this.skipped,
      payload,
    };
    return { event, payload };
  }
}

/** The body of a chunk that was checked when the file was gone through. */
async function readBody(source: ByteSource, place: ChunkPlace): Promise<Uint8Array> {
  return decodeBody(await source.read(place.offset + CHUNK_HEADER, place.length), place.kind);
}

/** A file in one chunk, after its hash. */
class WholeImage implements EmbeddedImage {
  readonly size: number;
  private readonly source: ByteSource;
  private readonly place: ChunkPlace;
  private contents: Promise<Uint8Array> | undefined;

  constructor(source: ByteSource, place: ChunkPlace, size: number) {
    this.source = source;
    this.place = place;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.contents ??= readBody(this.source, this.place);
    return (await this.contents).slice(32 + offset, 32 + offset + length);
  }
}

/** Contents of a page in the body of a chunk. */
interface PagePlace {
  readonly chunk: number;
  readonly at: number;
  readonly length: number;
  readonly packed: boolean;
}

/** Checkpoints, each the difference from the one stored before it. */
class Differences {
  private readonly source: ByteSource;
  private readonly chunks: ChunkPlace[] = [];
  /** By number, from {@link FIRST_NUMBER} on. */
  private readonly pages: PagePlace[] = [];

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Takes in the next one. */
  add(place: ChunkPlace, body: Uint8Array): StoredCheckpoint {
    const chunk = this.chunks.push(place) - 1;
    const r = new ByteReader(body, 'a checkpoint');
    const at = { instructions: r.f64(), sequence: r.u32() };
    const time = r.f64();
    const events = r.u32();
    // Numbers its pages.
    this.difference(r, chunk, this.pages);
    return { at, time, events, read: () => this.read(chunk) };
  }

  private async read(last: number): Promise<CheckpointContents> {
    const pages = new Map<number, number>();
    const disks: Map<number, StoredDiskChunk>[] = [];
    let state = new Uint8Array(0) as Uint8Array;
    const numbered: PagePlace[] = [];
    for (let chunk = 0; chunk <= last; chunk++) {
      const r = new ByteReader(await readBody(this.source, this.chunks[chunk]), 'a checkpoint');
      r.skip(8 + 4 + 8 + 4);
      const difference = this.difference(r, chunk, numbered);
      ({ state } = difference);
      for (const [page, number] of difference.pages) pages.set(page, number);
      difference.disks.forEach(({ removed, written }, disk) => {
        disks[disk] ??= new Map();
        for (const id of removed) disks[disk].delete(id);
        for (const stored of written) disks[disk].set(stored.id, stored);
      });
    }
    return {
      state,
      pages,
      disks: disks.map((chunks) => [...chunks.values()].sort((a, b) => a.id - b.id)),
      fetch: (numbers) => this.fetch(numbers),
    };
  }

  /** Reads what follows a checkpoint's instant. @param numbered where its pages' places are appended */
  private difference(
    r: ByteReader,
    chunk: number,
    numbered: PagePlace[],
  ): {
    state: Uint8Array;
    pages: [number, number][];
    disks: { removed: number[]; written: StoredDiskChunk[] }[];
  } {
    const contents = (packed: boolean): number => {
      const length = r.u32();
      if (length === 0) return ZEROS;
      numbered.push({ chunk, at: r.offset, length, packed });
      r.skip(length);
      return FIRST_NUMBER + numbered.length - 1;
    };
    const state = r.bytes();
    const pages: [number, number][] = [];
    for (let count = r.u32(); count > 0; count--) pages.push([r.u32(), contents(r.bool())]);
    const disks: { removed: number[]; written: StoredDiskChunk[] }[] = [];
    for (let count = r.u32(); count > 0; count--) {
      const removed: number[] = [];
      for (let n = r.u32(); n > 0; n--) removed.push(r.u32());
      const written: StoredDiskChunk[] = [];
      for (let n = r.u32(); n > 0; n--) written.push({ id: r.u32(), mask: r.u8(), number: contents(true) });
      disks.push({ removed, written });
    }
    return { state, pages, disks };
  }

  private async fetch(numbers: Iterable<number>): Promise<Map<number, StoredPage>> {
    const byChunk = new Map<number, number[]>();
    for (const number of numbers) {
      if (number < FIRST_NUMBER) continue;
      const { chunk } = this.pages[number - FIRST_NUMBER];
      const others = byChunk.get(chunk);
      if (others === undefined) byChunk.set(chunk, [number]);
      else others.push(number);
    }
    const found = new Map<number, StoredPage>();
    for (const [chunk, wanted] of byChunk) {
      const body = await readBody(this.source, this.chunks[chunk]);
      for (const number of wanted) {
        const { at, length, packed } = this.pages[number - FIRST_NUMBER];
        found.set(number, { packed, bytes: body.slice(at, at + length) });
      }
    }
    return found;
  }
}
