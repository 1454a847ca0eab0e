/**
 * A whole Debian on a disk: packages are laid out as dpkg would have unpacked them, and configured by dpkg itself, in a machine of
 * ours. What dpkg(1) calls the state "unpacked" is what the file tree holds at first.
 */
import type { FileTree } from './file-tree.ts';
import { layFile, SYSTEM_DIRECTORIES } from './root-files.ts';
import type { TarEntry } from './tar.ts';

/** Packages asked for, as apt-get(8) takes them: names and patterns; apt adds what they depend on. */
export const FULL_PACKAGES = [
  '?essential',
  '?priority(required)',
  'apt',
  'ca-certificates',
  'curl',
  'dbus',
  'debian-archive-keyring',
  'e2fsprogs',
  'g++',
  'gcc',
  'iproute2',
  'iputils-ping',
  'kmod',
  'less',
  'libc6-dev',
  'make',
  'netbase',
  'openssh-server',
  'procps',
  'python3',
  'sqlite3',
  'strace',
  'systemd',
  'systemd-sysv',
  'udev',
  'vim-tiny',
] as const;

const LEFT_OUT = [/^usr\/share\/(man|info|locale|lintian|bug|doc-base)\/./, /^usr\/share\/doc\/[^/]+\/(?!copyright$)/];

/** Whether a packaged file is laid out: translations and manuals are not. Packages that the user installs later bring theirs. */
const belongsOnFullDisk = (path: string): boolean => !LEFT_OUT.some((pattern) => pattern.test(path));

/** A package's control archive (deb(5)), by the names of its members. */
export type PackageControl = ReadonlyMap<string, TarEntry>;

const INFO = 'var/lib/dpkg/info';
const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** Lays packages out and keeps dpkg's database of them. */
export class UnpackedPackages {
  private readonly tree: FileTree;
  private readonly status: string[] = [];
  /** Files so far, and bytes of them in blocks. */
  count = 0;
  size = 0;

  constructor(tree: FileTree) {
    this.tree = tree;
  }

  /**
   * Begins a package. @returns what takes its files, and ends it
   * @throws Error when its control archive is not one
   */
  begin(control: PackageControl): { lay(entry: TarEntry): void; end(): void } {
    const member = (name: string): string => utf8.decode(control.get(name)?.data);
    const stanza = member('control').trim();
    const field = (name: string): string | undefined => new RegExp(`^${name}: *(.*)$`, 'm').exec(stanza)?.[1];
    const name = field('Package');
    if (name === undefined) throw new Error('a package whose control file names none');
    // dpkg names the files of what may be there for several architectures by theirs, too.
    const known = field('Multi-Arch') === 'same' ? `${name}:${field('Architecture')}` : name;
    const conffiles = member('conffiles')
      .split('\n')
      .filter((line) => line.startsWith('/'));
    const fresh = new Set(conffiles.map((path) => path.slice(1)));
    const list: string[] = [];
    return {
      lay: (entry) => {
        list.push(entry.path === '' ? '/.' : `/${entry.path}`);
        // A configuration file gets its name when its package is configured.
        if (!belongsOnFullDisk(entry.path)) return;
        this.count++;
        this.size += Math.ceil(entry.data.length / 4096) * 4096;
        layFile(this.tree, fresh.has(entry.path) ? { ...entry, path: `${entry.path}.dpkg-new` } : entry);
      },
      end: () => {
        for (const [file, entry] of control)
          if (entry.type === 'file' && file !== 'control')
            layFile(this.tree, { ...entry, path: `${INFO}/${known}.${file}` });
        this.text(`${INFO}/${known}.list`, list.map((path) => `${path}\n`).join(''));
        const files = conffiles.map((path) => `\n ${path} newconffile`).join('');
        this.status.push(
          `${stanza.replace(/^Package:.*$/m, '$&\nStatus: install ok unpacked')}${files && `\nConffiles:${files}`}\n`,
        );
      },
    };
  }

