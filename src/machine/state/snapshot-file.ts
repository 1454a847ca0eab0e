import { crc32c } from '../../bytes/checksum.ts';
import { toHex } from '../../bytes/hex.ts';
import { type ReadySource, readyBytes } from '../../bytes/source.ts';
import { StateError, StateReader } from '../../bytes/state-stream.ts';
import { unpacker } from '../../core/wasm/unpack.ts';
import { PAGE_SIZE } from '../../isa/layout.ts';
import type { Instant } from '../../record/door.ts';
import type { MachineConfig } from '../board/config.ts';
import {
  type DiskChunkPlace,
  GROUP,
  GROUP_BYTES,
  HASH_BYTES,
  MAGIC,
  type PageRun,
  SECTION,
  SECTION_HEAD,
  STATE_VERSION,
} from './snapshot-format.ts';

/** Groups kept unpacked: 1 MiB. */
const KEPT_GROUPS = 64;
/** Bytes before the first section. */
const HEAD = MAGIC.length + 1 + 4;

/** One file of a snapshot: what it says, and the pages it holds, which are read and checked when they are needed. */
export class SnapshotFile {
  /** What it is called in messages. */
  readonly name: string;
  /** SHA-256 of the file, if it is known. */
  readonly hash: string | undefined;
  readonly source: ReadySource;
  /** Version of the machine: what its devices and harts save. */
  readonly machine: number;
  readonly config: MachineConfig;
  /** Where its machine is. */
  readonly at: Instant;
  /** Guest time there in ticks. */
  readonly time: number;
  /** What Engine.saveState wrote. */
  readonly state: Uint8Array;
  /** Connections that the guest has open, as GuestConnections.save wrote them. */
  readonly connections: Uint8Array | undefined;
  /** SHA-256 of the other files that hold pages of it. */
  readonly bases: readonly string[];
  readonly disks: readonly (readonly DiskChunkPlace[])[];
  readonly runs: readonly PageRun[];
  /** How many pages the file itself holds. */
  readonly slots: number;
  /** Hash of each of them: low and high word. */
  readonly hashes: Uint32Array;
  private readonly groupAt: Float64Array;
  private readonly groupSums: Uint32Array;
  private readonly kept = new Map<number, Uint8Array>();

  /**
   * Opens a file: checks all but the pages, which are checked as they are read.
   * @param name for messages @throws StateError when it is foreign, damaged, truncated or of another version
   */
  constructor(from: Uint8Array | ReadySource, name = 'the snapshot', hash?: string) {
    this.name = name;
    this.hash = hash;
    const source = from instanceof Uint8Array ? readyBytes(from) : from;
    this.source = source;
    this.machine = this.readHead();
    let config: MachineConfig | undefined;
    let state: Uint8Array | undefined;
    let connections: Uint8Array | undefined;
    let bases: string[] | undefined;
    const disks: DiskChunkPlace[][] = [];
    let runs: PageRun[] | undefined;
    let index: Uint8Array | undefined;
    let data: { readonly at: number; readonly length: number } | undefined;
    let at = HEAD;
    for (let ended = false; !ended; ) {
      const head = new StateReader(this.bytes(at, SECTION_HEAD));
      const [tag, sum, length] = [head.u32(), head.u32(), head.u32()];
      const from = at + SECTION_HEAD;
      if (tag === SECTION.DATA) {
        if (from + length > source.size) throw this.truncated(from + length);
        if (sum !== 0) throw this.damaged(at);
        data = { at: from, length };
        at = from + length;
        continue;
      }
      const body = this.bytes(from, length);
      if (crc32c(body) !== sum) throw this.damaged(at);
      if (tag === SECTION.CONFIG) config = this.readConfig(body);
      else if (tag === SECTION.MACHINE) state = new Uint8Array(body);
      else if (tag === SECTION.NETWORK) connections = new Uint8Array(body);
      else if (tag === SECTION.FILES) bases = readFiles(body);
      else if (tag === SECTION.DISK) disks.push(readDisk(body));
      else if (tag === SECTION.PAGES) runs = readRuns(body);
      else if (tag === SECTION.INDEX) index = new Uint8Array(body);
      else if (tag === SECTION.END) ended = true;
      else throw new StateError(`${name} has a section of unknown kind ${tag} at offset ${at}`);
      at = from + length;
    }
    if (at < source.size) throw new StateError(`${name} is damaged: ${source.size - at} bytes follow its end`);
    if (!config || !state || !bases || !runs || !index || !data) throw new StateError(`${name} is not complete`);
    this.config = config;
    this.state = state;
    this.connections = connections;
    this.bases = bases;
    this.disks = disks;
    this.runs = runs;
    const r = new StateReader(index);
    this.slots = r.u32();
    const groups = Math.ceil(this.slots / GROUP);
    if (r.remaining !== groups * 8 + this.slots * 8) throw new StateError(`${name} has an index of the wrong length`);
    this.groupAt = new Float64Array(groups + 1);
    this.groupSums = new Uint32Array(groups);
    let end = data.at;
    for (let group = 0; group < groups; group++) {
      this.groupAt[group] = end;
      end += r.u32();
      this.groupSums[group] = r.u32();
    }
    this.groupAt[groups] = end;
    if (end !== data.at + data.length) throw new StateError(`${name} has an index that does not fit its data`);
    this.hashes = new Uint32Array(r.raw(this.slots * 8).buffer);
    // As Engine.saveState begins.
    const begin = new StateReader(state);
    this.time = begin.f64();
    this.at = { instructions: this.time - begin.f64(), sequence: begin.u32() };
  }

