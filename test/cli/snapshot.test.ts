import { execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SnapshotStore } from '../../src/host/node/snapshots/index.ts';
import { guest } from './guest.ts';
import { CLI, hindsight } from './hindsight.ts';

/** Kills while one is saved: HINDSIGHT_LONG=1 for a hundred. */
const ROUNDS = process.env.HINDSIGHT_LONG === '1' ? 100 : 8;

describe.skipIf(guest === undefined)('hindsight snapshot', { timeout: ROUNDS * 30_000 }, () => {
  let dir: string;
  let env: NodeJS.ProcessEnv;
  const run = (...args: string[]): ReturnType<typeof hindsight> => hindsight(args, { environment: env });
  const store = (): string => join(dir, 'hindsight', 'snapshots');

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-snapshot-'));
    env = { ...process.env, XDG_DATA_HOME: dir };
    const made = await run(
      ...['run', '-q', '--no-stdin', '--clock', 'host', '--record', join(dir, 'a.hsr')],
      ...['--exec', 'echo one; sleep 1; echo two; cat /proc/sys/kernel/random/uuid'],
    );
    expect(made.stderr).toBe('');
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('saves any instant of a recording, which goes on from there; the second shares its pages with the first', async () => {
    const first = await run('snapshot', 'save', `${join(dir, 'a.hsr')}@60%`, 'first');
    expect(first.stderr).toMatch(/^hindsight: saved first \(.*\) at \d+/);
    expect((await run('snapshot', 'save', `${join(dir, 'a.hsr')}@61%`, 'second')).status).toBe(0);
    const list = JSON.parse((await run('snapshot', 'list', '--json')).stdout) as { name: string; size: number }[];
    expect(list.map(({ name }) => name)).toEqual(['first', 'second']);
    for (const { size } of list) expect(size).toBeLessThan(2 ** 20);
    const on = await run('run', '-q', '--no-stdin', '--from', 'first');
    expect(on.stdout).toContain('two');
    expect(on.status).toBe(0);
    const info = JSON.parse((await run('snapshot', 'info', 'second', '--json')).stdout) as { files: unknown[] };
    expect(info.files.length).toBeGreaterThan(1);
  });

  test('what goes on from a snapshot is recorded, names it, and replays to the same hash on every core', async () => {
    const file = join(dir, 'on.hsr');
    for (const embed of [[], ['--embed']]) {
      expect((await run('run', '-q', '--no-stdin', '--from', 'first', '--record', file, ...embed)).status).toBe(0);
      for (const core of ['jit', 'wasm', 'ts']) {
        const replayed = await run('replay', file, '--verify', '--core', core, '--json');
        expect(replayed.stderr).toBe('');
        expect(replayed.status).toBe(0);
      }
      const early = await run('replay', file, '--until', '1000');
      expect(early.stderr).toMatch(/instant 1000 lies before the recording: it starts from the snapshot/);
      rmSync(file);
    }
  });

  test("by the host's clock each that goes on has random numbers of its own, which its recording has; by virtual time they are twins", async () => {
    const file = join(dir, 'numbers.hsr');
    const uuid = async (...args: string[]): Promise<string> =>
      (await run('run', '-q', '--no-stdin', '--from', 'first', ...args)).stdout.match(/^[0-9a-f-]{36}$/m)![0];
    const drawn = [await uuid('--clock', 'host'), await uuid('--clock', 'host', '--record', file), await uuid()];
    expect(new Set(drawn).size).toBe(3);
    expect(await uuid()).toBe(drawn[2]);
    for (const core of ['jit', 'wasm', 'ts']) {
      const replayed = await run('replay', file, '--verify', '--core', core);
      expect(replayed.status).toBe(0);
      expect(replayed.stdout).toContain(drawn[1]);
    }
    rmSync(file);
  });

  test('a file that needs no other goes on where the store is not', async () => {
    const file = join(dir, 'whole.hss');
    expect((await run('snapshot', 'save', `${join(dir, 'a.hsr')}@60%`, file)).status).toBe(0);
    expect(statSync(file).size).toBeLessThan(16e6);
    const elsewhere = await hindsight(['run', '-q', '--no-stdin', '--from', file], {
      environment: { XDG_DATA_HOME: join(dir, 'nothing') },
    });
    expect(elsewhere.stdout).toContain('two');
  });

  test('is taken of a live machine when the console shows a text', async () => {
    const saved = await run(
      ...['run', '--no-stdin', '--snapshot', 'live', '--snapshot-at', 'READY'],
      ...['--exec', 'echo READY; sleep 1; echo later'],
    );
    expect(saved.stdout).toBe('READY\n');
    expect(saved.stderr).toMatch(/saved live \(.*\); hindsight run --from live goes on from here/);
    expect((await run('run', '-q', '--no-stdin', '--from', 'live')).stdout).toContain('later');
  });

  test('is saved and gone on from by the library', async () => {
    const { Machine } = (await import(
      new URL('../../dist/node.mjs', import.meta.url).href
    )) as typeof import('../../src/host/node/index.ts');
    const file = join(dir, 'library.hss');
    await using vm = await Machine.from(join(dir, 'whole.hss'), { core: 'wasm' });
    await vm.run({ instructions: vm.instant.instructions + 100_000 });
    await vm.snapshot(file);
    await using again = await Machine.from(file);
    expect(again.hash()).toBe(vm.hash());
    expect(again.instant).toEqual(vm.instant);
  });

  test('refuses what it cannot do, by name and with what to do', async () => {
    const fails = async (text: RegExp, ...args: string[]): Promise<void> => {
      const { stderr, status } = await run(...args);
      expect(stderr).toMatch(text);
      expect(status).not.toBe(0);
    };
    await fails(/there is no snapshot "nope": expected one of .*first/, 'run', '--from', 'nope');
    await fails(/names no instant of a recording: expected RECORDING@INSTANT/, 'snapshot', 'save', 'x', 'y');
    await fails(/is no name for a snapshot|no such file/, 'run', '--from', '../x');
    await fails(/--exec cannot be given with --from/, 'run', '--from', 'first', '--exec', 'true');
    for (const [flag, value, has] of [
      ['--mem', '512M', '256 MiB'],
      ['--harts', '2', '1'],
    ])
      await fails(
        new RegExp(`${flag} ${value}: the snapshot's machine has ${has}, which stays`),
        'run',
        '--from',
        'first',
        flag!,
        value!,
      );
    await fails(/--disk-cache cannot be given with --from/, 'run', '--from', 'first', '--disk-cache', '1M');
    await fails(/--from cannot be given with --name/, 'run', '--from', 'first', '--name', 'work');
    await fails(/the machine has no share "work"/, 'run', '--from', 'first', '--share', `${dir}:work`);
    await fails(/has no network device/, 'run', '--from', 'first', '--net', 'user');
    await fails(
      /first has no channel for it; it has to be made with --control/,
      'run',
      '--from',
      'first',
      '--control',
      'c',
    );
    // What is the same may be said.
    expect((await run('run', '-q', '--no-stdin', '--from', 'first', '--mem', '256M', '--harts', '1')).status).toBe(0);
    const file = join(dir, 'broken.hss');
    const whole = readFileSync(join(dir, 'whole.hss'));
    writeFileSync(file, whole);
    truncateSync(file, whole.length - 1000);
    await fails(/broken\.hss is damaged: it ends after \d+ bytes, expected \d+ or more/, 'run', '--from', file);
    writeFileSync(file, 'something else');
    await fails(/broken\.hss is no snapshot: it does not begin with "HSSTATE"/, 'run', '--from', file);
    const future = Buffer.from(whole);
    future[7] = 9;
    writeFileSync(file, future);
    await fails(/format version 9; this program reads version \d+: use a newer release/, 'run', '--from', file);
    const other = Buffer.from(whole.toString('latin1').replace(/("kernel":\{[^}]*"hash":")(.)/, '$1x'), 'latin1');
    writeFileSync(file, other);
    await fails(/broken\.hss is damaged in the part at offset \d+/, 'run', '--from', file);
  });

  test('is refused when its disk or its kernel is another now', async () => {
    const disk = join(dir, 'disk.img');
    const kernel = join(dir, 'kernel');
    const image = readFileSync(guest!.kernel);
    writeFileSync(disk, new Uint8Array(1 << 20));
    writeFileSync(kernel, Buffer.concat([image, Buffer.of(1)]));
    const save = (name: string, ...flags: string[]): ReturnType<typeof hindsight> =>
      run('run', '-q', '--no-stdin', ...flags, '--snapshot', name, '--snapshot-at', 'READY', '--exec', 'echo READY');
    const boot = ['--kernel', kernel, '--initrd', guest!.initrd, '--append', guest!.commandLine];
    expect((await save('with-disk', '--disk', disk)).stderr).toBe('');
    expect((await save('with-kernel', ...boot)).stderr).toBe('');
    writeFileSync(disk, new Uint8Array(1 << 20).fill(1, 77_777, 77_778));
    writeFileSync(kernel, Buffer.concat([image, Buffer.of(2)]));
    for (const [name, file] of [
      ['with-disk', 'disk.img'],
      ['with-kernel', 'kernel'],
    ]) {
      const { status, stderr } = await run('run', '-q', '--no-stdin', '--from', name!);
      expect(stderr).toMatch(new RegExp(`${file}`));
      expect(stderr).toMatch(/SHA-256 [0-9a-f]{64}/);
      expect(status).toBe(1);
    }
    expect((await run('snapshot', 'rm', 'with-disk', 'with-kernel')).status).toBe(0);
  });

  test('removed, leaves what others share and nothing else', async () => {
    const files = (): string[] => readdirSync(store()).filter((name) => name.endsWith('.hss'));
    expect((await run('snapshot', 'rm', 'first')).status).toBe(0);
    expect((await run('run', '-q', '--no-stdin', '--from', 'second')).stdout).toContain('two');
    const { stderr } = await run('snapshot', 'rm', 'first');
    expect(stderr).toMatch(/there is no snapshot "first" to remove/);
    expect((await run('snapshot', 'rm', 'second', 'live')).status).toBe(0);
    expect(files()).toEqual([]);
  });

  test('killed at any moment of saving, the store has the last good one', async () => {
    const source = `${join(dir, 'a.hsr')}@`;
    expect((await run('snapshot', 'save', `${source}60%`, 'kept')).status).toBe(0);
    for (let i = 0; i < ROUNDS; i++) {
      const child = spawn(process.execPath, [CLI, 'snapshot', 'save', '-q', `${source}${62 + (i % 30)}%`, 'kept'], {
        env,
        stdio: 'ignore',
      });
      // While it writes: from the moment a new file is there.
      const before = new Set(readdirSync(store()));
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      let since = 0;
      const watch = setInterval(() => {
        if (since > 0 || readdirSync(store()).some((name) => !before.has(name))) since++;
        if (since > i % 5) child.kill('SIGKILL');
      }, i % 4);
      await ended;
      clearInterval(watch);
      for (const one of (await new SnapshotStore(store()).open('kept')).snapshot.files) one.verify();
    }
    expect((await run('run', '-q', '--no-stdin', '--from', 'kept')).status).toBe(0);
  });

  test.skipIf(process.getuid?.() !== 0)('without room for it, the last one stays', async () => {
    const mount = join(dir, 'small');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]);
    try {
      const small = { ...process.env, XDG_DATA_HOME: mount };
      const { stderr, status } = await hindsight(['snapshot', 'save', `${join(dir, 'a.hsr')}@60%`, 'big'], {
        environment: small,
      });
      expect(stderr).toMatch(
        /the snapshot big could not be saved: no room for its \d+ bytes\. What had the name is as it was/,
      );
      expect(status).toBe(1);
      expect(readdirSync(join(mount, 'hindsight', 'snapshots')).filter((name) => name.endsWith('.json'))).toEqual([]);
      expect(readdirSync(join(mount, 'hindsight', 'snapshots')).filter((name) => name.endsWith('.new'))).toEqual([]);
    } finally {
      execFileSync('umount', [mount]);
    }
  });
});
