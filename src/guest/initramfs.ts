/**
 * Packs the guest's initramfs from busybox, kernel modules and the /init script.
 */

import { fromBase64 } from '../bytes/base64.ts';
import { AGENT_BASE64 } from './agent/binary.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { stringAt } from './elf-sections.ts';
import { stripModule } from './elf-strip.ts';
import { helperProgram } from './helper.ts';
import {
  AGENT_FILE,
  COMMAND_FILE,
  DHCP_SCRIPT,
  HELPER_FILE,
  haltScript,
  initScript,
  PROFILE,
  SIZE_FILE,
  SIZE_SCRIPT,
} from './init-script.ts';
import { loadOrder, type ModuleFile, moduleIndexes, moduleName, readModuleInfo } from './modules.ts';

/** Modules the guest carries, where the kernel has them as modules. */
export const GUEST_MODULES = [
  'virtio_mmio',
  'virtio_blk',
  'virtio_net',
  'virtio_console',
  'virtio_rng',
  'virtio_balloon',
  'ext4',
  'overlay',
  '9p',
  '9pnet',
  '9pnet_virtio',
  'netfs',
  'fscache',
  'fuse',
  'virtiofs',
  'crc32c_generic',
  'libcrc32c',
  'loop',
] as const;

/** What a virtio disk with ext4 needs. */
const DISK_MODULES = ['virtio_mmio', 'virtio_blk', 'ext4'] as const;

/** What an initramfs is made of. */
export interface InitramfsParts {
  /** `uname -r` of the kernel the modules belong to. */
  readonly release: string;
  /** The static busybox binary. */
  readonly busybox: Uint8Array;
  /** Uncompressed modules by file name. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
  /** Names of what is a module elsewhere and part of this kernel. */
  readonly builtin: ReadonlySet<string>;
}

const text = new TextEncoder();

const DIRECTORIES = [
  'bin',
  'dev',
  'dev/pts',
  'etc',
  'etc/udhcpc',
  'hindsight',
  'lib',
  'lib/modules',
  'mnt',
  'proc',
  'root',
  'root-disk',
  'run',
  'sys',
  'usr',
  'usr/share',
  'usr/share/udhcpc',
  'var',
];

/** One directory of programs under all its customary names. */
const MERGED = { sbin: 'bin', 'usr/bin': '../bin', 'usr/sbin': '../bin' } as const;

/** Applets that would reach for process 1's services, or that other files take the place of. */
const REPLACED = new Set([
  'init',
  'linuxrc',
  'poweroff',
  'reboot',
  'halt',
  'busybox',
  'dpkg',
  'dpkg-deb',
  'rpm',
  'rpm2cpio',
]);

/**
 * The names of the programs a busybox binary contains, read from the table it keeps them in: consecutive sorted
 * strings that begin with `[` and `[[` and end with an empty one.
 *
 * @throws Error when there is no such table.
 */
export function busyboxApplets(binary: Uint8Array): string[] {
  const start = [0x5b, 0, 0x5b, 0x5b, 0];
  for (let at = binary.indexOf(0x5b); at >= 0; at = binary.indexOf(0x5b, at + 1)) {
    if (!start.every((byte, i) => binary[at + i] === byte)) continue;
    const names: string[] = [];
    for (let name = stringAt(binary, at); name !== ''; name = stringAt(binary, at)) {
      names.push(name);
      at += name.length + 1;
    }
    return names;
  }
  throw new Error('busybox: no table of applet names in this binary');
}

/**
 * The initramfs as one uncompressed archive.
 *
 * @throws Error when a module that a disk needs is missing or unreadable.
 */
export function packInitramfs(parts: InitramfsParts): Uint8Array {
  const known: ModuleFile[] = [];
  const files: CpioEntry[] = [];
  const moduleDir = `lib/modules/${parts.release}`;
  for (const [file, image] of parts.modules) {
    const info = readModuleInfo(image, file);
    known.push(info);
    files.push({ type: 'file', path: `${moduleDir}/${moduleName(file)}.ko`, mode: 0o644, data: stripModule(image) });
  }
  const indexes = moduleIndexes(known);
  const script = initScript({
    release: parts.release,
    diskModules: loadOrder(
      known,
      DISK_MODULES.filter((name) => !parts.builtin.has(name)),
    ),
  });
  const put = (path: string, content: string, mode = 0o644): void => {
    files.push({ type: 'file', path, mode, data: text.encode(content) });
  };
  put('init', script, 0o755);
  put(`${moduleDir}/modules.dep`, indexes.dep);
  put(`${moduleDir}/modules.alias`, indexes.alias);
  put(`${moduleDir}/modules.softdep`, indexes.softdep);
  put('etc/profile', PROFILE);
  put('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  put('etc/group', 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n');
  put('etc/hosts', '127.0.0.1 localhost hindsight\n');
  put('usr/share/udhcpc/default.script', DHCP_SCRIPT, 0o755);
  put('etc/udhcpc/default.script', DHCP_SCRIPT, 0o755);
  put(SIZE_FILE, SIZE_SCRIPT, 0o755);
  files.push({ type: 'file', path: AGENT_FILE, mode: 0o755, data: fromBase64(AGENT_BASE64)! });
  for (const verb of ['poweroff', 'reboot', 'halt'] as const) put(`bin/${verb}`, haltScript(verb), 0o755);
  files.push({ type: 'file', path: HELPER_FILE, mode: 0o755, data: helperProgram() });
  files.push({ type: 'file', path: 'bin/busybox', mode: 0o755, data: parts.busybox });
  for (const applet of busyboxApplets(parts.busybox)) {
    if (!REPLACED.has(applet)) files.push({ type: 'link', path: `bin/${applet}`, target: 'busybox' });
  }
  for (const [path, target] of Object.entries(MERGED)) files.push({ type: 'link', path, target });
  const directories = [...DIRECTORIES, moduleDir].map((path): CpioEntry => ({ type: 'dir', path, mode: 0o755 }));
  return writeCpio([
    ...directories,
    { type: 'dir', path: 'tmp', mode: 0o1777 },
    { type: 'char', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { type: 'char', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    ...files,
  ]);
}

/**
 * An archive to append to the initramfs that makes /init run `command`, for commands that do not fit
 * the kernel's command line.
 */
export function commandArchive(command: string): Uint8Array {
  const directory = COMMAND_FILE.slice(0, COMMAND_FILE.lastIndexOf('/'));
  return writeCpio([
    { type: 'dir', path: directory, mode: 0o755 },
    { type: 'file', path: COMMAND_FILE, mode: 0o644, data: text.encode(command) },
  ]);
}
