import { StateError, type StateReader, type StateWriter } from '../../bytes/state-stream.ts';
import type { Slot } from '../board/board.ts';
import type { HartState } from '../memory/hart-state.ts';
import type { Rotation } from '../schedule/rotation.ts';
import type { Progress } from './progress.ts';

/** What of an engine is saved besides RAM and disks. */
export interface SavedParts {
  readonly progress: Progress;
  readonly rotation: Rotation;
  readonly slots: readonly Slot[];
  readonly harts: readonly HartState[];
}

/** Writes everything: guest time, boundary steps and what {@link saveRest} does. */
export function saveParts(parts: SavedParts, w: StateWriter): void {
  parts.progress.saveTime(w);
  w.u32(parts.progress.steps);
  saveRest(parts, w);
}

/** Writes what the hash covers: all but the boundary steps. */
export function saveHashedParts(parts: SavedParts, w: StateWriter): void {
  parts.progress.saveTime(w);
  saveRest(parts, w);
}

function saveRest({ progress, rotation, slots, harts }: SavedParts, w: StateWriter): void {
  rotation.save(w);
  progress.saveAsked(w);
  for (const { device } of slots) {
    w.text(device.kind);
    device.save(w);
  }
  for (const hart of harts) w.bytes(hart.state);
}

/** Reads what {@link saveParts} wrote. @throws StateError when it is damaged or of another configuration */
export function restoreParts({ progress, rotation, slots, harts }: SavedParts, r: StateReader): void {
  progress.restoreTime(r);
  progress.steps = r.u32();
  rotation.restore(r);
  progress.restoreAsked(r);
  for (const { name, device } of slots) {
    const kind = r.text();
    if (kind !== device.kind)
      throw new StateError(`saved state has a ${kind} where this machine has ${name}, a ${device.kind}`);
    device.restore(r);
  }
  for (const hart of harts) {
    const bytes = r.bytes();
    if (bytes.length !== hart.state.length)
      throw new StateError(`saved hart has ${bytes.length} bytes, expected ${hart.state.length}`);
    hart.state.set(bytes);
  }
  if (rotation.current >= harts.length)
    throw new StateError(`saved turn is of hart ${rotation.current}, there are ${harts.length}`);
}
