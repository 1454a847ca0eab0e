import { crc32c } from '../../bytes/checksum.ts';
import { compress, decompress } from '../../bytes/compress.ts';
import { StateError, StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { PAGE_SIZE } from '../../isa/layout.ts';
import type { Instant } from '../../record/door.ts';
import { MACHINE_VERSION } from '../../record/format.ts';
import type { OverlayChunk } from '../../storage/index.ts';
import type { MachineConfig } from '../board/config.ts';
import { RAM_BASE } from '../board/memory-map.ts';
import { type BootPlan, placeInRam } from '../boot/plan.ts';
import { clearRam } from '../boot/power-on.ts';
import type { Engine } from '../engine/engine.ts';

/**
 * A snapshot, `.hss`: a whole machine at an instant in one file.
 *
 * ```
 * magic    8 bytes "HSSTATE" and a version byte
 * machine  version of the machine u32: what its devices and harts save
 * section  tag u32, CRC-32C of the body u32, length u32, body; in the order CONFIG, MACHINE, DISK…, RAM…, END
 * ```
 * CONFIG is JSON and names all files of the machine by hash.
 * A RAM section is a run of pages: first page u32, how many u32, then compressed bytes. Pages in no section are as at power-on: what is loaded
 * then, or zero.
 */
const MAGIC = 'HSSTATE';
/** Version of this format. */
export const STATE_VERSION = 3;
const SECTION = { CONFIG: 1, MACHINE: 2, DISK: 3, RAM: 4, END: 5 } as const;
/** Pages in a RAM section at most. */
const RUN = 256;
const PAGE_WORDS = PAGE_SIZE / 4;

/** The whole machine as bytes. */
export function saveMachine(engine: Engine): Uint8Array {
  const w = new StateWriter();
  for (const c of MAGIC) w.u8(c.charCodeAt(0));
  w.u8(STATE_VERSION);
  w.u32(MACHINE_VERSION);
  const section = (tag: number, body: Uint8Array): void => {
    w.u32(tag);
    w.u32(crc32c(body));
    w.bytes(body);
  };
  section(SECTION.CONFIG, new TextEncoder().encode(JSON.stringify(engine.config)));
  const machine = new StateWriter();
  engine.saveState(machine);
  section(SECTION.MACHINE, machine.finish());
  for (const disk of engine.board.disks) {
    const body = new StateWriter();
    const chunks = [...disk.writtenChunks()];
    body.u32(chunks.length);
    for (const { id, mask, data } of chunks) {
      body.u32(id);
      body.u8(mask);
      body.bytes(compress(data));
    }
    section(SECTION.DISK, body.finish());
  }
  for (const [first, count] of changedRuns(engine)) {
    const body = new StateWriter();
    body.u32(first);
    body.u32(count);
    body.bytes(compress(engine.memory.ramBytes.subarray(first * PAGE_SIZE, (first + count) * PAGE_SIZE)));
    section(SECTION.RAM, body.finish());
  }
  section(SECTION.END, new Uint8Array(0));
  return w.finish();
}

/** Runs of pages that are not as at power-on: first page and how many. */
function* changedRuns(engine: Engine): Iterable<readonly [number, number]> {
  const { memory } = engine;
  const loaded = loadedPages(engine.plan);
  let first = -1;
  for (let page = 0; page <= memory.pages; page++) {
    const changed = page < memory.pages && !isAs(memory.ramWords, page * PAGE_WORDS, loaded.get(page));
    if (first >= 0 && (!changed || page - first === RUN)) {
      yield [first, page - first];
      first = -1;
    }
    if (changed && first < 0) first = page;
  }
}

/** Whether a page has these contents; undefined is zeros. */
function isAs(words: Uint32Array, at: number, expected: Uint32Array | undefined): boolean {
  for (let i = 0; i < PAGE_WORDS; i++) if (words[at + i] !== (expected === undefined ? 0 : expected[i])) return false;
  return true;
}

/** The pages that are not zero at power-on. */
function loadedPages(plan: BootPlan): Map<number, Uint32Array> {
  const pages = new Map<number, Uint32Array>();
  for (const { address, bytes } of plan.placements) {
    for (let at = 0; at < bytes.length; ) {
      const offset = address - RAM_BASE + at;
      const page = Math.floor(offset / PAGE_SIZE);
      const within = offset % PAGE_SIZE;
      const part = bytes.subarray(at, at + PAGE_SIZE - within);
      let words = pages.get(page);
      if (words === undefined) pages.set(page, (words = new Uint32Array(PAGE_WORDS)));
      new Uint8Array(words.buffer).set(part, within);
      at += part.length;
    }
  }
  return pages;
}

/** A snapshot that was taken apart and checked. */
export interface Snapshot {
  /** Version of the machine: what its devices and harts save. */
  readonly machine: number;
  readonly config: MachineConfig;
  /** Where its machine is. */
  readonly at: Instant;
  /** Guest time there in ticks. */
  readonly time: number;
  /** What Engine.saveState wrote. */
  readonly state: Uint8Array;
  readonly disks: readonly Uint8Array[];
  readonly ram: readonly Uint8Array[];
}

/** Takes a snapshot apart. @throws StateError when it is foreign, damaged or of another version */
export function readSnapshot(bytes: Uint8Array): Snapshot {
  const head = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (head !== MAGIC) throw new StateError(`this is no snapshot: it does not begin with "${MAGIC}"`);
  const version = bytes[MAGIC.length];
  if (version !== STATE_VERSION)
    throw new StateError(`a snapshot of format version ${version}; this program reads version ${STATE_VERSION}`);
  const r = new StateReader(bytes);
  r.skip(MAGIC.length + 1);
  const machine = r.u32();
  let config: MachineConfig | undefined;
  let state: Uint8Array | undefined;
  const disks: Uint8Array[] = [];
  const ram: Uint8Array[] = [];
  for (;;) {
    const at = r.offset;
    const tag = r.u32();
    const sum = r.u32();
    const body = r.view(r.u32());
    if (crc32c(body) !== sum) throw new StateError(`the snapshot is damaged in the section at offset ${at}`);
    if (tag === SECTION.CONFIG) config = readConfig(body);
    else if (tag === SECTION.MACHINE) state = body;
    else if (tag === SECTION.DISK) disks.push(body);
    else if (tag === SECTION.RAM) ram.push(body);
    else if (tag === SECTION.END) break;
    else throw new StateError(`the snapshot has a section of unknown kind ${tag} at offset ${at}`);
  }
  if (r.remaining > 0) throw new StateError(`${r.remaining} bytes follow the end of the snapshot`);
  if (config === undefined || state === undefined) throw new StateError('the snapshot is not complete');
  // As Engine.saveState begins.
  const begin = new StateReader(state);
  const time = begin.f64();
  const at = { instructions: time - begin.f64(), sequence: begin.u32() };
  return { machine, config, at, time, state, disks, ram };
}

function readConfig(body: Uint8Array): MachineConfig {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as MachineConfig;
  } catch (error) {
    throw new StateError(`the snapshot's configuration is no JSON: ${(error as Error).message}`);
  }
}

