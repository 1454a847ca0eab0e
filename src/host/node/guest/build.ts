/**
 * Making the guest's images from Debian packages, and finding those made before.
 */
import { createHash } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AGENT_SOURCE } from '../../../guest/agent/binary.ts';
import { DEFAULT_COMMAND_LINE } from '../../../guest/cmdline.ts';
import { BUSYBOX_PACKAGE, KERNEL_METAPACKAGE, kernelPackage, SUITE } from '../../../guest/debian.ts';
import { writeExt4 } from '../../../guest/ext4-image.ts';
import { FileTree } from '../../../guest/file-tree.ts';
import { FULL_PACKAGES, FULL_RECIPE } from '../../../guest/full-root.ts';
import { HELPER_SOURCE } from '../../../guest/helper.ts';
import { DHCP_SCRIPT, initScript, PROFILE } from '../../../guest/init-script.ts';
import { GUEST_MODULES, packInitramfs } from '../../../guest/initramfs.ts';
import type { GuestManifest } from '../../../guest/manifest.ts';
import { moduleName, readModuleInfo } from '../../../guest/modules.ts';
import { belongsOnDisk, finishRoot, layEntry, ROOT_PACKAGES } from '../../../guest/root-files.ts';
import type { NamedBytes } from '../../../machine/session/options.ts';
import { findMirror, PrivateApt, requireApt } from './apt.ts';
import { type CachedBuild, type FilledBuild, GuestCache } from './cache.ts';
import { GuestBuildError } from './errors.ts';
import { configureDisk, layPackages } from './full-disk.ts';
import { readPackage, unxz } from './packages.ts';

/** What a build is doing. Amounts are bytes while fetching, otherwise items. */
export interface GuestProgress {
  readonly phase: 'waiting' | 'indexes' | 'packages' | 'unpacking' | 'packing' | 'configuring';
  readonly done: number;
  readonly total: number;
}

/** How to build. */
export interface GuestBuildOptions {
  /** Cache directory; by default the user's (`cacheDirectory`). */
  readonly cacheDir?: string;
  /** Address of a Debian archive; by default HINDSIGHT_MIRROR, then the machine's own apt configuration. */
  readonly mirror?: string;
  /** Ask the mirror for newer packages and build even when images are there. */
  readonly rebuild?: boolean;
  readonly onProgress?: (progress: GuestProgress) => void;
  readonly signal?: AbortSignal;
}

/** Which root disk, and how to build it. */
export interface DiskBuildOptions extends GuestBuildOptions {
  /** Debian packages that it has beside those of every root disk. */
  readonly packages?: readonly string[];
  /** A whole Debian with systemd and apt, configured by dpkg in a machine, instead of files that are laid out. */
  readonly full?: boolean;
}

type DiskKind = Pick<DiskBuildOptions, 'packages' | 'full'>;

/** A kernel and initramfs that can be booted. */
export interface GuestImages {
  /** Absolute paths. */
  readonly kernel: string;
  readonly initrd: string;
  /** The command line that suits them. */
  readonly commandLine: string;
  readonly manifest: GuestManifest;
  readonly directory: string;
  /** Made by another recipe than today's; a build would make new ones. */
  readonly stale: boolean;
}

/** A root disk. */
export interface GuestDisk {
  /** Absolute path of a raw image with one ext4 file system, for `root=/dev/vda`. */
  readonly disk: string;
  readonly manifest: GuestManifest;
  readonly directory: string;
  readonly stale: boolean;
}

/** To be raised when images come out differently though the texts and lists that go into the recipes are the same. */
const RECIPE_VERSION = 1;
const MIB = 2 ** 20;
/** The same for root disks alone. */
const DISK_VERSION = 2;
/** Room left free on a root disk. */
const DISK_FREE_BYTES = 512 * MIB;
const FULL_FREE_BYTES = 2048 * MIB;
const DISK_UUID = Uint8Array.from([
  0x48, 0x69, 0x6e, 0x64, 0x73, 0x69, 0x47, 0x68, 0x84, 0x72, 0x6f, 0x6f, 0x74, 0x66, 0x73, 0x31,
]);

const digest = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
const kernelRecipe = (): string =>
  digest(
    RECIPE_VERSION,
    SUITE,
    AGENT_SOURCE,
    GUEST_MODULES,
    initScript({ release: '', diskModules: [] }),
    PROFILE,
    DHCP_SCRIPT,
    HELPER_SOURCE,
  );
