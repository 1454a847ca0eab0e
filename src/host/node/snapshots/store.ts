import { createHash } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { copyOf } from '../../../bytes/source.ts';
import type { Engine } from '../../../machine/engine/engine.ts';
import type { StartSnapshot } from '../../../machine/session/session.ts';
import { openBases } from '../../../machine/state/snapshot-bases.ts';
import { SnapshotFile } from '../../../machine/state/snapshot-file.ts';
import { type SnapshotBase, writeSnapshot } from '../../../machine/state/snapshot-writer.ts';
import { exclusively } from '../exclusive.ts';
import { replaceFile } from '../replace-file.ts';
import { firstPagesPath } from './first-pages.ts';
import { openSnapshot, openSnapshotSource } from './snapshot-source.ts';

/** A snapshot cannot be found, kept or named so; says which and what to do. */
export class SnapshotStoreError extends Error {
  override name = 'SnapshotStoreError';
}

/** A snapshot in a store. */
export interface StoredSnapshot {
  readonly name: string;
  /** SHA-256 of its file. */
  readonly hash: string;
  /** Bytes of its file; pages that it shares are in others. */
  readonly size: number;
  /** SHA-256 of the files that it shares pages with. */
  readonly bases: readonly string[];
  /** When it was saved, ISO 8601. */
  readonly saved: string;
}

const FORMAT = 1;
const SUFFIX = '.json';
/** Most files whose pages a new snapshot is offered. */
const MOST_BASES = 8;
/** Files that nobody names are left alone for so long, in milliseconds: somebody may be about to. */
const YOUNG = 3_600_000;

/** The folder of snapshots with names: `$XDG_DATA_HOME/hindsight/snapshots`, by default in `~/.local/share` (XDG Base Directory Specification). */
export function snapshotDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_DATA_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.local', 'share'), 'hindsight', 'snapshots');
}

/** Whether a text names a snapshot in a store; otherwise it is a path. */
export const isSnapshotName = (text: string): boolean => /^[A-Za-z0-9][\w.-]*$/.test(text) && !text.endsWith('.hss');

/**
 * Snapshots by names, in a folder: each name is a small file that says which snapshot files it needs, `HASH.hss` by their contents. Snapshots share
 * pages: one names files of others, and a file goes when the last name that needs it goes. Every write is durable before it is named, so that a
 * name has the old snapshot or the new one, whatever happens meanwhile.
 */
export class SnapshotStore {
  /** Absolute. */
  readonly directory: string;

  constructor(directory: string = snapshotDirectory()) {
    this.directory = resolve(directory);
  }

