import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  type BlockBackend,
  type DiskOverlay,
  OverlaidBackend,
  type OverlayBase,
  type OverlayDisk,
  OverlayError,
  OverlayKeeper,
  OverlayLog,
  type WritePolicy,
  type WriteStatistics,
  WriteTier,
} from '../../storage/index.ts';
import { dataFolder, isKeptName } from './data.ts';
import { journalPath, makeJournal, recoverJournal } from './journal-file.ts';
import { type Lock, takeLock } from './lock.ts';
import { openOverlayBytes, syncFolder } from './overlay-bytes.ts';

/** What names of overlay files end with. */
const SUFFIX = '.hso';

/** Where an overlay is that a user names: a file, if it looks like one, otherwise a name among those that are kept. */
export function overlayPath(name: string): string {
  if (name.includes('/') || name.endsWith(SUFFIX)) return resolve(name);
  if (!isKeptName(name))
    throw new OverlayError(
      `overlay ${JSON.stringify(name)}: expected a name of letters, digits and . _ -, or a file such as ./work${SUFFIX}`,
    );
  return join(dataFolder('disks'), `${name}${SUFFIX}`);
}

/** What an overlay was made over; undefined when there is none. @throws OverlayError when it is foreign or damaged */
export function overlayBase(path: string): OverlayBase | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = openOverlayBytes(path, 'r');
  try {
    return OverlayLog.headerOf(bytes).base;
  } finally {
    bytes.close();
  }
}

/** The overlays that are kept by name, with their files. */
export function keptOverlays(): { readonly name: string; readonly path: string }[] {
  const folder = dataFolder('disks');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(SUFFIX))
    .sort()
    .map((file) => ({ name: file.slice(0, -SUFFIX.length), path: join(folder, file) }));
}

/** Takes an overlay for this process. @throws OverlayError while another has it */
export async function lockOverlay(path: string): Promise<Lock> {
  const lock = await takeLock('overlay', path);
  if (lock === undefined)
    throw new OverlayError(`overlay ${path} is in use by another machine: end that first, or name another overlay`);
  return lock;
}

/** Whether a machine uses an overlay now. */
export async function overlayInUse(path: string): Promise<boolean> {
  const lock = await takeLock('overlay', path);
  lock?.release();
  return lock === undefined;
}

/** @throws OverlayError unless an overlay was made over this base */
export function checkBase(log: OverlayLog, base: BlockBackend, basePath: string): void {
  const { hash, size, path } = log.header.base;
  if (log.merging)
    throw new OverlayError(
      `overlay ${log.name} was being committed to ${path} when that was interrupted: finish it with "hindsight disk commit"`,
    );
  if (hash === base.hash && size === base.size) return;
  throw new OverlayError(
    `overlay ${log.name} lies over ${path}, SHA-256 ${hash}; ${basePath} has SHA-256 ${base.hash}: the base was changed underneath, or is another one. Bring the one it was, or discard the overlay with "hindsight disk discard"`,
  );
}

/** How a {@link KeptDisk} is to be opened. */
export interface KeptOptions {
  /** The commit after which the machine goes on: what came later is dropped. */
  readonly until?: number | undefined;
  /** When a flush is done; default `through`. */
  readonly write?: WritePolicy | undefined;
  /** File of the journal, with `back`; in the user's data folder if not said. */
  readonly journal?: string | undefined;
}

/** Milliseconds from a flush until what is in the journal begins to be put into the overlay: what is written again meanwhile is put there once. */
const DRAIN_DELAY = 1000;
/** The same after the overlay could not be written. */
const RETRY_DELAY = 10_000;

/** A disk whose writes are kept in an overlay file, which is this process's until it is closed. */
export class KeptDisk extends OverlaidBackend {
  private readonly writes: OverlayLog;
  private readonly tier: WriteTier;
  private readonly lock: Lock;
  private keeper: OverlayKeeper | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  private constructor(base: BlockBackend & { close?(): void }, log: OverlayLog, lock: Lock) {
    super(base, log);
    this.writes = log;
    this.tier = new WriteTier(log);
    this.lock = lock;
  }

