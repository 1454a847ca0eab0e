import { crc32c } from '../bytes/checksum.ts';
import { compress, decompress } from '../bytes/compress.ts';
import type { MachineConfig } from '../machine/board/config.ts';
import { EVENT, type EventKind, type HostEvent, type Instant } from './door.ts';

/**
 * The recording format `.hsr`, reader and writer; docs/recording-format.md describes it.
 *
 * ```
 * magic   8 bytes  89 "HSR" 0D 0A 1A 0A
 * chunk   kind u8, length u32 LE, check u32 LE, body
 * ```
 * A chunk's check is the CRC-32C of kind, length and body, begun with the check of the chunk before: a chunk that is damaged, missing, moved or
 * another file's is found. A file that breaks off replays up to its last whole chunk.
 */
export const MAGIC = Uint8Array.of(0x89, 0x48, 0x53, 0x52, 0x0d, 0x0a, 0x1a, 0x0a);
/** Version of the format. */
export const FORMAT_VERSION = 2;
/** Version of what a machine does: two machines of different versions may differ at some instant. */
export const MACHINE_VERSION = 1;

/** Kinds of chunks. */
export const CHUNK = {
  /** JSON of {@link RecordingHeader}; first, once. */
  HEADER: 1,
  /** Events in order. */
  EVENTS: 2,
  /** A file of the machine's, whole: hash (32 bytes), then its contents. */
  IMAGE: 3,
  /** A state of the machine, see src/timeline/stored.ts. */
  CHECKPOINT: 4,
  /** The session ended in order. Empty. */
  END: 5,
} as const;
export type ChunkKind = (typeof CHUNK)[keyof typeof CHUNK];

const CHUNK_HEADER = 9;
/** A body's first byte: how the rest is stored. */
const STORED = 0;
const COMPRESSED = 1;
/** Largest body accepted, so that a damaged length allocates nothing absurd. */
const MAX_BODY = 2 ** 30;

/** Marks among the events: not from the host, but about the machine. Numbers continue those of EVENT. */
const NOTE = {
  /** Back to this instant, which is given from zero: the events behind the first so many (varint payload) no longer happened. */
  REWOUND: 5,
  /** The machine came this far. */
  REACHED: 6,
  /** The state hash here. */
  HASH: 7,
} as const;

/** What the machine was. */
export interface RecordingHeader {
  readonly format: number;
  readonly machine: number;
  readonly config: MachineConfig;
  /** Names of the ports by number. */
  readonly ports: readonly string[];
  /** The recording this one branched from. */
  readonly parent?: { readonly id: string; readonly at: Instant };
  /** A random name, for children to point at; 16 hexadecimal digits. */
  readonly id: string;
}

/** A state hash the recorded machine had. */
export interface HashMark {
  readonly at: Instant;
  readonly hash: string;
}

/** A recording cannot be read; says where and what to do. */
export class RecordingError extends Error {
  override name = 'RecordingError';
}

// ---- bytes

/** Grows; numbers as varints: 7 bits a byte, low first, the high bit says that more follow. */
class Packer {
  private buffer = new Uint8Array(256);
  length = 0;

  private room(n: number): void {
    if (this.length + n <= this.buffer.length) return;
    const bigger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + n));
    bigger.set(this.buffer.subarray(0, this.length));
    this.buffer = bigger;
  }

  byte(v: number): void {
    this.room(1);
    this.buffer[this.length++] = v;
  }

  varint(v: number): void {
    while (v >= 128) {
      this.byte((v % 128) | 128);
      v = Math.floor(v / 128);
    }
    this.byte(v);
  }

  bytes(v: Uint8Array): void {
    this.room(v.length);
    this.buffer.set(v, this.length);
    this.length += v.length;
  }

  take(): Uint8Array {
    const taken = this.buffer.slice(0, this.length);
    this.length = 0;
    return taken;
  }
}

class Unpacker {
  private readonly data: Uint8Array;
  at = 0;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  get more(): boolean {
    return this.at < this.data.length;
  }

  byte(): number {
    if (this.at >= this.data.length) throw new RecordingError('an event is cut short');
    return this.data[this.at++];
  }

  varint(): number {
    let v = 0;
    let scale = 1;
    for (;;) {
      const b = this.byte();
      v += (b & 127) * scale;
      if (v > Number.MAX_SAFE_INTEGER) throw new RecordingError('a number is too large');
      if (b < 128) return v;
      scale *= 128;
    }
  }