  /** All, by name. Damaged entries are left out. */
  async list(): Promise<StoredSnapshot[]> {
    const files = await readdir(this.directory).catch(() => []);
    const names = files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length));
    const entries = await Promise.all(names.sort().map((name) => this.entry(name).catch(() => undefined)));
    return entries.filter((entry) => entry !== undefined);
  }

  /** Whether there is one of a name. */
  async has(name: string): Promise<boolean> {
    return (await this.entry(name)) !== undefined;
  }

  /**
   * Saves a machine, between two instructions, under a name; one that has the name goes.
   * @throws SnapshotStoreError when there is no room: what was there stays
   */
  async save(name: string, engine: Engine): Promise<StoredSnapshot> {
    this.checkName(name);
    const bases = await this.basesFor(engine);
    const { bytes, bases: used } = writeSnapshot(engine, bases);
    const hash = createHash('sha256').update(bytes).digest('hex');
    const entry = { name, hash, size: bytes.length, bases: used, saved: new Date().toISOString() };
    try {
      await this.locked(async () => {
        await mkdir(this.directory, { recursive: true });
        const old = await this.entry(name).catch(() => undefined);
        for (const base of used) await this.bring(bases.find((one) => one.hash === base)!);
        await replaceFile(this.path(hash), bytes);
        const { name: _, ...text } = entry;
        await replaceFile(this.named(name), `${JSON.stringify({ format: FORMAT, ...text })}\n`);
        await this.sweep(old && [old.hash, ...old.bases]);
      });
    } catch (error) {
      throw noRoom(error, name, bytes.length);
    }
    return entry;
  }

  /** Opens one as a machine's start. @throws SnapshotStoreError when there is none of the name, StateError when it is damaged */
  async open(name: string): Promise<StartSnapshot> {
    const entry = await this.entry(name);
    if (entry === undefined) {
      const names = (await this.list()).map((one) => one.name);
      throw new SnapshotStoreError(
        `there is no snapshot "${name}": ${names.length > 0 ? `expected one of ${names.join(', ')}` : 'none is saved yet'}; hindsight snapshot save makes one`,
      );
    }
    const now = new Date();
    await utimes(this.named(name), now, now).catch(() => undefined);
    return openSnapshot(this.path(entry.hash), entry.hash);
  }

  /** Forgets one; files that no other shares go with it. @throws SnapshotStoreError when there is none of the name */
  async remove(name: string): Promise<void> {
    await this.locked(async () => {
      const entry = await this.entry(name);
      if (entry === undefined) throw new SnapshotStoreError(`there is no snapshot "${name}" to remove`);
      await rm(this.named(name));
      await this.sweep([entry.hash, ...entry.bases]);
    });
  }

  /** Forgets all that need a file, which is damaged. @param hash its SHA-256 */
  async forget(hash: string): Promise<void> {
    for (const entry of await this.list())
      if (entry.hash === hash || entry.bases.includes(hash)) await this.remove(entry.name);
  }

  /** Removes those used longest ago until all together take at most so many bytes. @param keep is not removed */
  async shrink(bytes: number, keep: string): Promise<void> {
    await this.locked(async () => {
      const entries = await Promise.all(
        (await this.list()).map(async (entry) => ({ entry, used: (await stat(this.named(entry.name))).mtimeMs })),
      );
      entries.sort((a, b) => b.used - a.used);
      const kept = new Map<string, number>();
      let full = false;
      for (const { entry } of entries) {
        const sizes = await Promise.all(
          [entry.hash, ...entry.bases].map(
            async (hash) =>
              [hash, (await sizeOf(this.path(hash))) + (await sizeOf(firstPagesPath(this.path(hash))))] as const,
          ),
        );
        const all = new Map([...kept, ...sizes]);
        full ||= [...all.values()].reduce((sum, size) => sum + size, 0) > bytes;
        if (full && entry.name !== keep) await rm(this.named(entry.name), { force: true });
        else for (const [hash, size] of sizes) kept.set(hash, size);
      }
      await this.sweep(entries.flatMap(({ entry }) => [entry.hash, ...entry.bases]));
    });
  }

  /** Where the snapshot file of a SHA-256 is, if it is here. */
  path(hash: string): string {
    return join(this.directory, `${hash}.hss`);
  }

  private named(name: string): string {
    return join(this.directory, `${name}${SUFFIX}`);
  }

  private checkName(name: string): void {
    if (!isSnapshotName(name)) {
      throw new SnapshotStoreError(
        `"${name}" is no name for a snapshot: expected letters, digits, dots, underscores and hyphens, or the path of a file that ends in .hss`,
      );
    }
  }

  private async entry(name: string): Promise<StoredSnapshot | undefined> {
    this.checkName(name);
    let text: string;
    try {
      text = await readFile(this.named(name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const found = parseEntry(text);
    if (found === undefined)
      throw new SnapshotStoreError(
        `${this.named(name)} is damaged, or of a newer release: remove it with hindsight snapshot rm ${name}, or use that release`,
      );
    return { name, ...found };
  }

  /** Files that a machine's pages are looked for in: those it started from, then the newest here of machines like it. */
  private async basesFor(engine: Engine): Promise<SnapshotBase[]> {
    const bases = new Map(openBases(engine).map((base) => [base.hash, base]));
    const entries = await this.list();
    entries.sort((a, b) => (a.saved < b.saved ? 1 : -1));
    for (const hash of entries.flatMap((entry) => [entry.hash, ...entry.bases])) {
      if (bases.size >= MOST_BASES) break;
      if (bases.has(hash)) continue;
      try {
        const path = this.path(hash);
        const file = new SnapshotFile(openSnapshotSource(path), path, hash);
        if (file.config.kernel?.hash === engine.config.kernel?.hash) bases.set(hash, { hash, file });
      } catch {
        // One that is damaged or gone is no help.
      }
    }
    return [...bases.values()];
  }

  /** Has a file that pages are shared with in this folder: by another name for it where that is possible. */
  private async bring({ hash, file: { source } }: SnapshotBase): Promise<void> {
    const path = this.path(hash);
    if ((await stat(path).catch(() => undefined)) !== undefined) return;
    try {
      if (!('path' in source)) throw new Error('it is in no file');
      await link(source.path as string, path);
    } catch {
      await replaceFile(path, copyOf(source));
    }
  }

  /** Removes files that no name needs: those given, and old ones that an interrupted process left. */
  private async sweep(given: readonly string[] = []): Promise<void> {
    const needed = new Set((await this.list()).flatMap(({ hash, bases }) => [hash, ...bases]));
    for (const file of await readdir(this.directory).catch(() => [])) {
      const hash = /^([0-9a-f]{32,64})\.(?:hss(?:\.sha256)?|first)$/.exec(file)?.[1];
      const leftover = file.endsWith('.new');
      if (!leftover && (hash === undefined || needed.has(hash))) continue;
      const path = join(this.directory, file);
      const age = Date.now() - ((await stat(path).catch(() => undefined))?.ctimeMs ?? 0);
      if ((hash !== undefined && given.includes(hash)) || age > YOUNG) await rm(path, { force: true });
    }
  }

  private locked<T>(work: () => Promise<T>): Promise<T> {
    return exclusively(`snapshots ${this.directory}`, work);
  }
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;

function parseEntry(text: string): Omit<StoredSnapshot, 'name'> | undefined {
  try {
    const { format, hash, size, bases, saved } = JSON.parse(text) as StoredSnapshot & { format: number };
    const isHash = (one: unknown): boolean => typeof one === 'string' && /^[0-9a-f]{64}$/.test(one);
    if (format !== FORMAT || !isHash(hash) || !Array.isArray(bases) || !bases.every(isHash)) return undefined;
    return { hash, size: Number(size), bases, saved: String(saved) };
  } catch {
    return undefined;
  }
}

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The error for a snapshot that could not be written: says so where the reason is that there is no room. */
export function noRoom(error: unknown, name: string, size: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !NO_ROOM.has(code)) return error;
  return new SnapshotStoreError(
    `the snapshot ${name} could not be saved: no room for its ${size} bytes. What had the name is as it was; make room (hindsight snapshot list, hindsight snapshot rm) and save it again`,
  );
}
