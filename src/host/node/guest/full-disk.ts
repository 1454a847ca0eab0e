import { open } from 'node:fs/promises';
import { commandLine, EXEC_STDIN } from '../../../guest/cmdline.ts';
import { ExecOutput } from '../../../guest/exec-stream.ts';
import type { FileTree } from '../../../guest/file-tree.ts';
import { CONFIGURE_COMMAND, type PackageControl, UnpackedPackages } from '../../../guest/full-root.ts';
import { type TarEntry, TarReader } from '../../../guest/tar.ts';
import { Machine } from '../../../machine/session/machine.ts';
import type { NamedBytes } from '../../../machine/session/options.ts';
import { CHUNK, type OverlayDisk } from '../../../storage/index.ts';
import { createHostRoom } from '../../room.ts';
import { FileBackend } from '../disk.ts';
import { nodeRegionCompiler } from '../region-compiler.ts';
import { GuestBuildError } from './errors.ts';
import { readPackage } from './packages.ts';
import { run } from './process.ts';

/** Nobody else sees the disk that is being configured; its contents need no name. */
const UNNAMED = '0'.repeat(64);
/** Memory of the machine in which packages are configured. */
const MEMORY = 2 ** 30;
/** Seconds of guest time that this may take. */
const LONGEST = 3600;
/** Instructions between looks at whether it is to be given up. */
const STEP = 500_000_000;

/** Lays packages out as dpkg unpacks them. @param files package files, by name @returns when the newest file was made, in seconds since 1970 */
export async function layPackages(
  tree: FileTree,
  files: readonly string[],
  onPackage: (index: number) => void,
  signal?: AbortSignal,
): Promise<{ readonly packages: UnpackedPackages; readonly newest: number }> {
  const packages = new UnpackedPackages(tree);
  let newest = 0;
  for (const [index, file] of files.entries()) {
    onPackage(index);
    const unpacked = packages.begin(await readControl(file));
    const lay = (entry: TarEntry): void => {
      newest = Math.max(newest, entry.mtime);
      unpacked.lay(entry);
    };
    await readPackage(file, lay, undefined, signal);
    unpacked.end();
  }
  return { packages, newest };
}

/** The control archive of a package (deb(5)). */
async function readControl(file: string): Promise<PackageControl> {
  const control = new Map<string, TarEntry>();
  const reader = new TarReader((entry) => control.set(entry.path, entry));
  await run('dpkg-deb', ['--ctrl-tarfile', file], { onOutput: (chunk) => reader.push(chunk) });
  reader.end();
  return control;
}

/**
 * Has dpkg configure the packages of a disk, in a machine that boots with it.
 * @param image file with the file system, which is changed @throws GuestBuildError with what dpkg said last
 */
export async function configureDisk(
  image: string,
  guest: { readonly kernel: NamedBytes; readonly initrd: NamedBytes },
  onPackage: (done: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const backend = new FileBackend(image, { hash: UNNAMED });
  try {
    await using machine = await Machine.create(
      {
        ...guest,
        append: commandLine({ exec: CONFIGURE_COMMAND, stdin: EXEC_STDIN.none, root: '/dev/vda' }),
        memory: MEMORY,
        disks: [{ file: image, backend }],
        clock: 'virtual',
        hashEvery: 0,
        forget: true,
        translator: { compiler: nodeRegionCompiler() },
      },
      createHostRoom(),
    );
    const output = new ExecOutput();
    let said = '';
    let done = 0;
    machine.on('console', (bytes) => {
      const text = new TextDecoder('latin1').decode(output.push(bytes));
      said = (said + text).slice(-2000);
      const set = text.match(/^Setting up /gm)?.length ?? 0;
      if (set > 0) onPackage((done += set));
    });
    while (output.status === undefined) {
      signal?.throwIfAborted();
      const { reason } = await machine.run({ instructions: machine.instant.instructions + STEP });
      if (reason !== 'limit' || machine.guestTime > LONGEST) break;
    }
    if (output.status !== 0)
      throw new GuestBuildError(`the packages could not be configured; the guest said last:\n${said.trim()}`);
    await writeBack(machine.internals.engine.board.disks[0]!, image);
  } finally {
    backend.close();
  }
}

/** Puts what a guest wrote to a disk into its image. */
async function writeBack(disk: OverlayDisk, image: string): Promise<void> {
  const file = await open(image, 'r+');
  try {
    for (const { id } of disk.writtenChunks()) {
      const bytes = new Uint8Array(Math.min(CHUNK, disk.size - id * CHUNK));
      disk.prefetch(id * CHUNK, bytes.length).finish(0, bytes);
      await file.write(bytes, 0, bytes.length, id * CHUNK);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
