import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { bootLines, bootWords, COMMAND_LINE_LIMIT, type GuestBoot } from '../guest/cmdline.ts';
import { commandArchive } from '../guest/initramfs.ts';
import { isDiskFile, openDiskFile } from '../host/node/disk-file.ts';
import { waitingGuest } from '../host/node/guest/index.ts';
import { KeptDisk, overlayBase, overlayPath } from '../host/node/overlay-file.ts';
import { isUrl, openUrl } from '../host/node/url-disk.ts';
import { MAX_HARTS } from '../isa/layout.ts';
import { parseMemory } from '../machine/board/config.ts';
import { CORES, type CoreKind } from '../machine/engine/cores.ts';
import type { DiskOption, HardwareOptions, NamedBytes } from '../machine/session/options.ts';
import type { CacheOptions } from '../storage/chunked.ts';
import { OverlaidBackend, type WritePolicy } from '../storage/index.ts';
import { parseDiskCache } from './disk-tiers.ts';
import { CliError, UsageError } from './exit.ts';
import { provideDisk, provideGuest } from './guest-build.ts';
import { parseChoice, parseInteger, parsePackageNames, parseSize } from './values.ts';

/** Flags that say what machine to build, as typed. */
export interface MachineFlags {
  readonly mem?: string;
  readonly harts?: string;
  readonly core?: string;
  readonly isa?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly firmware?: string;
  readonly disk?: readonly string[];
  readonly diskCache?: string;
  readonly root?: string;
  /** True without a size. */
  readonly balloon?: string | true;
  readonly seed?: string;
  readonly chaos?: string;
  readonly share?: readonly string[];
  readonly control?: string;
  readonly net?: string;
  readonly cold?: boolean;
  readonly quiet?: boolean;
}

/** What a machine has unless it is said. */
export const DEFAULT_MEMORY = '256M';
export const DEFAULT_HARTS = '1';
/** Names of the root disks that `hindsight guest build --disk` makes. */
const BUILT_DISK = /^(debian|full)(?:\+(.*))?$/s;
/** The command line of a kernel that is not the guest's, unless the user gives another. */
const PLAIN_COMMAND_LINE = 'console=ttyS0';
/** The kernel module that serves the memory balloon. */
const BALLOON_MODULE = 'virtio_balloon';
/** In place of a kernel: firmware alone. */
const NO_KERNEL = 'none';
/** Memory that a disk on a server may take. */
const MAX_SEED = 0xffff_ffff;

/** Values of the flags that can be refused without opening a file. */
export interface CheckedFlags {
  readonly memory: number;
  readonly harts: number;
  readonly core?: CoreKind;
  /** What the memory balloon holds from power-on, in bytes; left out for none. */
  readonly balloon?: number;
  readonly seed?: number;
  readonly chaos: boolean;
}

/** @throws UsageError, ConfigError naming the flag and what was expected */
export function checkMachineFlags(flags: MachineFlags): CheckedFlags {
  if (flags.seed !== undefined && flags.chaos !== undefined)
    throw new UsageError('--chaos SEED is a seed already; leave --seed away');
  const chosen = flags.chaos ?? flags.seed;
  if (flags.initrd !== undefined && flags.kernel === undefined)
    throw new UsageError('--initrd needs --kernel: the modules in it belong to one kernel');
  if (flags.kernel === NO_KERNEL && flags.firmware === undefined)
    throw new UsageError('--kernel none leaves nothing to run; add --firmware FILE, a program for machine mode');
  if (flags.initrd !== undefined && flags.kernel === NO_KERNEL)
    throw new UsageError('--initrd needs a kernel; --kernel none is none');
  const memory = parseMemory(flags.mem ?? DEFAULT_MEMORY);
  return {
    memory,
    harts: parseInteger('--harts', flags.harts ?? DEFAULT_HARTS, 1, MAX_HARTS),
    ...parseCore(flags.core),
    ...(flags.balloon !== undefined && {
      balloon: flags.balloon === true ? 0 : parseSize('--balloon', flags.balloon, 0, memory),
    }),
    ...(chosen !== undefined && {
      seed: parseInteger(flags.chaos === undefined ? '--seed' : '--chaos', chosen, 0, MAX_SEED),
    }),
    chaos: flags.chaos !== undefined,
  };
}

/** `--core`, where it is given. */
export function parseCore(typed: string | undefined): { core?: CoreKind } {
  return typed === undefined ? {} : { core: parseChoice('--core', typed, CORES) };
}

