import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  type BlockBackend,
  type DiskOverlay,
  OverlaidBackend,
  type OverlayBase,
  type OverlayDisk,
  OverlayError,
  type OverlayFile,
  OverlayKeeper,
  OverlayLog,
} from '../../storage/index.ts';
import { dataFolder, isKeptName } from './data.ts';
import { type Lock, takeLock } from './lock.ts';

/** What names of overlay files end with. */
const SUFFIX = '.hso';

/** A file as overlays use it. @param flags as of open(2) */
export function openOverlayBytes(path: string, flags: 'r' | 'r+' | 'wx+'): OverlayFile {
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new OverlayError(
      code === 'ENOENT'
        ? `overlay ${path}: there is no such file`
        : `overlay ${path} cannot be opened: ${code ?? message}`,
      { cause: error },
    );
  }
  return {
    name: path,
    get size() {
      return fstatSync(fd).size;
    },
    read(offset, into) {
      let got = 0;
      for (let n = 1; n > 0 && got < into.length; got += n)
        n = readSync(fd, into, got, into.length - got, offset + got);
      return got;
    },
    write(offset, bytes) {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
    },
    sync: () => fsyncSync(fd),
    truncate: (size) => ftruncateSync(fd, size),
    close: () => closeSync(fd),
  };
}

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
    return OverlayLog.open(bytes).header.base;
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

/** A disk whose writes are kept in an overlay file, which is this process's until it is closed. */
export class KeptDisk extends OverlaidBackend {
  private readonly writes: OverlayLog;
  private readonly lock: Lock;
  private keeper: OverlayKeeper | undefined;

  private constructor(base: BlockBackend & { close?(): void }, log: OverlayLog, lock: Lock) {
    super(base, log);
    this.writes = log;
    this.lock = lock;
  }

  /**
   * Opens an overlay over a base; one that is not there is made.
   * @param base closed with it @param path see {@link overlayPath} @param basePath of the base, for messages
   * @param until the commit after which the machine goes on: what came later is dropped
   * @throws OverlayError
   */
  static async open(
    base: BlockBackend & { close?(): void },
    path: string,
    basePath: string,
    until?: number,
  ): Promise<KeptDisk> {
    if (dirname(path) === dataFolder('disks')) dataFolder('disks', true);
    const lock = await lockOverlay(path);
    try {
      let log: OverlayLog;
      if (existsSync(path)) {
        log = OverlayLog.open(openOverlayBytes(path, 'r+'), until);
        checkBase(log, base, basePath);
        log.cutOff();
        if (log.wasteful) log = compacted(log, path);
      } else {
        const id = randomBytes(16).toString('hex');
        const { size, hash } = base;
        log = OverlayLog.create(openOverlayBytes(path, 'wx+'), id, { size, hash, path: resolve(basePath) });
        syncFolder(path);
      }
      return new KeptDisk(base, log, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** The last commit. */
  get sequence(): number {
    return this.writes.sequence;
  }

  keepWrites(disk: OverlayDisk, isLive: () => boolean): void {
    const keeper = new OverlayKeeper(disk, this, this.writes);
    this.keeper = keeper;
    disk.onFlush = () => {
      if (isLive()) keeper.flush();
    };
  }

  keepNow(): void {
    this.keeper?.flush();
  }

  override close(): void {
    super.close();
    this.lock.release();
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

/** A new name is only durable once its folder is. */
function syncFolder(path: string): void {
  const fd = openSync(dirname(path), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
