import type { Engine } from '../engine/engine.ts';
import { FrozenRam } from './frozen-ram.ts';
import { SnapshotPages } from './snapshot.ts';
import type { SnapshotBase } from './snapshot-writer.ts';

/** The snapshot files that a machine still reads pages from, as far as they are known by their hashes. */
export function openBases({ memory }: Engine): SnapshotBase[] {
  const { source: from } = memory.absent;
  const source = from instanceof FrozenRam ? from.base : from;
  if (!(source instanceof SnapshotPages)) return [];
  return source.snapshot.files.flatMap((file) => (file.hash === undefined ? [] : [{ hash: file.hash, file }]));
}