  bytes(n: number): Uint8Array {
    if (this.at + n > this.data.length) throw new RecordingError('an event is cut short');
    this.at += n;
    return this.data.slice(this.at - n, this.at);
  }
}

const hexBytes = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
const hexText = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

// ---- events

/**
 * One event or note: a byte of kind (low 3 bits) and port (high 5; 31 is the machine), then varints: instructions since the last
 * event, boundary steps, guest ticks skipped since the last event; then the payload, its length before it where the kind leaves it open.
 */
const MACHINE_PORT_BITS = 31;

/** Codes and decodes events relative to the one before. */
class EventCodec {
  private instructions = 0;
  private skipped = 0;

  pack(p: Packer, kind: number, port: number, at: Instant, time: number, payload: Uint8Array): void {
    if (kind === NOTE.REWOUND) this.instructions = this.skipped = 0;
    p.byte(kind | ((port === 255 ? MACHINE_PORT_BITS : port) << 3));
    p.varint(at.instructions - this.instructions);
    p.varint(at.sequence);
    p.varint(time - at.instructions - this.skipped);
    this.instructions = at.instructions;
    this.skipped = time - at.instructions;
    if (kind === NOTE.REACHED) return;
    if (kind !== NOTE.HASH) p.varint(payload.length);
    p.bytes(payload);
  }

  unpack(u: Unpacker): { kind: number; port: number; at: Instant; time: number; payload: Uint8Array } {
    const head = u.byte();
    const kind = head & 7;
    const port = head >>> 3 === MACHINE_PORT_BITS ? 255 : head >>> 3;
    if (kind === NOTE.REWOUND) this.instructions = this.skipped = 0;
    this.instructions += u.varint();
    const sequence = u.varint();
    this.skipped += u.varint();
    const payload = kind === NOTE.REACHED ? new Uint8Array(0) : u.bytes(kind === NOTE.HASH ? 8 : u.varint());
    return {
      kind,
      port,
      at: { instructions: this.instructions, sequence },
      time: this.instructions + this.skipped,
      payload,
    };
  }
}

// ---- header

const DIGEST = /^[0-9a-f]{64}$/;
const SHORT_DIGEST = /^=[A-Za-z0-9+/]{43}$/;

/** JSON, with the extensions as words and 32-byte values in base64 behind a `=`: the header is most of a short recording. */
function packHeader(header: RecordingHeader): Uint8Array {
  const shorter = (_key: string, value: unknown): unknown =>
    typeof value === 'string' && DIGEST.test(value)
      ? `=${btoa(String.fromCharCode(...hexBytes(value))).slice(0, 43)}`
      : value;
  return new TextEncoder().encode(
    JSON.stringify({ ...header, config: { ...header.config, isa: header.config.isa.join(' ') } }, shorter),
  );
}

function readHeader(body: Uint8Array): RecordingHeader {
  const longer = (_key: string, value: unknown): unknown =>
    typeof value === 'string' && SHORT_DIGEST.test(value)
      ? hexText(Uint8Array.from(atob(`${value.slice(1)}=`), (c) => c.charCodeAt(0)))
      : value;
  const header = JSON.parse(new TextDecoder().decode(body), longer) as RecordingHeader & { config: { isa: string } };
  if (header.format !== FORMAT_VERSION) {
    throw new RecordingError(
      `the recording has format version ${header.format}; this program reads version ${FORMAT_VERSION}`,
    );
  }
  if (header.machine !== MACHINE_VERSION) {
    throw new RecordingError(
      `the recording is of machine version ${header.machine}; this program has version ${MACHINE_VERSION}: use the release it was made with`,
    );
  }
  const isa = header.config.isa.split(' ').filter((word) => word !== '') as unknown as MachineConfig['isa'];
  return { ...header, config: { ...header.config, isa } };
}

// ---- writer

/** Where a recording goes, piece by piece; a piece handed over must survive the end of this process. */
export interface RecordSink {
  write(bytes: Uint8Array): void;
  close?(): void;
}

/** Writes a recording as the machine runs. */
export class RecordingWriter {
  private readonly sink: RecordSink;
  private readonly codec = new EventCodec();
  private readonly pending = new Packer();
  private check = 0;
  /** Bytes written so far. */
  written = 0;

  constructor(sink: RecordSink, header: RecordingHeader) {
    this.sink = sink;
    this.put(MAGIC);
    this.chunk(CHUNK.HEADER, packHeader(header));
  }

  /** Bytes that wait to be handed over, before compression. */
  get waiting(): number {
    return this.pending.length;
  }

