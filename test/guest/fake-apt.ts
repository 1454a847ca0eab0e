/**
 * A machine whose apt serves three tiny packages from a directory and keeps a log of what it was asked: for tests that must not
 * need a network.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyModule } from './tiny-module.ts';
import { tool } from './tools.ts';

/** Packs a directory as a Debian package. */
function pack(
  root: string,
  name: string,
  version: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  depends = '',
): void {
  const directory = join(root, 'src', name);
  for (const [path, data] of Object.entries({
    ...files,
    'DEBIAN/control': `Package: ${name}\nVersion: ${version}\nArchitecture: riscv64\nMaintainer: x <x@x.test>\nDescription: x\n${depends}`,
  })) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), data);
  }
  const out = tool('dpkg-deb', [
    '--root-owner-group',
    '-b',
    directory,
    join(root, 'pool', `${name}_${version.replaceAll(':', '%3a')}_riscv64.deb`),
  ]);
  if (out.status !== 0) throw new Error(out.output);
}

/** Sets a fake apt up under `root`; returns what tests steer it by. */
export function fakeApt(root: string): { path: string; log: () => string[]; fail: (script: string) => void } {
  for (const part of ['bin', 'pool', 'src']) mkdirSync(join(root, part), { recursive: true });
  const modules = Object.fromEntries(
    ['virtio_mmio', 'virtio_blk', 'ext4', 'jbd2', 'unrelated'].map((name) => {
      const image = tinyModule([`name=${name}`, `depends=${name === 'ext4' ? 'jbd2' : ''}`]);
      return [`usr/lib/modules/6.1-riscv64/kernel/${name}.ko.xz`, tool('xz', ['-c'], image).stdout];
    }),
  );
  pack(root, 'linux-image-6.1-riscv64', '6.1-2', {
    'boot/vmlinux-6.1-riscv64': 'the kernel',
    'usr/lib/modules/6.1-riscv64/modules.builtin': 'kernel/fs/fuse/fuse.ko\n',
    ...modules,
  });
  pack(root, 'busybox-static', '1:1.37', { 'usr/bin/busybox': Buffer.from('\x7fELF [\0[[\0ls\0sh\0\0') });
  const show = [
    'Package: linux-image-riscv64\nVersion: 6.1-2\nSize: 1\nDepends: linux-image-6.1-riscv64 (= 6.1-2)\n',
    'Package: linux-image-6.1-riscv64\nVersion: 6.1-2\nSize: 1000\n',
    'Package: busybox-static\nVersion: 1:1.37\nSize: 100\n',
  ];
  writeFileSync(join(root, 'records'), show.join('\n'));
  writeFileSync(join(root, 'fail'), '');
  const script = (name: string, body: string): void => {
    writeFileSync(join(root, 'bin', name), `#!/bin/sh\necho "${name} $*" >>${root}/log\n${body}\n`);
    chmodSync(join(root, 'bin', name), 0o755);
  };
  script(
    'apt-get',
    `. ${root}/fail
case "$*" in
  *indextargets*) echo 'Packages|http://mirror.test/debian/|bookworm|Debian' ;;
  *download*debian-archive-keyring*) exit 100 ;;
  *download*) echo 'dlstatus:1:50.0:Retrieving file' >&3; cp ${root}/pool/*.deb . ;;
esac`,
  );
  script('apt-cache', `cat ${root}/records`);
  script(
    'apt-config',
    'echo \'Acquire::http::Proxy "http://proxy.test:3128";\'; echo \'APT::Update::Post-Invoke "false";\'',
  );
  return {
    path: `${join(root, 'bin')}:${process.env.PATH}`,
    log: () => readFileSync(join(root, 'log'), 'utf8').trim().split('\n'),
    fail: (text) => writeFileSync(join(root, 'fail'), text),
  };
}
