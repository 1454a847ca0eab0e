import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { type BlockBackend, mergeOverlay, OverlaidBackend, OverlayError, OverlayLog } from '../../storage/index.ts';
import { DiskFileError, FileBackend } from './disk.ts';
import { openDiskFile } from './disk-file.ts';
import { loseJournal, recoverJournal, removeJournal } from './journal-file.ts';
import { openOverlayBytes } from './overlay-bytes.ts';
import { checkBase, lockOverlay, overlayInUse } from './overlay-file.ts';

/** What is known of an overlay. */
export interface OverlayReport {
  readonly file: string;
  readonly id: string;
  readonly base: string;
  readonly baseHash: string;
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Bytes of the disk that are the overlay's. */
  readonly changed: number;
  /** Bytes of the file. */
  readonly bytes: number;
  readonly commits: number;
  /** Being put into its base was interrupted. */
  readonly merging: boolean;
  /** File with what was flushed and is not yet in the overlay. */
  readonly journal?: string;
  readonly inUse: boolean;
}

/** Tells of an overlay. @param verify reads all of it @throws OverlayError when it is foreign or damaged */
export async function reportOverlay(path: string, verify: boolean): Promise<OverlayReport> {
  const bytes = openOverlayBytes(path, 'r');
  try {
    const log = OverlayLog.open(bytes);
    if (verify) log.verify();
    const { id, base } = log.header;
    return {
      file: path,
      id,
      base: base.path,
      baseHash: base.hash,
      size: base.size,
      changed: log.changed,
      bytes: bytes.size,
      commits: log.sequence,
      merging: log.merging,
      ...(log.journal && { journal: log.journal.path }),
      inUse: await overlayInUse(path),
    };
  } finally {
    bytes.close();
  }
}

/**
 * Puts what a crash left in an overlay's journal into it. @param lose gives that up instead: the disk is as of an earlier flush
 * @returns the journal, undefined when there is none @throws OverlayError when it is in use, or the journal gone, damaged or another one
 */
export async function drainOverlay(path: string, lose: boolean): Promise<string | undefined> {
  const lock = await lockOverlay(path);
  try {
    const bytes = openOverlayBytes(path, 'r+');
    try {
      const log = OverlayLog.open(bytes);
      const journal = log.journal?.path;
      log.cutOff();
      if (lose) loseJournal(log);
      else recoverJournal(log);
      return journal;
    } finally {
      bytes.close();
    }
  } finally {
    lock.release();
  }
}

/** Removes an overlay: the disk is its base again. @throws OverlayError when it is in use or not there */
export async function discardOverlay(path: string): Promise<void> {
  if (!existsSync(path)) throw new OverlayError(`overlay ${path}: there is no such file`);
  const lock = await lockOverlay(path);
  try {
    removeJournalOf(path);
    rmSync(path);
  } finally {
    lock.release();
  }
}

/**
 * Puts all that an overlay holds into its base, a raw image, and removes the overlay. After a crash it can be done again.
 * @throws OverlayError when it is in use or damaged, or the base is another one or cannot be written
 */
export async function commitOverlay(path: string): Promise<{ readonly base: string; readonly changed: number }> {
  const lock = await lockOverlay(path);
  try {
    const bytes = openOverlayBytes(path, 'r+');
    try {
      const log = OverlayLog.open(bytes);
      log.cutOff();
      recoverJournal(log);
      log.verify();
      const { changed } = log;
      const { path: base, size } = log.header.base;
      const backend = openBase(log);
      const length = backend instanceof FileBackend ? backend.length : 0;
      backend.close();
      if (!(backend instanceof FileBackend))
        throw new OverlayError(
          `${base} is no raw image, which alone can be written to: make a new image with "hindsight disk export"`,
        );
      const fd = openForWriting(base);
      try {
        if (!log.merging) log.beginMerging();
        if (length < size) ftruncateSync(fd, size);
        mergeOverlay(log, size, (offset, data) => writeWhole(fd, data, offset));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      rmSync(path);
      return { base, changed };
    } finally {
      bytes.close();
    }
  } finally {
    lock.release();
  }
}

/**
 * Writes a disk with all that an overlay holds as a raw image; what is zero takes no room where the file system knows holes.
 * @throws OverlayError when the file is there already, or the overlay is damaged or its base another one
 */
export async function exportOverlay(path: string, target: string): Promise<number> {
  if (existsSync(target)) throw new OverlayError(`${target} is there already: name another file, or remove it first`);
  const lock = await lockOverlay(path);
  const beside = `${target}.${randomBytes(6).toString('hex')}.new`;
  try {
    const bytes = openOverlayBytes(path, 'r+');
    const log = OverlayLog.open(bytes);
    log.cutOff();
    recoverJournal(log);
    const base = openBase(log);
    const disk = new OverlaidBackend(base, log);
    try {
      const fd = openSync(beside, 'wx', 0o600);
      try {
        ftruncateSync(fd, disk.size);
        const piece = new Uint8Array(2 ** 20);
        for (let at = 0; at < disk.size; at += piece.length) {
          const part = piece.subarray(0, Math.min(piece.length, disk.size - at));
          await disk.read(at, part);
          if (part.some((byte) => byte !== 0)) writeWhole(fd, part, at);
        }
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(beside, target);
      return disk.size;
    } finally {
      disk.close();
    }
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  } finally {
    lock.release();
  }
}

/** Removes the journal that an overlay names; an overlay that cannot be read names none. */
function removeJournalOf(path: string): void {
  const bytes = openOverlayBytes(path, 'r');
  try {
    const { journal, header } = OverlayLog.open(bytes);
    if (journal !== undefined) removeJournal(header.id, journal.path);
  } catch (error) {
    if (!(error instanceof OverlayError)) throw error;
  } finally {
    bytes.close();
  }
}

/** The base of an overlay, where it was; one that a commit was interrupted over may hold any part of it. */
function openBase(log: OverlayLog): BlockBackend & { close(): void } {
  const { path, size } = log.header.base;
  if (!existsSync(path) || !statSync(path).isFile())
    throw new OverlayError(`the base of overlay ${log.name} is not where it was, at ${path}: bring it there`);
  const base = openDiskFile(path);
  try {
    if (!log.merging) checkBase(log, base, path);
    else if (base.size !== size)
      throw new OverlayError(`${path} has ${base.size} bytes, the base of overlay ${log.name} had ${size}`);
  } catch (error) {
    base.close();
    throw error;
  }
  return base;
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    throw new DiskFileError(`disk ${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
}

function writeWhole(fd: number, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
}
