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
const SEQUENCE_SIZE = 4;

/** A request that the host has not answered. */
interface Request {
  readonly sequence: number;
  readonly queue: number;
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

/** A message between the device and its server on the host. */
export interface FsMessage {
  /** Which request it is; the answer has the same. */
  readonly sequence: number;
  /** A FUSE request or reply; empty from the device when the guest let go of everything (reset). */
  readonly fuse: Uint8Array;
}

/** Reads what the device emits. */
export function readFsMessage(bytes: Uint8Array): FsMessage {
  return {
    sequence: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true),
    fuse: bytes.subarray(SEQUENCE_SIZE),
  };
}

/** Makes what the device takes as input, and emits. */
export function writeFsMessage({ sequence, fuse }: FsMessage): Uint8Array {
  const bytes = new Uint8Array(SEQUENCE_SIZE + fuse.length);
  new DataView(bytes.buffer).setUint32(0, sequence, true);
  bytes.set(fuse, SEQUENCE_SIZE);
  return bytes;
}

/**
 * File system device (virtiofs; virtio 1.2, 5.11). It carries FUSE requests to a server on the host and knows nothing of their contents: a
 * request is an output, its reply an input event (contract 11), so that a replay needs no files. What the guest's files are is thus
 * in the recording, and the folder is no part of the machine.
 */
class VirtioFs implements VirtioModel {
  readonly name = 'fs';
  readonly id = VIRTIO_ID.fs;
  readonly features = [];
  readonly queueSizes = new Array<number>(QUEUES).fill(QUEUE_SIZE);
  readonly config = new Uint8Array(TAG_SIZE + 4);
  readonly losesInput = true;
  private readonly bus: VirtioBus;
  /** In the order of their making. */
  private requests: Request[] = [];
  private sequence = 0;

  constructor(bus: VirtioBus, tag: string) {
    this.bus = bus;
    this.config.set(tagBytes(tag));
    this.config[TAG_SIZE] = 1;
  }

  get awaitsAnswer(): boolean {
    return this.requests.length > 0;
  }

  reset(): void {
    this.requests = [];
    this.emit({ sequence: this.sequence, fuse: new Uint8Array(0) });
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
      this.sequence = (this.sequence + 1) >>> 0;
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
    const at = this.requests.findIndex((request) => request.sequence === sequence);
    // The answer to a request that a reset took back: heard, and of no effect.
    if (at < 0) return payload.length;
    const [{ queue, head, writable }] = this.requests.splice(at, 1);
    const written = scatter(this.bus.context.ram, writable, fuse);
    this.bus.queue(queue).push(head, written);
    this.bus.signal(queue);
    return payload.length;
  }

  save(w: StateWriter): void {
    w.u32(this.sequence);
    w.u32(this.requests.length);
    for (const { sequence, queue, head, readable, writable } of this.requests) {
      w.u32(sequence);
      w.u8(queue);
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
    this.requests = Array.from({ length: r.u32() }, () => ({
      sequence: r.u32(),
      queue: r.u8(),
      head: r.u16(),
      readable: segments(),
      writable: segments(),
    }));
  }

  /** The request as it lies in the guest's memory, which is the device's until it is answered. */
  private ask({ sequence, readable }: Request): void {
    this.emit({ sequence, fuse: gather(this.bus.context.ram, readable) });
  }

  private emit(message: FsMessage): void {
    this.bus.context.port.emit(writeFsMessage(message));
  }
}

/** @throws RangeError when it does not fit */
function tagBytes(tag: string): Uint8Array {
  const bytes = new TextEncoder().encode(tag);
  if (bytes.length < 1 || bytes.length > TAG_SIZE || bytes.includes(0))
    throw new RangeError(`a share's name has 1 to ${TAG_SIZE} bytes, "${tag}" has ${bytes.length}`);
  return bytes;
}

/** Builds a file system device. @param tag the name that the guest mounts */
export function virtioFs(tag: string): VirtioModelFactory {
  return (bus) => new VirtioFs(bus, tag);
}

/** A shared folder in a slot. Which folder of the host's, and whether it may be written, is the host's affair. */
export interface FsSlot {
  readonly kind: 'fs';
  /** The name that the guest mounts: 1 to 36 bytes. */
  readonly tag: string;
}

export const fsEntry: SlotEntry<FsSlot> = {
  kind: 'fs',
  host: { output: 'frames' },
  check({ tag }) {
    if (typeof tag !== 'string') throw new ConfigError('a share needs a tag');
    try {
      tagBytes(tag);
    } catch (error) {
      throw new ConfigError((error as RangeError).message);
    }
  },
  model: ({ tag }) => virtioFs(tag),
};