/** Reads a file that a flag names. */
async function readNamed(file: string): Promise<NamedBytes> {
  try {
    return { file, bytes: await readFile(file) };
  } catch (error) {
    // Reading a folder fails without saying which.
    throw Object.assign(error as NodeJS.ErrnoException, { path: file });
  }
}

/** The disk that `debian`, `full`, `debian+NAME,NAME` or `full+NAME,NAME` names; undefined for a file. */
export function builtDisk(text: string): { readonly full: boolean; readonly packages: string[] } | undefined {
  const [, kind, more] = BUILT_DISK.exec(text) ?? [];
  if (kind === undefined) return undefined;
  return { full: kind === 'full', packages: more === undefined ? [] : parsePackageNames('--disk', more) };
}

/** A disk as it is typed. */
export interface TypedDisk {
  readonly file: string;
  readonly overlay?: string;
  readonly write?: WritePolicy;
  readonly journal?: string;
}

/** What follows the file, from the last on. */
const DISK_OPTION = /^(.*),(overlay|write|journal)=([^,]*)$/s;

/** `FILE` or `FILE,overlay=NAME[,write=back[,journal=FILE]]`. */
export function parseDisk(text: string): TypedDisk {
  let file = text;
  const options: Record<string, string> = {};
  for (let match = DISK_OPTION.exec(file); match !== null; match = DISK_OPTION.exec(file)) {
    file = match[1]!;
    if (match[3] === '' || options[match[2]!] !== undefined) throw badDisk(text);
    options[match[2]!] = match[3]!;
  }
  const { overlay, write, journal } = options;
  if (file === '') throw badDisk(text);
  if (overlay === undefined && (write ?? journal) !== undefined)
    throw new UsageError(`--disk ${text}: write= and journal= say how an overlay is written; add overlay=NAME`);
  if (journal !== undefined && write !== 'back')
    throw new UsageError(`--disk ${text}: journal= is for write=back, which writes to it first`);
  return {
    file,
    ...(overlay !== undefined && { overlay }),
    ...(write !== undefined && { write: parseChoice('--disk …,write=', write, ['through', 'back'] as const) }),
    ...(journal !== undefined && { journal }),
  };
}

const badDisk = (text: string): UsageError =>
  new UsageError(`--disk ${text}: expected FILE, FILE,overlay=NAME or FILE,overlay=NAME,write=back[,journal=FILE]`);

/** What {@link parseDisk} reads. */
export const joinDisk = ({ file, ...options }: TypedDisk): string =>
  [file, ...Object.entries(options).map(([name, value]) => `${name}=${value}`)].join(',');

/** Opens what a disk starts from. @param overlay to be laid over it: the built disk is the one it was made over then, also when there is a newer one */
export async function openBase(
  file: string,
  quiet: boolean,
  overlay: string | undefined,
  cache: CacheOptions | undefined,
): Promise<DiskOption> {
  if (isUrl(file)) return { file, backend: await openUrl(file, cache && { cache }) };
  const kind = builtDisk(file);
  if (kind === undefined) return { file, backend: openDiskFile(file) };
  const former = overlay === undefined ? undefined : overlayBase(overlay);
  if (former !== undefined && existsSync(former.path))
    return { file: former.path, backend: openDiskFile(former.path, former.hash) };
  const built = await provideDisk(quiet, kind);
  return { file: built.disk, backend: openDiskFile(built.disk, built.manifest.files[0]?.sha256) };
}

async function openDisks(flags: MachineFlags): Promise<{ disks: DiskOption[]; root?: string }> {
  const disks: DiskOption[] = [];
  const cache = flags.diskCache === undefined ? undefined : parseDiskCache('--disk-cache', flags.diskCache);
  let root = flags.root;
  for (const [index, typed] of (flags.disk ?? []).entries()) {
    const { file, overlay, write, journal } = parseDisk(typed);
    const path = overlay === undefined ? undefined : overlayPath(overlay);
    const disk = await openBase(file, flags.quiet ?? false, path, cache);
    const kept = path && (await KeptDisk.open(disk.backend, path, disk.file, { write, journal }));
    disks.push(kept ? { ...disk, backend: kept } : disk);
    if (builtDisk(file) !== undefined) root ??= `/dev/vd${String.fromCharCode(0x61 + index)}`;
  }
  if (root !== undefined && disks.length === 0)
    throw new UsageError(`--root ${root}: there is no disk; add --disk debian, or --disk FILE`);
  return { disks, ...(root !== undefined && { root }) };
}

/** Closes what is open of disks, once their machine has ended. */
export const closingDisks = (disks: readonly DiskOption[] = []): Disposable => ({
  [Symbol.dispose]() {
    for (const { backend } of disks) if (isDiskFile(backend) || backend instanceof OverlaidBackend) backend.close();
  },
});

