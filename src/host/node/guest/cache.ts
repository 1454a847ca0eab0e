/**
 * The user's cache of guest images. Each build lies in a directory of its own that appears under its name by one
 * rename, complete; a pointer file, replaced the same way, names the build in use.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type GuestFile, type GuestManifest, parseManifest } from '../../../guest/manifest.ts';
import { exclusively } from '../exclusive.ts';

/** A build in the cache. */
export interface CachedBuild {
  /** Absolute path of its directory. */
  readonly directory: string;
  readonly manifest: GuestManifest;
}

/** A build whose files are written. */
export interface FilledBuild {
  readonly name: string;
  readonly manifest: Omit<GuestManifest, 'format' | 'files'>;
  readonly files: readonly string[];
}

/** The directory of Hindsight's cache: `$XDG_CACHE_HOME/hindsight`, by default `~/.cache/hindsight` (XDG Base Directory Specification). */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'hindsight');
}

const sha256Of = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
};

/** Describes a file for a manifest. */
async function describeFile(directory: string, name: string): Promise<GuestFile> {
  const path = join(directory, name);
  return { name, size: (await stat(path)).size, sha256: await sha256Of(path) };
}

/** Guest images under one cache directory. */
export class GuestCache {
  /** Absolute. */
  readonly directory: string;

  constructor(directory: string = cacheDirectory()) {
    this.directory = resolve(directory);
  }

  /** Where apt keeps its own state between builds. */
  get aptDirectory(): string {
    return join(this.directory, 'apt');
  }

  /** The build in use, if there is a whole one. */
  async current(kind: GuestManifest['kind'], variant?: string): Promise<CachedBuild | undefined> {
    const name = await readFile(this.pointer(kind, variant), 'utf8').catch(() => undefined);
    return name === undefined ? undefined : this.read(name.trim());
  }

  /** All whole builds, by name. */
  async list(): Promise<CachedBuild[]> {
    const names = await readdir(this.images).catch(() => []);
    const builds = await Promise.all(
      names
        .filter((n) => !n.startsWith('.'))
        .sort()
        .map((n) => this.read(n)),
    );
    return builds.filter((b) => b !== undefined);
  }

  /** Whether the files of a build still have the content their manifest says. */
  async verify(build: CachedBuild): Promise<boolean> {
    const now = await Promise.all(
      build.manifest.files.map((f) => describeFile(build.directory, f.name).catch(() => undefined)),
    );
    return build.manifest.files.every((f, i) => now[i]?.sha256 === f.sha256);
  }

  /**
   * Builds into a fresh directory and publishes it.
   *
   * @param fill Writes the files and says their manifest's other fields and the build's name, without the content digest that is added to it.
   */
  async publish(fill: (directory: string) => Promise<FilledBuild>): Promise<CachedBuild> {
    await mkdir(this.images, { recursive: true });
    await this.sweep();
    const work = await mkdtemp(join(this.images, `.building-${process.pid}-`));
    try {
      const { name, manifest: facts, files } = await fill(work);
      const manifest: GuestManifest = {
        format: 1,
        ...facts,
        files: await Promise.all(files.map((f) => describeFile(work, f))),
      };
      const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
      await writeFile(join(work, 'manifest.json'), text);
      const full = `${name.replace(/[^\w.+~-]/g, '_')}_${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
      await this.install(work, full);
      const current = this.pointer(manifest.kind, manifest.variant);
      const pointer = `${current}.${process.pid}`;
      await writeFile(pointer, `${full}\n`);
      await rename(pointer, current);
      return { directory: join(this.images, full), manifest };
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  /**
   * Runs `work` while no other process builds in this cache.
   *
   * @param waiting Called when another process builds.
   */
  exclusively<T>(work: () => Promise<T>, waiting: () => void = () => undefined, signal?: AbortSignal): Promise<T> {
    return exclusively(`guests ${this.directory}`, work, waiting, signal);
  }

  private get images(): string {
    return join(this.directory, 'guests');
  }

  private pointer(kind: GuestManifest['kind'], variant?: string): string {
    return join(this.directory, variant === undefined ? `current-${kind}` : `current-${kind}-${variant}`);
  }

  private async read(name: string): Promise<CachedBuild | undefined> {
    if (name === '' || name.startsWith('.') || name.includes('/')) return undefined;
    const directory = join(this.images, name);
    try {
      const manifest = parseManifest(await readFile(join(directory, 'manifest.json'), 'utf8'));
      const sizes = await Promise.all(manifest.files.map(async (f) => (await stat(join(directory, f.name))).size));
      return manifest.files.every((f, i) => f.size === sizes[i]) ? { directory, manifest } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Moves a finished directory to its name; what was there has the same content or is damaged. */
  private async install(work: string, name: string): Promise<void> {
    const old = await this.read(name);
    if (old !== undefined && (await this.verify(old))) return;
    const target = join(this.images, name);
    const aside = `${work}.old`;
    await rename(target, aside).catch(() => undefined);
    await rename(work, target);
    await rm(aside, { recursive: true, force: true });
  }

  /** Removes what interrupted builds left. Called with the lock held. */
  private async sweep(): Promise<void> {
    for (const name of await readdir(this.images)) {
      if (name.startsWith('.building-')) await rm(join(this.images, name), { recursive: true, force: true });
    }
  }
}
