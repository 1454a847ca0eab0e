/** How much of a large disk on a server a machine reads to boot from it, the first time and the second. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine } from '../../src/guest/cmdline.ts';
import { openHttpDisk } from '../../src/host/http-disk.ts';
import { ChunkFile } from '../../src/host/node/chunk-file.ts';
import { buildDisk, buildGuest } from '../../src/host/node/guest/index.ts';
import { serveFiles } from '../../src/host/node/static-server.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { print } from '../figures.ts';

const SIZE = '10G';
const BYTES = 10 * 2 ** 30;

/** Boots from a disk of 10 GB on a web server of this process, twice with one file for what was fetched. @param work folder for files */
export async function farDisk(work: string): Promise<void> {
  const { disk } = await buildDisk({});
  const guest = await buildGuest({});
  const image = join(work, 'far.img');
  execFileSync('cp', ['--sparse=always', disk, image]);
  execFileSync('truncate', ['-s', SIZE, image]);
  execFileSync('resize2fs', ['-f', image], { stdio: 'ignore' });
  const { server, port } = await serveFiles(new Map([['/disk.img', image]]), '127.0.0.1', 0);
  for (const boot of ['first', 'second']) {
    const backend = await openHttpDisk(`http://127.0.0.1:${port}/disk.img`, {
      store: (name, chunkSize, size) => new ChunkFile(join(work, 'chunks'), name, chunkSize, size),
    });
    await using machine = await Machine.create(
      {
        kernel: { file: 'kernel', bytes: readFileSync(guest.kernel) },
        initrd: { file: 'initrd', bytes: readFileSync(guest.initrd) },
        append: commandLine({ exec: 'python3 -c "print(6*7)"', stdin: 'none', root: '/dev/vda' }),
        hashEvery: 0,
        disks: [{ file: 'far', backend }],
      },
      createHostRoom(),
    );
    await machine.run();
    const { fetched } = backend.tiers;
    print(
      `a disk of ${SIZE} on a server, ${boot} boot and a Python program`,
      `${((100 * fetched.bytes) / BYTES).toFixed(2)} % read`,
    );
  }
  server.closeAllConnections();
  server.close();
}