/** Flags that make a machine that the guest's own snapshot is not of, or whose host has answers that a snapshot does not. */
const COLD_FLAGS = ['kernel', 'initrd', 'firmware', 'append', 'isa', 'seed', 'chaos', 'control'] as const;

/** The first flag because of which a machine must boot instead of starting from the guest's snapshot. */
export function coldFlag(flags: MachineFlags): string | undefined {
  const flag = flags.cold ? 'cold' : COLD_FLAGS.find((name) => flags[name] !== undefined);
  return flag && `--${flag}`;
}

/** What to build a machine from, and what to type once it waits for it. */
export interface WaitingHardware {
  readonly hardware: HardwareOptions;
  readonly typed: string;
}

/** Opens the files of a machine that starts from the guest's own snapshot. @param boot what /init is asked to do then */
export async function openWaitingHardware(
  flags: MachineFlags,
  checked: CheckedFlags,
  boot: GuestBoot,
): Promise<WaitingHardware> {
  const { disks, root } = await openDisks(flags);
  const guest = await provideGuest(flags.quiet ?? false);
  const modules = [...(boot.modules ?? []), ...(checked.balloon === undefined ? [] : [BALLOON_MODULE])];
  const asked: GuestBoot = { ...boot, ...(root !== undefined && { root }), ...(modules.length > 0 && { modules }) };
  return {
    hardware: {
      memory: checked.memory,
      harts: checked.harts,
      ...(checked.balloon !== undefined && { balloon: checked.balloon }),
      ...(await waitingGuest(guest)),
      disks,
    },
    typed: typedFor(asked),
  };
}

/**
 * Opens the files that the flags name, and makes the guest where none is named.
 * @param boot what the guest's /init is asked to do @returns what to build the machine from
 */
export async function openHardware(
  flags: MachineFlags,
  checked: CheckedFlags,
  boot: GuestBoot,
): Promise<HardwareOptions> {
  const own = flags.kernel !== undefined;
  const firmware = flags.firmware === undefined ? {} : { firmware: await readNamed(flags.firmware) };
  const kernel = own && flags.kernel !== NO_KERNEL ? await readNamed(flags.kernel!) : undefined;
  const initrd = flags.initrd === undefined ? undefined : await readNamed(flags.initrd);
  const { disks, root } = await openDisks(flags);
  const guest = own ? undefined : await provideGuest(flags.quiet ?? false);
  const image = guest ? await readNamed(guest.initrd) : initrd;
  const modules = [...(boot.modules ?? []), ...(checked.balloon === undefined ? [] : [BALLOON_MODULE])];
  const asked: GuestBoot = { ...boot, ...(root !== undefined && { root }), ...(modules.length > 0 && { modules }) };
  const added = flags.append ?? '';
  const lineFor = (words: readonly string[]): string =>
    // A kernel of the user's gets the user's words alone; /init's words matter only with our /init.
    (own
      ? [added || PLAIN_COMMAND_LINE, ...(boot.exec === undefined ? [] : words)]
      : [guest!.commandLine, added, ...words]
    )
      .filter((word) => word !== '')
      .join(' ');
  let append = lineFor(wordsFor(asked));
  let withCommand = image;
  if (boot.exec !== undefined && image !== undefined && tooLong(append)) {
    append = lineFor(wordsFor({ ...asked, exec: '' }));
    withCommand = { file: image.file, bytes: Buffer.concat([image.bytes, commandArchive(boot.exec)]), unfiled: true };
  }
  if (tooLong(append))
    throw new CliError(
      `--append: the kernel's command line of ${Buffer.byteLength(append)} bytes is too long; it keeps ${COMMAND_LINE_LIMIT - 1}`,
    );
  return {
    memory: checked.memory,
    harts: checked.harts,
    ...(flags.isa !== undefined && { isa: flags.isa }),
    ...(checked.balloon !== undefined && { balloon: checked.balloon }),
    ...(checked.seed !== undefined && { seed: checked.seed }),
    chaos: checked.chaos,
    ...(own ? kernel && { kernel } : { kernel: await readNamed(guest!.kernel) }),
    ...(withCommand && { initrd: withCommand }),
    ...firmware,
    append,
    disks,
  };
}

const tooLong = (line: string): boolean => Buffer.byteLength(line) >= COMMAND_LINE_LIMIT;

const wordsFor = (boot: GuestBoot): string[] => sayingWhich(() => bootWords(boot));
const typedFor = (boot: GuestBoot): string => sayingWhich(() => bootLines(boot));

function sayingWhich<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw new CliError(error.message);
    throw error;
  }
}