const diskRecipe = ({ packages = [], full = false }: DiskKind): string =>
  digest(
    RECIPE_VERSION,
    DISK_VERSION,
    SUITE,
    ...(full
      ? [FULL_RECIPE, [...packages].sort(), FULL_FREE_BYTES]
      : [packages.length === 0 ? ROOT_PACKAGES : wanted(packages), DISK_FREE_BYTES]),
  );
const wanted = (more: readonly string[]): string[] => [...new Set([...ROOT_PACKAGES, ...more])].sort();
/** Under what name a disk other than the ordinary one is kept. */
const variantOf = ({ packages = [], full = false }: DiskKind): string | undefined =>
  full ? digest('full', [...packages].sort()) : packages.length === 0 ? undefined : digest([...packages].sort());

const images = (build: CachedBuild): GuestImages => ({
  kernel: join(build.directory, 'kernel'),
  initrd: join(build.directory, 'initrd.cpio'),
  commandLine: DEFAULT_COMMAND_LINE,
  manifest: build.manifest,
  directory: build.directory,
  stale: build.manifest.recipe !== kernelRecipe(),
});
const disk = (build: CachedBuild, kind: DiskKind): GuestDisk => ({
  disk: join(build.directory, 'root.ext4'),
  manifest: build.manifest,
  directory: build.directory,
  stale: build.manifest.recipe !== diskRecipe(kind),
});

/** The guest in the cache, without any network; undefined when none was built. */
export async function findGuest(cacheDir?: string): Promise<GuestImages | undefined> {
  const build = await new GuestCache(cacheDir).current('kernel');
  return build === undefined ? undefined : images(build);
}

/** The root disk in the cache, without any network; undefined when none was built. */
export async function findDisk(cacheDir?: string, kind: DiskKind = {}): Promise<GuestDisk | undefined> {
  const build = await new GuestCache(cacheDir).current('disk', variantOf(kind));
  return build === undefined ? undefined : disk(build, kind);
}

/** Every build in the cache, newer recipes or not; `inUse` marks those that runs take. */
export async function listGuests(cacheDir?: string): Promise<(CachedBuild & { readonly inUse: boolean })[]> {
  const cache = new GuestCache(cacheDir);
  const used = async ({ directory, manifest: { kind, variant } }: CachedBuild): Promise<boolean> =>
    (await cache.current(kind, variant))?.directory === directory;
  return Promise.all((await cache.list()).map(async (build) => ({ ...build, inUse: await used(build) })));
}

/**
 * The kernel and initramfs: those of the cache when they are there and up to date with this program, otherwise newly
 * made from the newest packages of the mirror.
 *
 * @throws GuestBuildError with a message for the user.
 */
export async function buildGuest(options: GuestBuildOptions = {}): Promise<GuestImages> {
  const fresh = async (): Promise<GuestImages | undefined> => {
    const found = options.rebuild === true ? undefined : await findGuest(options.cacheDir);
    return found === undefined || found.stale ? undefined : found;
  };
  return (
    (await fresh()) ??
    build(
      options,
      async () => (await findGuest(options.cacheDir)) !== undefined,
      fresh,
      async (cache, apt, progress) => images(await makeKernel(cache, apt, progress, options.signal)),
    )
  );
}

/**
 * The root disk, as `buildGuest` makes the kernel.
 *
 * @throws GuestBuildError with a message for the user.
 */
export async function buildDisk(options: DiskBuildOptions = {}): Promise<GuestDisk> {
  const fresh = async (): Promise<GuestDisk | undefined> => {
    const found = options.rebuild === true ? undefined : await findDisk(options.cacheDir, options);
    return found === undefined || found.stale ? undefined : found;
  };
  const there = await fresh();
  if (there !== undefined) return there;
  const { rebuild: _rebuild, ...others } = options;
  const guest = options.full === true ? await buildGuest(others) : undefined;
  return build(
    options,
    async () => (await findDisk(options.cacheDir, options)) !== undefined,
    fresh,
    async (cache, apt, progress) =>
      disk(
        await (guest === undefined
          ? makeDisk(cache, apt, progress, options.packages ?? [], options.signal)
          : makeFullDisk(cache, apt, progress, guest, options)),
        options,
      ),
  );
}

type Report = (phase: GuestProgress['phase'], done: number, total: number) => void;

