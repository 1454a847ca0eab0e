import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { ConfigError } from '../config-error.ts';
import type { SlotEntry } from '../entry.ts';
import { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './model.ts';
import { RingError } from './queue.ts';
import { gather, type Segment, scatter, totalLength } from './segments.ts';

/** Queues without the notification queue, which nobody asks for (virtio 1.2, 5.11.2): high priority, then requests. */
const QUEUES = 2;
const QUEUE_SIZE = 256;
/** Configuration space (5.11.4): tag[36], num_request_queues. */
const TAG_SIZE = 36;
/** Longest request: the most that a FUSE client writes at once, and its header. */
const MAX_REQUEST = 2 ** 20 + 65_536;
/** Bytes of a message before the FUSE request or reply. */
const SEQUENCE_SIZE = 4;
/** Bytes that {@link fsReply} would like to have free before a body. */
export const REPLY_ROOM = SEQUENCE_SIZE;
/** Set in the sequence of a reply's header whose body follows as a message of its own. */
const BODY_FOLLOWS = 0x8000_0000;
/** In place of a sequence: the body of the reply whose header came last. */
const BODY = 0xffff_ffff;
const LARGEST_SEQUENCE = 0x7fff_ffff;
/** In the saved state, with a request's queue: its reply's header is there. */
const BEGUN = 0x80;
/** Bytes of fuse_out_header. */
const REPLY_HEADER = 16;
/** Bodies from this size on are messages of their own: equal ones are stored once in a recording, whatever they answer. */
const LARGE_BODY = 2048;

/** A request that the host has not answered. */
interface Request {
  readonly sequence: number;
  readonly queue: number;
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

/** A message of the device to its server on the host. */
export interface FsMessage {
  /** Which request it is; the answer has the same. */
  readonly sequence: number;
  /** A FUSE request; empty when the guest let go of everything (reset). */
  readonly fuse: Uint8Array;
}

/** Reads what the device emits. */
export function readFsMessage(bytes: Uint8Array): FsMessage {
  return {
    sequence: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true),
    fuse: bytes.subarray(SEQUENCE_SIZE),
  };
}

function message(sequence: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, SEQUENCE_SIZE));
  new DataView(bytes.buffer).setUint32(0, sequence, true);
  let at = SEQUENCE_SIZE;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * The inputs by which the device gets a reply.
 * @param header fuse_out_header, or what is before the data of a 9P read @param body what follows it @param room whether {@link REPLY_ROOM} bytes before the body in its buffer are free: then it is not copied
 */
export function fsReply(sequence: number, header: Uint8Array, body: Uint8Array, room = false): Uint8Array[] {
  if (body.length < LARGE_BODY) return [message(sequence, header, body)];
  const first = message((sequence | BODY_FOLLOWS) >>> 0, header);
  if (!room) return [first, message(BODY, body)];
  const second = new Uint8Array(body.buffer, body.byteOffset - SEQUENCE_SIZE, SEQUENCE_SIZE + body.length);
  new DataView(body.buffer).setUint32(second.byteOffset, BODY, true);
  return [first, second];
}

/** In what the devices that ask a server on the host for files differ. */
export interface FileDeviceType extends Pick<VirtioModel, 'name' | 'id' | 'features' | 'queueSizes' | 'config'> {
  /** Bytes of a reply's header where its body is a message of its own. */
  readonly replyHeader: number;
}

/**
 * A device with files that a server on the host has. It carries requests to that server and knows nothing of their contents: a request is an
 * output, its reply an input event (contract 11), so that a replay needs no files. What the guest's files are is thus in the recording,
 * and the folder is no part of the machine.
 */
export class FileDevice implements VirtioModel {
  readonly name: string;
  readonly id: number;
  readonly features: readonly number[];
  readonly queueSizes: readonly number[];
  readonly config: Uint8Array;
  readonly losesInput = true;
  private readonly bus: VirtioBus;
  private readonly replyHeader: number;
  /** In the order of their making. */
  private requests: Request[] = [];
  private sequence = 0;
  /** Request whose reply has its header already; 0 for none. */
  private begun = 0;

  constructor(bus: VirtioBus, { name, id, features, queueSizes, config, replyHeader }: FileDeviceType) {
    this.bus = bus;
    this.name = name;
    this.id = id;
    this.features = features;
    this.queueSizes = queueSizes;
    this.config = config;
    this.replyHeader = replyHeader;
  }

  get awaitsAnswer(): boolean {
    return this.requests.length > 0;
  }

  reset(): void {
    this.requests = [];
    this.begun = 0;
    this.bus.context.port.emit(message(this.sequence));
  }

  powerOn(): void {
    this.sequence = 0;
  }

