import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  buildGuest,
  cacheDirectory,
  findDisk,
  findGuest,
  GuestBuildError,
  GuestCache,
  type GuestProgress,
  listGuests,
} from '../../src/host/node/guest/index.ts';
import { fakeApt } from './fake-apt.ts';
import { has, scratch } from './tools.ts';

const root = scratch();
let cacheDir = '';
let count = 0;

beforeEach(() => {
  cacheDir = join(root, `cache-${++count}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

it('follows the XDG base directories', () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: '/x' })).toBe('/x/hindsight');
  expect(cacheDirectory({ XDG_CACHE_HOME: 'relative is ignored' })).toMatch(/\/\.cache\/hindsight$/);
});

it('says what to bring where apt is missing', async () => {
  vi.stubEnv('PATH', join(root, 'nothing'));
  const failure = await buildGuest({ cacheDir }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(GuestBuildError);
  for (const part of [
    'apt-get is not on this machine',
    '--kernel FILE',
    '--initrd FILE',
    '--disk FILE',
    'guest build --disk',
  ])
    expect((failure as Error).message).toContain(part);
});

describe.skipIf(!has('dpkg-deb') || !has('xz'))('a build', () => {
  const machine = has('dpkg-deb') && has('xz') ? fakeApt(root) : undefined!;
  beforeEach(() => {
    vi.stubEnv('PATH', machine.path);
    vi.stubEnv('HINDSIGHT_MIRROR', '');
    machine.fail('');
    writeFileSync(join(root, 'log'), '');
  });

  it("gives the package's kernel and an initramfs with the modules a disk needs, and reports", async () => {
    const reports: GuestProgress[] = [];
    const guest = await buildGuest({ cacheDir, onProgress: (p) => reports.push(p) });
    expect(readFileSync(guest.kernel, 'utf8')).toBe('the kernel');
    expect(guest.manifest).toMatchObject({
      kind: 'kernel',
      release: '6.1-riscv64',
      packages: { 'linux-image-6.1-riscv64': '6.1-2', 'busybox-static': '1:1.37' },
    });
    const initrd = readFileSync(guest.initrd, 'latin1');
    expect(initrd).toContain('load virtio_mmio virtio_blk jbd2 ext4\n');
    expect(initrd).not.toContain('unrelated');
    expect(new Set(reports.map((r) => r.phase))).toEqual(new Set(['indexes', 'packages', 'unpacking', 'packing']));
    expect(reports).toContainEqual({ phase: 'packages', done: 550, total: 1100 });
    expect(reports.every((r) => r.done >= 0 && r.done <= r.total)).toBe(true);
  });

  it("asks the machine's own mirror through its own proxy, without its hooks", async () => {
    await buildGuest({ cacheDir });
    expect(readFileSync(join(cacheDir, 'apt/etc/sources.list'), 'utf8')).toMatch(
      /^deb \[arch=riscv64 signed-by=\S+\] http:\/\/mirror\.test\/debian trixie main$/m,
    );
    const config = readFileSync(join(cacheDir, 'apt/apt.conf'), 'utf8');
    expect(config).toContain('Acquire::http::Proxy "http://proxy.test:3128";');
    expect(config).not.toContain('Post-Invoke');
  });

  it('asks the mirror that was named', async () => {
    vi.stubEnv('HINDSIGHT_MIRROR', 'http://env.test/debian/');
    await buildGuest({ cacheDir });
    expect(readFileSync(join(cacheDir, 'apt/etc/sources.list'), 'utf8')).toContain(
      ' http://env.test/debian trixie main',
    );
    await buildGuest({ cacheDir, mirror: 'http://option.test/d', rebuild: true });
    expect(readFileSync(join(cacheDir, 'apt/etc/sources.list'), 'utf8')).toContain(' http://option.test/d trixie main');
    await expect(buildGuest({ cacheDir, mirror: 'option.test', rebuild: true })).rejects.toThrow(
      'mirror "option.test": expected the address',
    );
  });

  it('is used again without asking anyone, and made again on request, to the same bytes', async () => {
    const first = await buildGuest({ cacheDir });
    const asked = machine.log().length;
    expect(await buildGuest({ cacheDir })).toEqual(first);
    expect(await findGuest(cacheDir)).toEqual(first);
    expect(machine.log().length).toBe(asked);
    expect(await buildGuest({ cacheDir, rebuild: true })).toEqual(first);
    expect(machine.log().length).toBeGreaterThan(asked);
    expect(await listGuests(cacheDir)).toMatchObject([{ directory: first.directory, inUse: true }]);
    expect(await findDisk(cacheDir)).toBeUndefined();
  });

  it('is made again when a file was cut short', async () => {
    const guest = await buildGuest({ cacheDir });
    truncateSync(guest.initrd, 100);
    expect(await findGuest(cacheDir)).toBeUndefined();
    const again = await buildGuest({ cacheDir });
    expect(again).toEqual(guest);
    expect(readFileSync(again.initrd).length).toBe(again.manifest.files[1]!.size);
  });

  it('leaves nothing half-made when it fails, and says why', async () => {
    machine.fail('case "$*" in *update*) echo "E: Could not resolve mirror.test" >&2; exit 100;; esac');
    const failure = await buildGuest({ cacheDir }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(GuestBuildError);
    expect((failure as Error).message).toMatch(
      /could not be fetched from http:\/\/mirror\.test\/debian:\nE: Could not resolve mirror\.test[\s\S]*--mirror URL[\s\S]*--kernel FILE/,
    );
    expect(await findGuest(cacheDir)).toBeUndefined();
    expect(await listGuests(cacheDir)).toEqual([]);
  });

  it('keeps what was there when a new build fails', async () => {
    const guest = await buildGuest({ cacheDir });
    machine.fail('case "$*" in *download*) exit 100;; esac');
    await expect(buildGuest({ cacheDir, rebuild: true })).rejects.toThrow();
    expect(await findGuest(cacheDir)).toEqual(guest);
  });

  it('is packed again without a network when only the recipe has changed', async () => {
    const guest = await buildGuest({ cacheDir });
    const manifest = join(guest.directory, 'manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(guest.manifest.recipe, 'old'));
    expect(await findGuest(cacheDir)).toMatchObject({ stale: true });
    machine.fail('case "$*" in *update*) exit 100;; esac');
    await expect(buildGuest({ cacheDir, rebuild: true })).rejects.toThrow('could not be fetched');
    expect(await buildGuest({ cacheDir })).toEqual(guest);
  });

  it('can be stopped', async () => {
    machine.fail('case "$*" in *update*) exec sleep 60;; esac');
    const stop = new AbortController();
    const building = buildGuest({ cacheDir, signal: stop.signal });
    setTimeout(() => stop.abort(), 300);
    await expect(building).rejects.toThrow(/abort/i);
    machine.fail('');
    await buildGuest({ cacheDir });
  });

  it('is done once by several at a time', async () => {
    const phases: string[] = [];
    const guests = await Promise.all(
      [1, 2, 3].map(() => buildGuest({ cacheDir, onProgress: (p) => phases.push(p.phase) })),
    );
    expect(guests[1]).toEqual(guests[0]);
    expect(guests[2]).toEqual(guests[0]);
    expect(phases).toContain('waiting');
    expect(machine.log().filter((line) => line.includes(' download ')).length).toBe(1);
  });
});

describe('the cache', () => {
  const manifest = { kind: 'kernel', recipe: 'r', packages: {} } as const;

  it('survives a builder killed in the middle', async () => {
    const directory = join(cacheDir, 'guests', '.building-1-dead');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'kernel'), 'half');
    const cache = new GuestCache(cacheDir);
    expect(await cache.current('kernel')).toBeUndefined();
    expect(await cache.list()).toEqual([]);
    await cache.publish(async (work) => {
      writeFileSync(join(work, 'kernel'), 'whole');
      return { name: 'a', manifest, files: ['kernel'] };
    });
    expect(readdirSync(join(cacheDir, 'guests'))).toHaveLength(1);
    expect(await cache.current('kernel')).toMatchObject({ manifest: { files: [{ name: 'kernel', size: 5 }] } });
  });

  it('notices changed content', async () => {
    const cache = new GuestCache(cacheDir);
    const build = await cache.publish(async (work) => {
      writeFileSync(join(work, 'kernel'), 'whole');
      return { name: 'a', manifest, files: ['kernel'] };
    });
    expect(await cache.verify(build)).toBe(true);
    writeFileSync(join(build.directory, 'kernel'), 'wHole');
    expect(await cache.verify(build)).toBe(false);
  });

  it('is not led outside by its pointer', async () => {
    mkdirSync(join(cacheDir, 'guests'), { recursive: true });
    writeFileSync(join(cacheDir, 'current-kernel'), '../elsewhere\n');
    expect(await new GuestCache(cacheDir).current('kernel')).toBeUndefined();
  });

  it('releases its lock when the holder is killed', async () => {
    const cache = new GuestCache(cacheDir);
    let waited = false;
    const order: string[] = [];
    await Promise.all([
      cache.exclusively(async () => {
        await new Promise((r) => setTimeout(r, 100));
        order.push('first');
      }),
      new Promise((r) => setTimeout(r, 20)).then(() =>
        cache.exclusively(
          async () => {
            order.push('second');
          },
          () => {
            waited = true;
          },
        ),
      ),
    ]);
    expect([waited, order]).toEqual([true, ['first', 'second']]);
    // a process that takes the same lock and is killed
    const name = JSON.stringify(`\0hindsight-guest-test-${process.pid}`);
    const holder = `require('net').createServer().listen(${name},()=>process.kill(process.pid,'SIGKILL'))`;
    const taker = `require('net').createServer().on('error',()=>process.exit(1)).listen(${name},()=>process.exit(0))`;
    expect(spawnSync(process.execPath, ['-e', holder]).signal).toBe('SIGKILL');
    expect(spawnSync(process.execPath, ['-e', taker]).status).toBe(0);
  });
});

it('scratch directories with links in their path are no obstacle', async () => {
  mkdirSync(cacheDir, { recursive: true });
  symlinkSync(cacheDir, `${cacheDir}-link`);
  expect(await findGuest(`${cacheDir}-link`)).toBeUndefined();
});