async function build<T>(
  options: GuestBuildOptions,
  exists: () => Promise<boolean>,
  fresh: () => Promise<T | undefined>,
  make: (cache: GuestCache, apt: PrivateApt, report: Report) => Promise<T>,
): Promise<T> {
  const report: Report = (phase, done, total) => options.onProgress?.({ phase, done, total });
  const cache = new GuestCache(options.cacheDir);
  await requireApt();
  const mirror = await findMirror(options.mirror);
  return cache.exclusively(
    async () => {
      // the process that held the lock before may have built what we want
      const built = await fresh();
      if (built !== undefined) return built;
      const apt = new PrivateApt(cache.aptDirectory, mirror, options.signal);
      let offline: unknown;
      try {
        await apt.update((done, total) => report('indexes', done, total));
      } catch (error) {
        // without a network, what was fetched and verified for the build in use can be packed again
        if (options.rebuild === true || !(error instanceof GuestBuildError) || !(await exists())) throw error;
        offline = error;
      }
      try {
        return await make(cache, apt, report);
      } catch (error) {
        throw offline ?? error;
      }
    },
    () => report('waiting', 0, 1),
    options.signal,
  );
}

async function makeKernel(
  cache: GuestCache,
  apt: PrivateApt,
  report: Report,
  signal?: AbortSignal,
): Promise<CachedBuild> {
  const [meta, busybox] = await apt.show([KERNEL_METAPACKAGE, BUSYBOX_PACKAGE]);
  const [linux] = await apt.show([kernelPackage(meta!)]);
  const files = await apt.download([linux!, busybox!], (done, total) => report('packages', done, total));

  report('unpacking', 0, 2);
  const compressed = new Map<string, Uint8Array>();
  let kernel: Uint8Array | undefined;
  let release = '';
  let builtin = new Set<string>();
  await readPackage(
    files.get(linux!.name)!,
    ({ path, data, type }) => {
      if (type !== 'file') return;
      if (/^boot\/vmlinu[xz]-/.test(path)) {
        kernel = data;
        release = path.replace(/^boot\/vmlinu[xz]-/, '');
      } else if (path.endsWith('/modules.builtin'))
        builtin = new Set(Buffer.from(data).toString('utf8').split('\n').map(moduleName));
      else if (/\.ko(\.xz)?$/.test(path)) compressed.set(path, data);
    },
    (path) => /^boot\/vmlinu[xz]-|modules\.builtin$|\.ko(\.xz)?$/.test(path),
    signal,
  );
  report('unpacking', 1, 2);
  let shell: Uint8Array | undefined;
  await readPackage(
    files.get(busybox!.name)!,
    ({ path, data }) => {
      if (/^(usr\/)?bin\/busybox$/.test(path)) shell = data;
    },
    undefined,
    signal,
  );
  report('unpacking', 2, 2);
  if (kernel === undefined) throw new Error(`${linux!.name} ${linux!.version} holds no /boot/vmlinux`);
  if (shell === undefined) throw new Error(`${busybox!.name} ${busybox!.version} holds no busybox`);

  const modules = await chooseModules(compressed, (done, total) => report('packing', done, total));
  const initrd = packInitramfs({ release, busybox: shell, modules, builtin });
  return cache.publish(async (directory) => {
    await writeFile(join(directory, 'kernel'), kernel!);
    await writeFile(join(directory, 'initrd.cpio'), initrd);
    const packages = { [linux!.name]: linux!.version, [busybox!.name]: busybox!.version };
    return {
      name: `linux-${linux!.version}`,
      manifest: { kind: 'kernel', recipe: kernelRecipe(), packages, release },
      files: ['kernel', 'initrd.cpio'],
    };
  });
}

/** Decompresses the modules the guest carries, and what they depend on. */
async function chooseModules(
  compressed: ReadonlyMap<string, Uint8Array>,
  onProgress: (done: number, total: number) => void,
): Promise<Map<string, Uint8Array>> {
  const byName = new Map([...compressed.keys()].map((path) => [moduleName(path), path]));
  const queue = GUEST_MODULES.filter((name) => byName.has(name)) as string[];
  const chosen = new Map<string, Uint8Array>();
  for (let i = 0; i < queue.length; i++) {
    const path = byName.get(queue[i]!)!;
    const packed = compressed.get(path)!;
    const image = path.endsWith('.xz') ? await unxz(packed) : packed;
    chosen.set(path, image);
    for (const name of readModuleInfo(image, path).depends)
      if (byName.has(name) && !queue.includes(name)) queue.push(name);
    onProgress(i + 1, queue.length);
  }
  return chosen;
}

