/** Snapshots on this host: by names in the user's store, or in files. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Engine } from '../../../machine/engine/engine.ts';
import type { StartSnapshot } from '../../../machine/session/session.ts';
import { mustHoldDisks, saveMachine } from '../../../machine/state/save.ts';
import { replaceFile } from '../replace-file.ts';
import { openSnapshot } from './snapshot-source.ts';
import { isSnapshotName, noRoom, SnapshotStore } from './store.ts';

export { SnapshotStore };

/** Opens a snapshot by its name in the store, or a file. @throws SnapshotStoreError, StateError, system errors */
export async function openSnapshotOf(nameOrFile: string): Promise<StartSnapshot> {
  if (isSnapshotName(nameOrFile)) return new SnapshotStore().open(nameOrFile);
  const path = resolve(nameOrFile);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  return openSnapshot(path, hash.digest('hex'));
}

/**
 * Saves a machine, between two instructions: under a name in the store, where it shares pages with others, or into a file that needs no other.
 * @returns bytes that were written @throws SnapshotStoreError when there is no room: what was there stays
 */
export async function saveSnapshot(engine: Engine, nameOrFile: string): Promise<number> {
  mustHoldDisks(engine);
  if (isSnapshotName(nameOrFile)) return (await new SnapshotStore().save(nameOrFile, engine)).size;
  const bytes = saveMachine(engine);
  try {
    await replaceFile(resolve(nameOrFile), bytes);
  } catch (error) {
    throw noRoom(error, nameOrFile, bytes.length);
  }
  return bytes.length;
}