  /** Puts the contents of a slot into PAGE_SIZE bytes. @throws StateError when they are damaged */
  read(slot: number, into: Uint8Array): void {
    const group = Math.floor(slot / GROUP);
    const within = (slot % GROUP) * PAGE_SIZE;
    into.set(this.group(group).subarray(within, within + PAGE_SIZE));
  }

  /** Checks all pages. @throws StateError */
  verify(): void {
    for (let group = 0; group < this.groupSums.length; group++) this.unpacked(group);
  }

  private group(group: number): Uint8Array {
    let bytes = this.kept.get(group);
    if (bytes !== undefined) return bytes;
    const unpacked = this.unpacked(group);
    if (this.kept.size < KEPT_GROUPS) bytes = new Uint8Array(GROUP_BYTES);
    else {
      const oldest = this.kept.keys().next().value!;
      bytes = this.kept.get(oldest)!;
      this.kept.delete(oldest);
    }
    bytes.set(unpacked);
    this.kept.set(group, bytes);
    return bytes;
  }

  /** A group's contents, valid until the next call. */
  private unpacked(group: number): Uint8Array {
    const at = this.groupAt[group];
    const packed = this.bytes(at, this.groupAt[group + 1] - at);
    const size = Math.min(GROUP, this.slots - group * GROUP) * PAGE_SIZE;
    try {
      return unpacker().unpack(packed, this.groupSums[group], size);
    } catch (error) {
      throw this.damaged(at, (error as Error).message);
    }
  }

  private readHead(): number {
    const head = this.source.read(0, HEAD);
    if (String.fromCharCode(...head.subarray(0, MAGIC.length)) !== MAGIC)
      throw new StateError(`${this.name} is no snapshot: it does not begin with "${MAGIC}"`);
    if (head.length < HEAD) throw this.truncated(HEAD);
    const version = head[MAGIC.length];
    if (version !== STATE_VERSION) {
      throw new StateError(
        `${this.name} is a snapshot of format version ${version}; this program reads version ${STATE_VERSION}: ${
          version > STATE_VERSION ? 'use a newer release' : 'use the release it was made with, or make it again'
        }`,
      );
    }
    return new StateReader(head.subarray(MAGIC.length + 1)).u32();
  }

  private bytes(at: number, length: number): Uint8Array {
    const bytes = this.source.read(at, length);
    if (bytes.length < length) throw this.truncated(at + length);
    return bytes;
  }

  private readConfig(body: Uint8Array): MachineConfig {
    try {
      return JSON.parse(new TextDecoder().decode(body)) as MachineConfig;
    } catch (error) {
      throw new StateError(`${this.name}: its configuration is no JSON: ${(error as Error).message}`);
    }
  }

  private damaged(at: number, why?: string): StateError {
    return new StateError(
      `${this.name} is damaged in the part at offset ${at}${why === undefined ? '' : ` (${why})`}: bring a sound copy, or make it again`,
    );
  }

  private truncated(wanted: number): StateError {
    return new StateError(
      `${this.name} is damaged: it ends after ${this.source.size} bytes, expected ${wanted} or more: bring a whole copy, or make it again`,
    );
  }
}

function readFiles(body: Uint8Array): string[] {
  const r = new StateReader(body);
  return Array.from({ length: r.u32() }, () => toHex(r.view(HASH_BYTES)));
}

function readDisk(body: Uint8Array): DiskChunkPlace[] {
  const r = new StateReader(body);
  return Array.from({ length: r.u32() }, () => ({ id: r.u32(), mask: r.u8(), file: r.u16(), slot: r.u32() }));
}

function readRuns(body: Uint8Array): PageRun[] {
  const r = new StateReader(body);
  return Array.from({ length: r.u32() }, () => ({ first: r.u32(), count: r.u32(), file: r.u16(), slot: r.u32() }));
}
