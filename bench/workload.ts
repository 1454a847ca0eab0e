import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLine } from '../src/guest/cmdline.ts';
import { commandArchive } from '../src/guest/initramfs.ts';
import { buildDisk, buildGuest } from '../src/host/node/guest/index.ts';
import { benchArchive, benchCommandLine } from './guest.ts';
import type { Program } from './programs.ts';
import { realCommand } from './real/programs.ts';

/** What both engines boot: the same kernel, initramfs, command line and disk. */
export interface Workload {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** A raw image that is not changed. */
  readonly disk?: { readonly file: string; readonly hash: string | undefined };
  [Symbol.dispose](): void;
}

function temporary(write: (initrd: string) => void): { readonly initrd: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
  const initrd = join(folder, 'initrd.cpio');
  write(initrd);
  return { initrd, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The programs of bench/guest in an initramfs. @throws when the cross compiler is missing */
export async function guestWorkload(programs: readonly Program[]): Promise<Workload> {
  const guest = await buildGuest({});
  const files = temporary((initrd) =>
    writeFileSync(initrd, Buffer.concat([readFileSync(guest.initrd), benchArchive(process.cwd())])),
  );
  return { kernel: guest.kernel, append: benchCommandLine(programs), ...files };
}

/** Programs of the root disk. */
export async function realWorkload(programs: readonly string[]): Promise<Workload> {
  const guest = await buildGuest({});
  const disk = await buildDisk({});
  const command = realCommand(process.cwd(), programs);
  const files = temporary((initrd) =>
    writeFileSync(initrd, Buffer.concat([readFileSync(guest.initrd), commandArchive(command)])),
  );
  return {
    kernel: guest.kernel,
    append: commandLine({ exec: '', stdin: 'none', root: '/dev/vda' }),
    disk: { file: disk.disk, hash: disk.manifest.files[0]?.sha256 },
    ...files,
  };
}