/**
 * Puts a snapshot into a machine of the same configuration.
 * @throws StateError when it is foreign, damaged or of another configuration; before anything is changed unless it was made by a broken program
 */
export function restoreMachine(engine: Engine, from: Uint8Array | Snapshot): void {
  const { machine, config, state, disks, ram } = from instanceof Uint8Array ? readSnapshot(from) : from;
  if (machine !== MACHINE_VERSION) {
    throw new StateError(
      `the snapshot is of machine version ${machine}; this program has version ${MACHINE_VERSION}: use the release it was made with`,
    );
  }
  const difference = configDifference(engine.config, config);
  if (difference !== undefined)
    throw new StateError(
      `the snapshot is of another machine: its ${difference.field} is ${difference.found}, this machine's is ${difference.expected}`,
    );
  if (disks.length !== engine.board.disks.length)
    throw new StateError(`the snapshot has ${disks.length} disks, this one ${engine.board.disks.length}`);
  const chunks = disks.map(readChunks);
  const { memory, tracker } = engine;
  const { instructions, sequence } = engine.instant;
  if (instructions > 0 || sequence > 0) {
    clearRam(memory, tracker);
    placeInRam(engine.plan, engine.ram);
  }
  const used = new Uint8Array(memory.pages);
  for (const body of ram) {
    const r = new StateReader(body);
    const first = r.u32();
    const count = r.u32();
    if (first + count > memory.pages)
      throw new StateError(`the snapshot has pages up to ${first + count}, this one has ${memory.pages}`);
    decompress(r.view(r.u32()), memory.ramBytes.subarray(first * PAGE_SIZE, (first + count) * PAGE_SIZE));
    used.fill(1, first, first + count);
  }
  for (let page = 0; page < memory.pages; page++) if (used[page] !== 0) tracker.note(page);
  chunks.forEach((list, i) => engine.board.disks[i].restoreChunks(list));
  engine.restoreState(new StateReader(state));
}

function readChunks(body: Uint8Array): OverlayChunk[] {
  const r = new StateReader(body);
  return Array.from({ length: r.u32() }, () => {
    const id = r.u32();
    const mask = r.u8();
    const data = new Uint8Array(PAGE_SIZE);
    decompress(r.bytes(), data);
    return { id, mask, data, generation: 0 };
  });
}

/** The first field in which two configurations differ, as text; file names do not count. */
function configDifference(
  expected: MachineConfig,
  found: MachineConfig,
): { field: string; expected: string; found: string } | undefined {
  const plain = (config: MachineConfig): Map<string, string> => {
    const fields = new Map<string, string>();
    const walk = (value: unknown, path: string): void => {
      if (path.endsWith('.file')) return;
      if (typeof value === 'object' && value !== null)
        for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
      else fields.set(path, String(value));
    };
    walk(config, '');
    return fields;
  };
  const [a, b] = [plain(expected), plain(found)];
  for (const field of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(field) !== b.get(field))
      return { field, expected: a.get(field) ?? 'absent', found: b.get(field) ?? 'absent' };
  }
  return undefined;
}
