// The outside programs that tests compare with or drive, and the Debian packages they come in.
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Each is present when its file or command is; `packages` are tried in order, for Debian's releases name some differently. */
const TOOLS = [
  { command: 'qemu-system-riscv64', packages: ['qemu-system-riscv', 'qemu-system-misc'], for: 'comparison with QEMU' },
  { command: 'qemu-riscv64', packages: ['qemu-user'], for: 'comparison with QEMU' },
  { command: 'riscv64-linux-gnu-gcc', packages: ['gcc-riscv64-linux-gnu'], for: 'guest programs' },
  { command: 'riscv64-linux-gnu-g++', packages: ['g++-riscv64-linux-gnu'], for: 'debugging C++ programs' },
  { file: '/usr/riscv64-linux-gnu/include/stdio.h', packages: ['libc6-dev-riscv64-cross'], for: 'guest programs' },
  { command: 'tshark', packages: ['tshark'], for: 'reading exported frames' },
  { command: 'iperf3', packages: ['iperf3'], for: 'the network' },
  { command: 'git', packages: ['git'], for: 'the network' },
  { command: 'gdb-multiarch', packages: ['gdb-multiarch'], for: 'debugging with gdb' },
  { command: 'dtc', packages: ['device-tree-compiler'], for: 'device trees' },
  { file: '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin', packages: ['opensbi'], for: 'guest firmware' },
  { command: 'chromium', packages: ['chromium'], for: 'the browser' },
  { command: 'firefox-esr', packages: ['firefox-esr'], for: 'the page in another browser' },
  { command: 'tmux', packages: ['tmux'], for: 'the terminal' },
  { command: 'mke2fs', packages: ['e2fsprogs'], for: 'root disks' },
  { command: 'qemu-img', packages: ['qemu-utils'], for: 'qcow2 images' },
  { command: 'getfattr', packages: ['attr'], for: 'attributes of shared files' },
  { command: 'cpio', packages: ['cpio'], for: 'initramfs archives' },
  { command: 'xz', packages: ['xz-utils'], for: 'kernel modules' },
  { command: 'debootstrap', packages: ['debootstrap'], for: 'root disks' },
];

function onPath(command) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .concat('/usr/sbin', '/sbin')
    .some((dir) => {
      try {
        accessSync(join(dir, command), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const missing = () => TOOLS.filter((tool) => (tool.command ? !onPath(tool.command) : !existsSync(tool.file)));

function available(name) {
  const shown = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' });
  return shown.status === 0 && /Candidate: (?!\(none\))\S/.test(shown.stdout);
}

/**
 * Installs what is missing where that is possible (root, apt), and says what stays missing and which tests are therefore skipped.
 * `HINDSIGHT_NO_APT=1` only says.
 */
export function installDebianTools(say) {
  let wanted = missing();
  if (wanted.length === 0) return;
  if (process.getuid?.() === 0 && onPath('apt-get') && process.env.HINDSIGHT_NO_APT !== '1') {
    say(`installing Debian packages for the tests: ${wanted.map((t) => t.packages[0]).join(' ')} …`);
    const apt = (...args) =>
      execFileSync('apt-get', args, {
        stdio: ['ignore', 'ignore', 2],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    try {
      apt('-qq', 'update');
    } catch {
      say('apt-get update failed; trying with the package lists that are here');
    }
    const names = wanted.map((t) => t.packages.find(available)).filter((name) => name !== undefined);
    try {
      if (names.length > 0) apt('-qq', 'install', '-y', '--no-install-recommends', ...new Set(names));
    } catch {
      say('apt-get install failed; its message is above');
    }
    wanted = missing();
  }
  for (const tool of wanted)
    say(
      `${tool.command ?? tool.file} is missing: tests of ${tool.for} are skipped (Debian package ${tool.packages.join(' or ')})`,
    );
}
