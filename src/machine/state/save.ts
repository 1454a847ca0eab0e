import { crc32c } from '../../bytes/checksum.ts';
import { compress, decompress } from '../../bytes/compress.ts';
import { StateError, StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { PAGE_SIZE } from '../../isa/layout.ts';
import { MACHINE_VERSION } from '../../record/format.ts';
import type { OverlayChunk } from '../../storage/index.ts';
import type { MachineConfig } from '../board/config.ts';
import type { Engine } from '../engine/engine.ts';

/**
 * A saved state: a whole machine in one file.
 *
 * ```
 * magic    8 bytes "HSSTATE" and a version byte
 * machine  version of the machine u32: what its devices and harts save
 * section  tag u32, length u32, CRC-32C of the body u32, body; in the order CONFIG, MACHINE, DISK…, RAM…, END
 * ```
 * A RAM section is a run of pages: first page u32, how many u32, then compressed bytes. Pages in no section are zero.
 */
const MAGIC = 'HSSTATE';
/** Version of this format. */
const STATE_VERSION = 2;
const SECTION = { CONFIG: 1, MACHINE: 2, DISK: 3, RAM: 4, END: 5 } as const;
/** Pages in a RAM section at most. */
const RUN = 256;

const isZero = (words: Uint32Array, at: number): boolean => {
  for (let i = at, end = at + PAGE_SIZE / 4; i < end; i++) if (words[i] !== 0) return false;
  return true;
};

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
  for (const [first, count] of usedRuns(engine)) {
    const body = new StateWriter();
    body.u32(first);
    body.u32(count);
    body.bytes(compress(engine.memory.ramBytes.subarray(first * PAGE_SIZE, (first + count) * PAGE_SIZE)));
    section(SECTION.RAM, body.finish());
  }
  section(SECTION.END, new Uint8Array(0));
  return w.finish();
}

/** Runs of pages that are not zero: first page and how many. */
function* usedRuns({ memory }: Engine): Iterable<readonly [number, number]> {
  let first = -1;
  for (let page = 0; page <= memory.pages; page++) {
    const used = page < memory.pages && !isZero(memory.ramWords, (page * PAGE_SIZE) / 4);
    if (first >= 0 && (!used || page - first === RUN)) {
      yield [first, page - first];
      first = -1;
    }
    if (used && first < 0) first = page;
  }
}

interface Sections {
  /** Of the machine: what its devices and harts save. */
  readonly version: number;
  readonly config: MachineConfig;
  readonly machine: Uint8Array;
  readonly disks: readonly Uint8Array[];
  readonly ram: readonly Uint8Array[];
}

/** Takes a saved state apart and checks all of it. */
function readSections(bytes: Uint8Array): Sections {
  const head = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (head !== MAGIC) throw new StateError(`this is no saved machine: it does not begin with "${MAGIC}"`);
  const version = bytes[MAGIC.length];
  if (version !== STATE_VERSION)
    throw new StateError(`a saved machine of format version ${version}; this program reads version ${STATE_VERSION}`);
  const r = new StateReader(bytes.subarray(MAGIC.length + 1));
  const ofMachine = r.u32();
  let config: MachineConfig | undefined;
  let machine: Uint8Array | undefined;
  const disks: Uint8Array[] = [];
  const ram: Uint8Array[] = [];
  for (;;) {
    const at = r.offset + MAGIC.length + 1;
    const tag = r.u32();
    const sum = r.u32();
    const body = r.bytes();
    if (crc32c(body) !== sum) throw new StateError(`the saved machine is damaged in the section at offset ${at}`);
    if (tag === SECTION.CONFIG) config = JSON.parse(new TextDecoder().decode(body)) as MachineConfig;
    else if (tag === SECTION.MACHINE) machine = body;
    else if (tag === SECTION.DISK) disks.push(body);
    else if (tag === SECTION.RAM) ram.push(body);
    else if (tag === SECTION.END) break;
    else throw new StateError(`the saved machine has a section of unknown kind ${tag} at offset ${at}`);
  }
  if (r.remaining > 0) throw new StateError(`${r.remaining} bytes follow the end of the saved machine`);
  if (config === undefined || machine === undefined) throw new StateError('the saved machine is not complete');
  return { version: ofMachine, config, machine, disks, ram };
}

/** The configuration of a saved machine. @throws StateError when it is foreign or damaged */
export function savedConfig(bytes: Uint8Array): MachineConfig {
  return readSections(bytes).config;
}

/**
 * Puts a saved state into a machine of the same configuration.
 * @throws StateError when it is foreign, damaged or of another configuration; before anything is changed unless it was made by a broken program
 */
export function restoreMachine(engine: Engine, bytes: Uint8Array): void {
  const { version, config, machine, disks, ram } = readSections(bytes);
  if (version !== MACHINE_VERSION)
    throw new StateError(
      `the saved machine is of machine version ${version}; this program has version ${MACHINE_VERSION}: use the release it was made with`,
    );
  const difference = configDifference(engine.config, config);
  if (difference !== undefined)
    throw new StateError(
      `the saved machine is another one: its ${difference.field} is ${difference.found}, this machine's is ${difference.expected}`,
    );
  if (disks.length !== engine.board.disks.length)
    throw new StateError(`the saved machine has ${disks.length} disks, this one ${engine.board.disks.length}`);
  const chunks = disks.map(readChunks);
  const { memory, tracker } = engine;
  const used = new Uint8Array(memory.pages);
  for (const body of ram) {
    const r = new StateReader(body);
    const first = r.u32();
    const count = r.u32();
    if (first + count > memory.pages)
      throw new StateError(`the saved machine has pages up to ${first + count}, this one has ${memory.pages}`);
    decompress(r.bytes(), memory.ramBytes.subarray(first * PAGE_SIZE, (first + count) * PAGE_SIZE));
    used.fill(1, first, first + count);
  }
  for (let page = 0; page < memory.pages; page++) {
    if (used[page] === 0) memory.ramBytes.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    tracker.note(page);
  }
  chunks.forEach((list, i) => engine.board.disks[i].restoreChunks(list));
  engine.restoreState(new StateReader(machine));
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