  event({ kind, port, at, time, payload }: HostEvent): void {
    this.codec.pack(this.pending, kind, port, at, time, payload);
  }

  /** The machine came this far. */
  reached(at: Instant, time: number): void {
    this.codec.pack(this.pending, NOTE.REACHED, 255, at, time, MAGIC);
  }

  /** The machine's state hash here. */
  hash(at: Instant, time: number, hash: string): void {
    this.codec.pack(this.pending, NOTE.HASH, 255, at, time, hexBytes(hash));
  }

  /** The machine went back to an instant with `count` events before it. */
  rewind(count: number, at: Instant, time: number): void {
    const p = new Packer();
    p.varint(count);
    this.codec.pack(this.pending, NOTE.REWOUND, 255, at, time, p.take());
  }

  /** Hands over what is pending. */
  flush(): void {
    if (this.pending.length > 0) this.chunk(CHUNK.EVENTS, this.pending.take());
  }

  /** Puts a file of the machine's into the recording. */
  image(hash: string, contents: Uint8Array): void {
    this.flush();
    const p = new Packer();
    p.bytes(hexBytes(hash));
    p.bytes(contents);
    this.chunk(CHUNK.IMAGE, p.take());
  }

  /** Puts a state of the machine into the recording. */
  checkpoint(body: Uint8Array): void {
    this.flush();
    this.chunk(CHUNK.CHECKPOINT, body, false);
  }

  /** Ends the recording in order. */
  close(): void {
    this.flush();
    this.chunk(CHUNK.END, new Uint8Array(0));
    this.sink.close?.();
  }

  private chunk(kind: ChunkKind, raw: Uint8Array, squeeze = true): void {
    const packed = squeeze && raw.length > 64 ? compress(raw) : raw;
    const p = new Packer();
    if (packed.length + 4 < raw.length) {
      p.byte(COMPRESSED);
      p.varint(raw.length);
      p.bytes(packed);
    } else {
      p.byte(STORED);
      p.bytes(raw);
    }
    const body = p.take();
    const whole = new Uint8Array(CHUNK_HEADER + body.length);
    const view = new DataView(whole.buffer);
    view.setUint8(0, kind);
    view.setUint32(1, body.length, true);
    whole.set(body, CHUNK_HEADER);
    this.check = crc32c(body, crc32c(whole.subarray(0, 5), this.check));
    view.setUint32(5, this.check, true);
    this.put(whole);
  }

  private put(bytes: Uint8Array): void {
    this.written += bytes.length;
    this.sink.write(bytes);
  }
}

// ---- reader

/** A recording as read. */
export interface Recording {
  readonly header: RecordingHeader;
  /** In order. */
  readonly events: readonly HostEvent[];
  readonly hashes: readonly HashMark[];
  /** Files inside, by hash. */
  readonly images: ReadonlyMap<string, Uint8Array>;
  /** States inside, in the order they were stored: each is the difference from the one before. */
  readonly checkpoints: readonly Uint8Array[];
  /** Which of them are still part of the past: not those of a future that was left by going back. */
  readonly checkpointsValid: readonly boolean[];
  /** How far the machine is known to have come. */
  readonly end: Instant;
  readonly endTime: number;
  /** False: it broke off; what is here is good. */
  readonly complete: boolean;
  /** Bytes of the file that were good, and why reading stopped there when it is not complete. */
  readonly good: number;
  readonly damage?: string;
  /** Bytes by kind of chunk, for `info`. */
  readonly sizes: Readonly<Record<string, number>>;
}

const KNOWN_KINDS: ReadonlySet<number> = new Set<number>([
  EVENT.ANSWER,
  EVENT.INPUT,
  EVENT.CONTROL,
  EVENT.WARP,
  EVENT.COMMAND,
  NOTE.REWOUND,
  NOTE.REACHED,
  NOTE.HASH,
]);

/**
 * Reads a recording. What breaks off or is damaged behind a good beginning is left out, and {@link Recording.damage} says where.
 * @throws RecordingError when it is no recording, of a version that is not known, or damaged from the beginning
 */
