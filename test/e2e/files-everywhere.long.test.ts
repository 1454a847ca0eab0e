/** git, make with gcc, sqlite with fsync and fio on every kind of disk and share: the output is the same. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openHttpDisk } from '../../src/host/http-disk.ts';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { buildDisk } from '../../src/host/node/guest/index.ts';
import { KeptDisk } from '../../src/host/node/overlay-file.ts';
import { SharedFolder } from '../../src/host/node/share/share.ts';
import { serveFiles } from '../../src/host/node/static-server.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { attachShare } from '../../src/host/share.ts';
import type { ShareDevice } from '../../src/machine/session/options.ts';
import type { BlockBackend } from '../../src/storage/index.ts';
import { describeGuest, exec } from './guest.ts';

const PROGRAMS = new URL('programs/', import.meta.url).pathname;

describeGuest('programs that work with files, on every kind of disk and share', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'hindsight-everywhere-'));
  const programs = join(scratch, 'programs');
  const work = join(scratch, 'work');
  const overlay = (name: string): string => join(scratch, `${name}.hso`);
  let image: string;
  let hash: string;
  let served: { server: Server; port: number };
  let first: string | undefined;

  beforeAll(async () => {
    for (const folder of [programs, work]) mkdirSync(folder);
    for (const file of readdirSync(PROGRAMS)) copyFileSync(join(PROGRAMS, file), join(programs, file));
    const { disk, manifest } = await buildDisk({ packages: ['attr', 'e2fsprogs', 'fio', 'git'] });
    image = disk;
    hash = manifest.files[0]!.sha256;
    execFileSync('qemu-img', ['convert', '-q', '-O', 'qcow2', image, join(scratch, 'root.qcow2')], { stdio: 'pipe' });
    served = await serveFiles(new Map([['/root.img', image]]), '127.0.0.1', 0);
  }, 900_000);
  afterAll(() => {
    served?.server.closeAllConnections();
    served?.server.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Runs the programs on a machine with that root disk, in a directory of it or of a share. */
  async function run(backend: BlockBackend, work?: ShareDevice & { readonly folder: string }): Promise<void> {
    const room = createHostRoom();
    const folders = [new SharedFolder(programs), ...(work ? [new SharedFolder(work.folder)] : [])];
    const directory = work ? `/mnt/${work.name}` : '/root';
    const names = ['programs', ...(work ? [work.name] : [])];
    const { output, status } = await exec(`bash /mnt/programs/tools.sh ${directory} && sync`, {
      memory: '512M',
      shares: ['programs', ...(work ? [{ name: work.name, protocol: work.protocol }] : [])],
      boot: { root: '/dev/vda', shares: names },
      disks: [{ file: 'root', backend }],
      prepare: (vm) => names.forEach((name, i) => void attachShare(vm, name, folders[i]!, room)),
    });
    for (const folder of folders) folder.dispose();
    expect(output).toContain('left nothing');
    expect(status).toBe(0);
    first ??= output;
    expect(output).toBe(first);
  }

  it.each<[string, () => BlockBackend | Promise<BlockBackend>]>([
    ['a raw image', () => openDiskFile(image, hash)],
    ['a qcow2 image', () => openDiskFile(join(scratch, 'root.qcow2'), hash)],
    ['a server, through a cache', () => openHttpDisk(`http://127.0.0.1:${served.port}/root.img`)],
  ])('%s', async (_kind, open) => run(await open()));

  it.each(['through', 'back'] as const)('an overlay, written %s: clean to e2fsck afterwards', async (write) => {
    const file = overlay(write);
    const open = (): Promise<KeptDisk> =>
      KeptDisk.open(openDiskFile(image, hash), file, image, { write, journal: `${file}.journal` });
    const disk = await open();
    try {
      await run(disk);
      disk.keepNow();
    } finally {
      disk.close();
    }
    const whole = join(scratch, 'whole.img');
    execFileSync(process.execPath, ['dist/cli.mjs', 'disk', 'export', file, whole], { stdio: 'pipe' });
    execFileSync('e2fsck', ['-fp', whole], { stdio: 'pipe' });
    execFileSync('e2fsck', ['-fn', whole], { stdio: 'pipe' });
  });

  it.each(['virtiofs', '9p'] as const)('a shared folder by %s', async (protocol) => {
    await run(openDiskFile(image, hash), { name: 'work', protocol, folder: work });
    expect(readdirSync(work)).toEqual([]);
  });
});