  /**
   * Writes the database, and what packages expect of a system before any is configured.
   * @param time age of what is made here, in seconds since 1970
   * @param source where apt finds packages: a line of sources.list(5)
   */
  finish(time: number, source: string): void {
    this.text('var/lib/dpkg/status', this.status.join('\n'));
    this.text('var/lib/dpkg/available', '');
    this.text(`${INFO}/format`, '1\n');
    const facts = { uid: 0, gid: 0, mtime: time };
    for (const [path, mode] of Object.entries(DIRECTORIES))
      this.tree.put(path, { kind: 'dir', facts: { ...facts, mode }, children: new Map() });
    for (const [path, target] of Object.entries(LINKS))
      if (this.tree.look(path) === undefined)
        this.tree.put(path, { kind: 'symlink', facts: { ...facts, mode: 0o777 }, target });
    for (const file of ['passwd', 'group']) {
      const master = this.tree.find(`usr/share/base-passwd/${file}.master`);
      if (master?.kind === 'file') this.text(`etc/${file}`, utf8.decode(master.data));
    }
    for (const [path, text] of Object.entries(FILES)) this.text(path, text);
    this.text('etc/apt/sources.list', `${source}\n`);
    this.text(CONFIGURE_FILE, CONFIGURE_SCRIPT, 0o755);
    this.text('usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', 0o755);
    this.tree.put('dev/console', { kind: 'char', facts: { ...facts, mode: 0o600 }, major: 5, minor: 1 });
    this.tree.put('dev/null', { kind: 'char', facts: { ...facts, mode: 0o666 }, major: 1, minor: 3 });
  }

  private text(path: string, content: string, mode = 0o644): void {
    this.tree.put(path, {
      kind: 'file',
      facts: { uid: 0, gid: 0, mtime: 0, mode },
      data: encoder.encode(content),
    });
  }
}

const DIRECTORIES: Readonly<Record<string, number>> = {
  ...SYSTEM_DIRECTORIES,
  'var/lib/dpkg/updates': 0o755,
  'var/lib/dpkg/triggers': 0o755,
};

const LINKS: Readonly<Record<string, string>> = {
  bin: 'usr/bin',
  sbin: 'usr/sbin',
  lib: 'usr/lib',
  // Of scripts that run before update-alternatives chose one.
  'usr/bin/awk': 'mawk',
  'etc/localtime': '/usr/share/zoneinfo/Etc/UTC',
};

const FILES: Readonly<Record<string, string>> = {
  'etc/hostname': 'hindsight\n',
  'etc/hosts': '127.0.0.1 localhost hindsight\n::1 localhost\n',
  'etc/fstab': '# the root file system is mounted by the initramfs\n',
  'etc/resolv.conf': '',
  'etc/shells': '/bin/sh\n/bin/bash\n',
};

/** Where the script lies that has dpkg configure everything, and the command that runs it. */
const CONFIGURE_FILE = 'usr/libexec/hindsight-configure';
export const CONFIGURE_COMMAND = `/${CONFIGURE_FILE} 2>&1`;

/**
 * Configures all packages: what dpkg runs before it unpacks a package (debian-policy 6.6) is made up for, then dpkg does the rest. Then come the few
 * settings of a machine of ours: root's console needs no password, what must be unique is made at the first boot.
 */
const CONFIGURE_SCRIPT = `#!/bin/sh
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_ARCH=riscv64 DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_RUNNING_VERSION=1.22.0
cd /${INFO}
for script in base-passwd.preinst $(ls *.preinst | grep -v '^base-passwd'); do
  [ -e "$script" ] || continue
  package=\${script%.preinst}
  DPKG_MAINTSCRIPT_PACKAGE=\${package%%:*} ./$script install
done
cd /
unset DPKG_MAINTSCRIPT_NAME
# Keys that are there are not made: they would take longer than all the rest of ssh, and are removed below.
mkdir -p /etc/ssh
for kind in rsa ecdsa ed25519; do : >/etc/ssh/ssh_host_\${kind}_key; done
dpkg --force-unsafe-io --configure -a
passwd -d root
mkdir -p /etc/systemd/system/serial-getty@ttyS0.service.d /etc/systemd/system/ssh.service.d
cat >/etc/systemd/system/serial-getty@ttyS0.service.d/hindsight.conf <<'END'
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200,57600,38400,9600 - vt220
END
rm -f /etc/ssh/ssh_host_*
cat >/etc/systemd/system/ssh.service.d/hindsight.conf <<'END'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -e /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key'
ExecStartPre=/usr/sbin/sshd -t
END
systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service 2>/dev/null || true
: >/etc/machine-id
# No terminal but the serial one, no screen and no EFI.
systemctl mask getty@tty1.service modprobe@drm.service modprobe@efi_pstore.service
# What systemd would do where /usr is newer than they say (systemd-update-done.service(8)): it was done above, or is done here.
systemd-sysusers
journalctl --update-catalog
touch -r /usr /etc/.updated /var/.updated
rm -rf /usr/sbin/policy-rc.d /var/lib/dpkg/*-old /var/log/*.log /var/cache/debconf/*-old /tmp/* /${CONFIGURE_FILE}
sync
`;

/** What decides how such a disk comes out. */
export const FULL_RECIPE = [FULL_PACKAGES, CONFIGURE_SCRIPT, FILES, LINKS, DIRECTORIES] as const;