  notify(index: number): void {
    const queue = this.bus.queue(index);
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const { head, readable, writable } = chain;
      if (totalLength(readable) > MAX_REQUEST)
        throw new RingError(`file system request of ${totalLength(readable)} bytes: expected at most ${MAX_REQUEST}`);
      this.sequence = this.sequence === LARGEST_SEQUENCE ? 1 : this.sequence + 1;
      const request = { sequence: this.sequence, queue: index, head, readable, writable };
      // Where there is no room for a reply none is meant to come (FORGET).
      if (writable.length > 0) this.requests.push(request);
      else queue.push(head, 0);
      this.ask(request);
    }
    this.bus.signal(index);
  }

  repeatRequests(): void {
    for (const request of this.requests) this.ask(request);
  }

  input(payload: Uint8Array): number {
    if (payload.length < SEQUENCE_SIZE) return payload.length;
    const { sequence, fuse } = readFsMessage(payload);
    if (sequence === BODY) {
      const { begun } = this;
      this.begun = 0;
      this.finish(begun, fuse, this.replyHeader);
    } else if (sequence >= BODY_FOLLOWS) {
      this.begun = sequence - BODY_FOLLOWS;
      const request = this.requests.find((asked) => asked.sequence === this.begun);
      if (request !== undefined) scatter(this.bus.context.ram, request.writable, fuse);
    } else this.finish(sequence, fuse, 0);
    return payload.length;
  }

  /** The last of a reply came. @param skip bytes of it that came before */
  private finish(sequence: number, data: Uint8Array, skip: number): void {
    const at = this.requests.findIndex((request) => request.sequence === sequence);
    // The answer to a request that a reset took back: heard, and of no effect.
    if (at < 0) return;
    const [{ queue, head, writable }] = this.requests.splice(at, 1);
    const written = skip + scatter(this.bus.context.ram, writable, data, skip);
    this.bus.queue(queue).push(head, written);
    this.bus.signal(queue);
  }

  save(w: StateWriter): void {
    w.u32(this.sequence);
    w.u32(this.requests.length);
    for (const { sequence, queue, head, readable, writable } of this.requests) {
      w.u32(sequence);
      w.u8(queue | (sequence === this.begun ? BEGUN : 0));
      w.u16(head);
      for (const segments of [readable, writable]) {
        w.u16(segments.length);
        for (const { address, length } of segments) {
          w.f64(address);
          w.u32(length);
        }
      }
    }
  }

  restore(r: StateReader): void {
    this.sequence = r.u32();
    const segments = (): Segment[] => Array.from({ length: r.u16() }, () => ({ address: r.f64(), length: r.u32() }));
    this.begun = 0;
    this.requests = Array.from({ length: r.u32() }, () => {
      const sequence = r.u32();
      const queue = r.u8();
      if ((queue & BEGUN) !== 0) this.begun = sequence;
      return { sequence, queue: queue & ~BEGUN, head: r.u16(), readable: segments(), writable: segments() };
    });
  }

  /** The request as it lies in the guest's memory, which is the device's until it is answered. */
  private ask({ sequence, readable }: Request): void {
    const bytes = gather(this.bus.context.ram, readable, SEQUENCE_SIZE);
    new DataView(bytes.buffer).setUint32(0, sequence, true);
    this.bus.context.port.emit(bytes);
  }
}

/** @throws RangeError when it does not fit */
export function tagBytes(tag: string): Uint8Array {
  const bytes = new TextEncoder().encode(tag);
  if (bytes.length < 1 || bytes.length > TAG_SIZE || bytes.includes(0))
    throw new RangeError(`a share's name has 1 to ${TAG_SIZE} bytes, "${tag}" has ${bytes.length}`);
  return bytes;
}

/** Builds a file system device (virtiofs; virtio 1.2, 5.11), which carries FUSE. @param tag the name that the guest mounts */
export function virtioFs(tag: string): VirtioModelFactory {
  const config = new Uint8Array(TAG_SIZE + 4);
  config.set(tagBytes(tag));
  config[TAG_SIZE] = 1;
  return (bus) =>
    new FileDevice(bus, {
      name: 'fs',
      id: VIRTIO_ID.fs,
      features: [],
      queueSizes: new Array<number>(QUEUES).fill(QUEUE_SIZE),
      config,
      replyHeader: REPLY_HEADER,
    });
}

/** A shared folder in a slot. Which folder of the host's, and whether it may be written, is the host's affair. */
export interface FsSlot {
  readonly kind: 'fs';
  /** The name that the guest mounts: 1 to 36 bytes. */
  readonly tag: string;
}

/** @throws ConfigError for a tag that is none */
export function checkTag({ tag }: { readonly tag: string }): void {
  if (typeof tag !== 'string') throw new ConfigError('a share needs a tag');
  try {
    tagBytes(tag);
  } catch (error) {
    throw new ConfigError((error as RangeError).message);
  }
}

export const fsEntry: SlotEntry<FsSlot> = {
  kind: 'fs',
  host: { output: 'frames' },
  check: checkTag,
  model: ({ tag }) => virtioFs(tag),
};
