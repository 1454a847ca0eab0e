import { StateError, StateReader } from '../../bytes/state-stream.ts';
import { MACHINE_VERSION } from '../../record/format.ts';
import type { MachineConfig } from '../board/config.ts';
import { clearRam } from '../boot/power-on.ts';
import type { Engine } from '../engine/engine.ts';
import { Snapshot, SnapshotPages } from './snapshot.ts';
import { writeSnapshot } from './snapshot-writer.ts';

/**
 * @returns the machine
 * @throws StateError when what was written to a disk lies in an overlay: a snapshot does not hold that
 */
export function mustHoldDisks(engine: Engine): Engine {
  const overlay = engine.board.disks.find((disk) => disk.overlay !== undefined)?.overlay;
  if (overlay === undefined) return engine;
  throw new StateError(
    `a disk of this machine is kept in overlay ${overlay.file}, which is not in a snapshot: give the machine a name instead (hindsight run --name), or run it without an overlay`,
  );
}

/** The whole machine as the bytes of a snapshot file that needs no other. */
export const saveMachine = (engine: Engine): Uint8Array => writeSnapshot(engine).bytes;

/**
 * Puts a snapshot into a machine of the same configuration. Its pages are fetched as they are touched.
 * @throws StateError when it is foreign, damaged or of another configuration; before anything is changed unless it was made by a broken program
 */
export function restoreMachine(engine: Engine, from: Uint8Array | Snapshot): void {
  const snapshot = from instanceof Uint8Array ? Snapshot.open(from) : from;
  checkFits(engine, snapshot);
  const chunks = snapshot.disks();
  const { memory, tracker, planPages } = engine;
  const pages = new SnapshotPages(snapshot, planPages, memory.pages);
  const { instructions, sequence } = engine.instant;
  if (instructions > 0 || sequence > 0 || memory.absent.count < planPages.pages.size) clearRam(memory, tracker);
  memory.absent.set(pages, pages.pages);
  for (const page of pages.pages) tracker.note(page);
  chunks.forEach((list, i) => engine.board.disks[i].restoreChunks(list));
  engine.restoreState(new StateReader(snapshot.state));
  engine.connections.begin(snapshot.connections);
}

/** @throws StateError when a snapshot is not of this machine */
function checkFits(engine: Engine, { machine, config, files }: Snapshot): void {
  const [{ name, disks }] = files;
  if (machine !== MACHINE_VERSION) {
    throw new StateError(
      `${name} is of machine version ${machine}; this program has version ${MACHINE_VERSION}: use the release it was made with, or make it again`,
    );
  }
  const difference = configDifference(engine.config, config);
  if (difference !== undefined)
    throw new StateError(
      `${name} is of another machine: its ${difference.field} is ${difference.found}, this machine's is ${difference.expected}`,
    );
  if (disks.length !== engine.board.disks.length)
    throw new StateError(`${name} has ${disks.length} disks, this machine ${engine.board.disks.length}`);
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
