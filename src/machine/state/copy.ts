import { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import type { Engine } from '../engine/engine.ts';

/** Puts the state of one machine into another of the same hardware, between two instructions. The first stays as it is. */
export function copyState(from: Engine, to: Engine): void {
  const w = new StateWriter();
  from.saveState(w);
  to.memory.ramBytes.set(from.memory.ramBytes);
  for (let page = 0; page < to.memory.pages; page++) to.tracker.note(page);
  from.board.disks.forEach((disk, i) => {
    disk.seal();
    to.board.disks[i].restoreChunks([...disk.writtenChunks()]);
  });
  to.restoreState(new StateReader(w.finish()));
}
