/**
 * The Debian root disk: which packages it is made of, what of them is left out, and what their maintainer
 * scripts would have done had they run.
 */
import type { FileTree } from './file-tree.ts';
import type { TarEntry } from './tar.ts';

/** Packages asked for; apt adds what they depend on. */
export const ROOT_PACKAGES = [
  'base-files',
  'base-passwd',
  'bash',
  'busybox-static',
  'coreutils',
  'dash',
  'debianutils',
  'diffutils',
  'findutils',
  'gawk',
  'gcc',
  'grep',
  'gzip',
  'hostname',
  'less',
  'libc-bin',
  'libc6-dev',
  'make',
  'mount',
  'nano',
  'ncurses-base',
  'ncurses-bin',
  'procps',
  'python3',
  'sed',
  'sqlite3',
  'strace',
  'tar',
  'util-linux',
] as const;

/** Programs that must be there in the end. */
const ROOT_PROGRAMS = ['bin/sh', 'bin/bash', 'usr/bin/python3', 'usr/bin/gcc', 'usr/bin/sqlite3'] as const;

const LEFT_OUT = [
  /^usr\/share\/(man|info|locale|lintian|bug|gdb|doc-base|linda|menu|pixmaps|icons|applications|bash-completion|zsh|fish|gcc\/python|apport)(\/|$)/,
  /^usr\/share\/doc\/[^/]+\/(?!copyright$)/,
  /^usr\/libexec\/gcc\/.*\/lto1$/,
  /^usr\/lib\/.*\/lib(asan|tsan|ubsan|hwasan|lsan|gomp|itm)(_preinit)?\.(a|o)$/,
  /^usr\/lib\/systemd\//,
];

/** Whether a packaged file belongs on the disk: translations, manuals and the like stay behind, licences come along. */
export const belongsOnDisk = (path: string): boolean => !LEFT_OUT.some((pattern) => pattern.test(path));

/** Lays one packaged file into the tree, where it belongs on the disk. */
export function layEntry(tree: FileTree, entry: TarEntry): void {
  if (belongsOnDisk(entry.path)) layFile(tree, entry);
}

/** Lays one packaged file into the tree. */
export function layFile(tree: FileTree, entry: TarEntry): void {
  const facts = { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime };
  if (entry.type === 'dir') tree.put(entry.path, { kind: 'dir', facts, children: new Map() });
  else if (entry.type === 'symlink')
    tree.put(entry.path, { kind: 'symlink', facts: { ...facts, mode: 0o777 }, target: entry.target });
  else if (entry.type === 'file') tree.put(entry.path, { kind: 'file', facts, data: entry.data });
  else if (entry.type === 'hardlink') {
    const other = tree.look(entry.target);
    if (other?.kind === 'file') tree.put(entry.path, other);
  }
}

const LINKS: Readonly<Record<string, readonly string[]>> = {
  // what update-alternatives would choose, first found first
  'usr/bin/awk': ['gawk', 'mawk'],
  'usr/bin/cc': ['gcc'],
  'usr/bin/c99': ['c99-gcc'],
  'usr/bin/which': ['which.debianutils'],
  'usr/bin/pager': ['less'],
  'usr/bin/editor': ['nano'],
  'usr/bin/python': ['python3'],
  // programs of busybox where Debian's own would bring services along
  ...Object.fromEntries(
    [
      'ip',
      'ping',
      'vi',
      'wget',
      'nc',
      'clear',
      'lsmod',
      'modprobe',
      'insmod',
      'rmmod',
      'ifconfig',
      'udhcpc',
      'xxd',
      'time',
    ].map((n) => [`usr/bin/${n}`, ['busybox']]),
  ),
};

const COPIES: Readonly<Record<string, string>> = {
  'usr/share/base-passwd/passwd.master': 'etc/passwd',
  'usr/share/base-passwd/group.master': 'etc/group',
  'usr/share/base-files/profile': 'etc/profile',
  'usr/share/base-files/nsswitch.conf': 'etc/nsswitch.conf',
  'usr/share/base-files/dot.bashrc': 'root/.bashrc',
  'usr/share/base-files/dot.profile': 'root/.profile',
};

/** Directories that no package brings, and their permissions. */
export const SYSTEM_DIRECTORIES: Readonly<Record<string, number>> = {
  dev: 0o755,
  'dev/pts': 0o755,
  proc: 0o555,
  sys: 0o555,
  run: 0o755,
  tmp: 0o1777,
  root: 0o700,
  mnt: 0o755,
  home: 0o755,
  'var/tmp': 0o1777,
  'var/log': 0o755,
};

const halt = (verb: string): string => `#!/bin/sh\nsync\nexec /usr/bin/busybox ${verb} -f "$@"\n`;

/**
 * Finishes a tree of unpacked packages.
 *
 * @param packages Their versions by name, for /usr/share/hindsight/packages.
 * @param time Age of the files made here, seconds since 1970.
 * @throws Error when a program the disk is for is missing.
 */
export function finishRoot(tree: FileTree, packages: ReadonlyMap<string, string>, time: number): void {
  const facts = { uid: 0, gid: 0, mtime: time };
  const text = (path: string, content: string, mode = 0o644): void => {
    tree.put(path, { kind: 'file', facts: { ...facts, mode }, data: new TextEncoder().encode(content) });
  };
  const link = (path: string, target: string): void =>
    tree.put(path, { kind: 'symlink', facts: { ...facts, mode: 0o777 }, target });

  for (const [path, target] of Object.entries({ bin: 'usr/bin', sbin: 'usr/sbin', lib: 'usr/lib' }))
    if (tree.look(path) === undefined) link(path, target);
  for (const [path, mode] of Object.entries(SYSTEM_DIRECTORIES))
    tree.put(path, { kind: 'dir', facts: { ...facts, mode }, children: new Map() });
  for (const [from, to] of Object.entries(COPIES)) {
    const source = tree.find(from);
    if (source?.kind === 'file') tree.put(to, { kind: 'file', facts: { ...facts, mode: 0o644 }, data: source.data });
  }
  for (const [path, targets] of Object.entries(LINKS)) {
    const target = targets.find((name) => tree.find(`usr/bin/${name}`) !== undefined);
    if (target !== undefined && tree.look(path) === undefined) link(path, target);
  }
  for (const verb of ['poweroff', 'reboot', 'halt']) text(`usr/sbin/${verb}`, halt(verb), 0o755);
  text('etc/shadow', 'root:*:20000:0:99999:7:::\n', 0o600);
  text('etc/hostname', 'hindsight\n');
  text('etc/hosts', '127.0.0.1 localhost hindsight\n::1 localhost\n');
  text('etc/fstab', '# mounted by the initramfs\n');
  text('etc/resolv.conf', '');
  text(
    'usr/share/hindsight/packages',
    [...packages]
      .sort()
      .map(([name, version]) => `${name} ${version}\n`)
      .join(''),
  );
  tree.put('dev/console', { kind: 'char', facts: { ...facts, mode: 0o600 }, major: 5, minor: 1 });
  tree.put('dev/null', { kind: 'char', facts: { ...facts, mode: 0o666 }, major: 1, minor: 3 });

  for (const program of ROOT_PROGRAMS) {
    if (tree.find(program)?.kind !== 'file') throw new Error(`root disk: /${program} is missing from the packages`);
  }
}