/** Packages in the order in which they are laid out: base-files brings the links of the merged /usr, which the others' paths go through. */
const inOrder = (files: ReadonlyMap<string, string>): [name: string, file: string][] =>
  [...files].sort(([a], [b]) => Number(b === 'base-files') - Number(a === 'base-files') || (a < b ? -1 : 1));

async function makeDisk(
  cache: GuestCache,
  apt: PrivateApt,
  report: Report,
  more: readonly string[],
  signal?: AbortSignal,
): Promise<CachedBuild> {
  const { packages, files } = await apt.downloadClosure(wanted(more), (done, total) => report('packages', done, total));
  const versions = new Map(packages.map((p) => [p.name, p.version]));
  const tree = new FileTree();
  let newest = 0;
  let size = 0;
  let count = 0;
  const order = inOrder(files);
  for (const [index, [, file]] of order.entries()) {
    report('unpacking', index, order.length);
    await readPackage(
      file,
      (entry) => {
        layEntry(tree, entry);
        newest = Math.max(newest, entry.mtime);
        if (belongsOnDisk(entry.path)) {
          count++;
          size += Math.ceil(entry.data.length / 4096) * 4096;
        }
      },
      belongsOnDisk,
      signal,
    );
  }
  report('unpacking', order.length, order.length);
  finishRoot(tree, versions, newest);

  return cache.publish(async (directory) => {
    await writeImage(join(directory, ROOT_IMAGE), tree, { size, count, time: newest }, DISK_FREE_BYTES, report, signal);
    return diskBuild({ packages: more }, versions);
  });
}

const ROOT_IMAGE = 'root.ext4';

/** What {@link GuestCache.publish} is told of a root disk. */
function diskBuild(kind: DiskKind, versions: ReadonlyMap<string, string>): FilledBuild {
  const variant = variantOf(kind);
  return {
    name: `debian-${SUITE}-${kind.full === true ? 'full' : 'disk'}`,
    files: [ROOT_IMAGE],
    manifest: {
      kind: 'disk',
      ...(variant !== undefined && { variant }),
      recipe: diskRecipe(kind),
      packages: Object.fromEntries([...versions].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

/** Writes a tree as an ext4 file system. @param of it: bytes and number of its files, and when the newest was made */
async function writeImage(
  path: string,
  tree: FileTree,
  of: { readonly size: number; readonly count: number; readonly time: number },
  free: number,
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  const room = Math.ceil((of.size * 1.05 + free) / (64 * MIB)) * 64 * MIB;
  const file = await open(path, 'w');
  try {
    await file.truncate(room);
    let written = 0;
    const inodes = Math.max(of.count * 2, 32768);
    for (const chunk of writeExt4(tree, { size: room, uuid: DISK_UUID, label: 'hindsight', time: of.time, inodes })) {
      signal?.throwIfAborted();
      await file.write(chunk.data, 0, chunk.data.length, chunk.offset);
      written += chunk.data.length;
      report('packing', Math.min(written, of.size), of.size);
    }
    report('packing', of.size, of.size);
  } finally {
    await file.close();
  }
}

/** A whole Debian: packages laid out as dpkg unpacks them, then configured by dpkg in a machine. */
async function makeFullDisk(
  cache: GuestCache,
  apt: PrivateApt,
  report: Report,
  guest: GuestImages,
  { packages: more = [], signal }: DiskBuildOptions,
): Promise<CachedBuild> {
  const { packages, files } = await apt.downloadClosure([...FULL_PACKAGES, ...more], (done, total) =>
    report('packages', done, total),
  );
  const tree = new FileTree();
  const laid = await layPackages(
    tree,
    inOrder(files).map(([, file]) => file),
    (index) => report('unpacking', index, files.size),
    signal,
  );
  report('unpacking', files.size, files.size);
  laid.packages.finish(laid.newest, apt.source);
  const named = async (file: string): Promise<NamedBytes> => ({ file, bytes: await readFile(file) });
  const images = { kernel: await named(guest.kernel), initrd: await named(guest.initrd) };
  return cache.publish(async (directory) => {
    const image = join(directory, ROOT_IMAGE);
    const { size, count } = laid.packages;
    await writeImage(image, tree, { size, count, time: laid.newest }, FULL_FREE_BYTES, report, signal);
    const configuring = (done: number): void => report('configuring', done, files.size);
    await configureDisk(image, images, configuring, signal);
    return diskBuild({ packages: more, full: true }, new Map(packages.map((p) => [p.name, p.version])));
  });
}