  /**
   * Opens an overlay over a base; one that is not there is made.
   * @param base closed with it @param path see {@link overlayPath} @param basePath of the base, for messages
   * @throws OverlayError
   */
  static async open(
    base: BlockBackend & { close?(): void },
    path: string,
    basePath: string,
    { until, write = 'through', journal }: KeptOptions = {},
  ): Promise<KeptDisk> {
    if (dirname(path) === dataFolder('disks')) dataFolder('disks', true);
    const lock = await lockOverlay(path);
    try {
      let log: OverlayLog;
      if (existsSync(path)) {
        log = OverlayLog.open(openOverlayBytes(path, 'r+'), until);
        checkBase(log, base, basePath);
        log.cutOff();
        recoverJournal(log);
        if (log.wasteful) log = compacted(log, path);
      } else {
        const id = randomBytes(16).toString('hex');
        const { size, hash } = base;
        log = OverlayLog.create(openOverlayBytes(path, 'wx+'), id, { size, hash, path: resolve(basePath) });
        syncFolder(path);
      }
      const disk = new KeptDisk(base, log, lock);
      disk.setWrites(write, journal);
      return disk;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** The last commit. */
  get sequence(): number {
    return this.writes.sequence;
  }

  /** What became of what the guest flushed. */
  get written(): WriteStatistics {
    return this.tier.statistics;
  }

  /**
   * Changes when a flush is done, while the disk is used or not. From back to through, what is in the journal is put into the overlay first.
   * @param journal file of the journal; in the user's data folder if not said @throws OverlayError, and it is as before
   */
  setWrites(policy: WritePolicy, journal?: string): void {
    if (policy === this.tier.policy) return;
    if (policy === 'through') return this.tier.writeThrough();
    const path = journalPath(this.writes, journal);
    this.tier.writeBack(makeJournal(this.writes, path), path);
  }

  keepWrites(disk: OverlayDisk, isLive: () => boolean): void {
    const keeper = new OverlayKeeper(disk, this, this.writes, this.tier);
    this.keeper = keeper;
    disk.onFlush = () => {
      if (!isLive()) return;
      keeper.flush();
      this.drainLater(DRAIN_DELAY);
    };
  }

  keepNow(): void {
    this.keeper?.flush();
    this.tier.drain();
  }

  override close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.timer);
    try {
      this.tier.writeThrough();
    } catch (error) {
      // It stays in the journal, which the overlay names: the next open reports why, or finds that it can be written again.
      if (!(error instanceof OverlayError)) throw error;
    }
    super.close();
    this.lock.release();
  }

  private drainLater(delay: number): void {
    if (this.timer !== undefined || !this.tier.behind) return;
    this.timer = setTimeout(() => void this.drainSteps(), delay).unref();
  }

  private async drainSteps(): Promise<void> {
    let delay = DRAIN_DELAY;
    try {
      while (!this.isClosed && (await this.tier.step())) await new Promise((resolve) => setImmediate(resolve));
    } catch (error) {
      // The guest's writes are safe in the journal; once that is full, a flush says what is wrong.
      if (!(error instanceof OverlayError)) throw error;
      delay = RETRY_DELAY;
    }
    this.timer = undefined;
    if (!this.isClosed) this.drainLater(delay);
  }
}

/**
 * A disk as it was when a recording began, from its base and the overlay, whatever was added to that since.
 * @param candidates files that may be the overlay, if it is not where it was @throws OverlayError
 */
export function openOverlaid(
  base: BlockBackend & { close?(): void },
  { file, id, sequence, state }: DiskOverlay,
  candidates: readonly string[],
): OverlaidBackend {
  let problem: Error | undefined;
  for (const path of new Set([file, ...candidates.filter((name) => name.endsWith(SUFFIX))])) {
    if (!existsSync(path)) continue;
    const bytes = openOverlayBytes(path, 'r');
    try {
      const log = OverlayLog.open(bytes, sequence);
      if (log.header.id === id && log.state === state) return new OverlaidBackend(base, log);
      problem ??= new OverlayError(`overlay ${path} is another one`);
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      problem ??= error;
    }
    bytes.close();
  }
  throw new OverlayError(
    `the disk was used with overlay ${file} as it was after commit ${sequence}, which is not to be had (${problem?.message ?? 'there is no such file'}): name a folder with a copy by --image DIR; a recording made with --embed needs none`,
  );
}

/**
 * A disk as an overlay has it over a base, to be read only; the overlay must not be in use.
 * @param base closed with it @param until the commit as of which it is; the last one if not said @throws OverlayError
 */
export function openOverlayAt(
  base: BlockBackend & { close?(): void },
  path: string,
  basePath: string,
  until?: number,
): OverlaidBackend {
  const bytes = openOverlayBytes(path, 'r');
  try {
    const log = OverlayLog.open(bytes, until);
    checkBase(log, base, basePath);
    if (log.journal !== undefined)
      throw new OverlayError(
        `what was written last to overlay ${path} is in its journal ${log.journal.path}: put it there with "hindsight disk drain"`,
      );
    return new OverlaidBackend(base, log);
  } catch (error) {
    bytes.close();
    throw error;
  }
}

function compacted(log: OverlayLog, path: string): OverlayLog {
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    const copy = log.copyTo(openOverlayBytes(beside, 'wx+'));
    renameSync(beside, path);
    syncFolder(path);
    log.close();
    return copy;
  } catch (error) {
    rmSync(beside, { force: true });
    // No room for a second one: it works as it is.
    if (error instanceof OverlayError) return log;
    throw error;
  }
}
