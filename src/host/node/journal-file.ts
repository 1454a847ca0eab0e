import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Journal, OverlayError, OverlayLog, WriteTier } from '../../storage/index.ts';
import { dataFolder } from './data.ts';
import { openOverlayBytes, syncFolder } from './overlay-bytes.ts';

const SUFFIX = '.hsj';

/** Where the journal of an overlay is, unless the user says another place. */
export const journalPath = (overlay: OverlayLog, typed: string | undefined): string =>
  typed === undefined ? join(dataFolder('journals'), `${overlay.header.id}${SUFFIX}`) : resolve(typed);

/** A journal has this in place of its base's hash. @param id of its overlay */
const ownerOf = (id: string): string => `overlay:${id}`;

const baseOf = ({ header, name }: OverlayLog): { size: number; hash: string; path: string } => ({
  size: header.base.size,
  hash: ownerOf(header.id),
  path: resolve(name),
});

/** An empty journal for an overlay that has none. @throws OverlayError when the file is something else, or cannot be made */
export function makeJournal(overlay: OverlayLog, path: string): Journal {
  // One that the overlay knows nothing of holds nothing that counts: a crash came between the two.
  removeJournal(overlay.header.id, path);
  if (dirname(path) === dataFolder('journals')) dataFolder('journals', true);
  const file = openOverlayBytes(path, 'wx+', 'journal');
  const log = OverlayLog.create(file, randomBytes(16).toString('hex'), baseOf(overlay), true);
  syncFolder(path);
  return withRemoval(log, path);
}

/**
 * Has an overlay hold all that was flushed to it: what a crash left in its journal is put there, and the journal removed.
 * @throws OverlayError when the journal is gone, damaged or another one, or there is no room: nothing is changed then
 */
export function recoverJournal(overlay: OverlayLog): void {
  if (overlay.journal === undefined) return;
  const { id, path } = overlay.journal;
  if (!existsSync(path))
    throw new OverlayError(
      `what was written last to overlay ${overlay.name} is in its journal ${path}, which is not there: bring it back, or give that up with "hindsight disk drain --lose"`,
    );
  const journal = openJournal(overlay, path);
  if (journal.log.header.id !== id) {
    journal.log.close();
    throw new OverlayError(
      `${path} is a later journal of overlay ${overlay.name}, not the one that it needs: bring that, or give up what is in it with "hindsight disk drain --lose"`,
    );
  }
  const tier = new WriteTier(overlay);
  tier.writeBack(journal, path);
  tier.writeThrough();
}

/** Gives up what is in an overlay's journal: the disk is as of an earlier flush. */
export function loseJournal(overlay: OverlayLog): void {
  if (overlay.journal === undefined) return;
  const { path } = overlay.journal;
  overlay.noteJournal(undefined);
  removeJournal(overlay.header.id, path);
}

/** Removes the journal of an overlay, if it is there. @param id of the overlay @throws OverlayError for a file that is something else: it stays */
export function removeJournal(id: string, path: string): void {
  if (!existsSync(path)) return;
  const file = openOverlayBytes(path, 'r', 'journal');
  try {
    checkOwner(OverlayLog.headerOf(file), id, path);
  } finally {
    file.close();
  }
  rmSync(path);
}

function openJournal(overlay: OverlayLog, path: string): Journal {
  const log = OverlayLog.open(openOverlayBytes(path, 'r+', 'journal'), Infinity, true);
  checkOwner(log.header, overlay.header.id, path);
  return withRemoval(log, path);
}

function checkOwner({ base }: OverlayLog['header'], id: string, path: string): void {
  if (base.hash !== ownerOf(id))
    throw new OverlayError(`${path} is no journal of this overlay, but over ${base.path}: name another file`);
}

const withRemoval = (log: OverlayLog, path: string): Journal => ({
  log,
  remove() {
    log.close();
    rmSync(path, { force: true });
  },
});
