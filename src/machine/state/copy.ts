import { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { clearRam } from '../boot/power-on.ts';
import type { Engine } from '../engine/engine.ts';
import { FrozenRam } from './frozen-ram.ts';

/**
 * Puts the state of one machine into another of the same hardware, between two instructions. The first stays as it is; the second fetches its pages
 * as they are touched.
 */
export function copyState(from: Engine, to: Engine): void {
  const w = new StateWriter();
  from.saveState(w);
  const ram = FrozenRam.of(from);
  const { memory, tracker, planPages } = to;
  if (to.instructions > 0 || to.instant.sequence > 0 || memory.absent.count < planPages.pages.size)
    clearRam(memory, tracker);
  memory.absent.set(ram, ram.pages);
  for (const page of ram.pages) tracker.note(page);
  from.board.disks.forEach((disk, i) => {
    disk.seal();
    to.board.disks[i].restoreChunks([...disk.writtenChunks()]);
  });
  to.restoreState(new StateReader(w.finish()));
  to.connections.copy(from.connections);
}