export function readRecording(file: Uint8Array): Recording {
  if (file.length < MAGIC.length || MAGIC.some((byte, i) => file[i] !== byte)) {
    throw new RecordingError('this is no recording: it does not begin as a .hsr file does');
  }
  const codec = new EventCodec();
  let header: RecordingHeader | undefined;
  const events: HostEvent[] = [];
  const hashes: HashMark[] = [];
  const images = new Map<string, Uint8Array>();
  const checkpoints: Uint8Array[] = [];
  const checkpointsValid: boolean[] = [];
  const sizes: Record<string, number> = {};
  let end: Instant = { instructions: 0, sequence: 0 };
  let endTime = 0;
  let complete = false;
  let good = MAGIC.length;
  let check = 0;
  let damage: string | undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);

  while (good < file.length && damage === undefined && !complete) {
    try {
      const { kind, body, next, nextCheck } = readChunk(file, view, good, check);
      if ((kind === CHUNK.HEADER) !== (header === undefined))
        throw new RecordingError('the header is not where it belongs');
      switch (kind) {
        case CHUNK.HEADER:
          header = readHeader(body);
          break;
        case CHUNK.EVENTS: {
          const u = new Unpacker(body);
          while (u.more) {
            const event = codec.unpack(u);
            if (!KNOWN_KINDS.has(event.kind)) throw new RecordingError(`an event of unknown kind ${event.kind}`);
            end = event.at;
            endTime = event.time;
            if (event.kind === NOTE.HASH) hashes.push({ at: event.at, hash: hexText(event.payload) });
            else if (event.kind === NOTE.REWOUND) {
              events.length = Math.min(events.length, new Unpacker(event.payload).varint());
              checkpoints.forEach(
                (stored, i) => (checkpointsValid[i] &&= checkpointInstructions(stored) <= end.instructions),
              );
              while (hashes.length > 0 && hashes[hashes.length - 1].at.instructions > end.instructions) hashes.pop();
            } else if (event.kind !== NOTE.REACHED) events.push({ ...event, kind: event.kind as EventKind });
          }
          break;
        }
        case CHUNK.IMAGE:
          images.set(hexText(body.subarray(0, 32)), body.subarray(32));
          break;
        case CHUNK.CHECKPOINT:
          checkpoints.push(body);
          checkpointsValid.push(true);
          break;
        case CHUNK.END:
          complete = true;
          break;
        default:
          throw new RecordingError(`a chunk of unknown kind ${kind}`);
      }
      const name =
        Object.entries(CHUNK)
          .find(([, k]) => k === kind)?.[0]
          .toLowerCase() ?? '';
      sizes[name] = (sizes[name] ?? 0) + next - good;
      good = next;
      check = nextCheck;
    } catch (error) {
      if (header === undefined || !(error instanceof Error)) throw error;
      damage = `${error.message} at offset ${good}`;
    }
  }
  if (header === undefined) throw new RecordingError('the recording breaks off before it says what machine it is of');
  if (!complete && damage === undefined) damage = `the recording breaks off at offset ${good}`;
  if (complete && good < file.length) damage = `${file.length - good} bytes follow the end at offset ${good}`;
  return {
    header,
    events,
    hashes,
    images,
    checkpoints,
    checkpointsValid,
    end,
    endTime,
    complete,
    good,
    sizes,
    ...(damage !== undefined && { damage }),
  };
}

function readChunk(
  file: Uint8Array,
  view: DataView,
  at: number,
  check: number,
): { kind: number; body: Uint8Array; next: number; nextCheck: number } {
  if (at + CHUNK_HEADER > file.length) throw new RecordingError('a chunk is cut short');
  const kind = view.getUint8(at);
  const length = view.getUint32(at + 1, true);
  const next = at + CHUNK_HEADER + length;
  if (length < 1 || next > file.length) throw new RecordingError('a chunk is cut short');
  const stored = file.subarray(at + CHUNK_HEADER, next);
  const nextCheck = crc32c(stored, crc32c(file.subarray(at, at + 5), check));
  if (nextCheck !== view.getUint32(at + 5, true)) throw new RecordingError('a chunk is damaged');
  if (stored[0] === STORED) return { kind, body: stored.slice(1), next, nextCheck };
  if (stored[0] !== COMPRESSED) throw new RecordingError('a chunk is stored in an unknown way');
  const u = new Unpacker(stored);
  u.byte();
  const size = u.varint();
  if (size > MAX_BODY) throw new RecordingError(`a chunk says it has ${size} bytes`);
  const body = new Uint8Array(size);
  decompress(stored.subarray(u.at), body);
  return { kind, body, next, nextCheck };
}

/** A stored checkpoint begins with its instant. */
const checkpointInstructions = (body: Uint8Array): number =>
  new DataView(body.buffer, body.byteOffset, body.byteLength).getFloat64(0, true);
