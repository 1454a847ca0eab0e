import { execFileSync, spawn } from 'node:child_process';
import { benchClock, type ClockKind } from './clock.ts';
import { Marks } from './marks.ts';
import type { Workload } from './workload.ts';

/** Version line of Debian's QEMU, or undefined when it is not installed. */
export function qemuVersion(): string | undefined {
  try {
    return execFileSync('qemu-system-riscv64', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Boots the same kernel, initramfs, command line and disk under qemu-system-riscv64 (TCG) and times the markers. */
export async function runQemu({ kernel, initrd, append, disk }: Workload, clock: ClockKind = 'wall'): Promise<Marks> {
  const child = spawn(
    'qemu-system-riscv64',
    [
      '-M',
      'virt',
      '-m',
      '256M',
      '-nographic',
      '-no-reboot',
      '-kernel',
      kernel,
      '-initrd',
      initrd,
      '-append',
      append,
      ...(disk
        ? [
            '-drive',
            `file=${disk.file},format=raw,if=none,id=root,snapshot=on`,
            '-device',
            'virtio-blk-device,drive=root',
          ]
        : []),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const marks = new Marks(benchClock(clock, child.pid));
  child.stdout.setEncoding('latin1');
  child.stdout.on('data', (text: string) => marks.add(text));
  const code = await new Promise<number | null>((resolve, reject) => child.on('exit', resolve).on('error', reject));
  if (code !== 0) throw new Error(`bench: qemu-system-riscv64 ended with status ${code}`);
  return marks;
}
