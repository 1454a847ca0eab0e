/** Commands and files of a Linux guest over its session channel, recorded and replayed. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Machine, type Sandbox, Timeline } from '../../src/host/node/index.ts';
import { describeGuest } from '../e2e/guest.ts';
import { sha256 } from './agent-process.ts';

describeGuest('a sandbox', () => {
  let folder: string;
  let recording: string;
  let box: Sandbox;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sandbox-'));
    recording = join(folder, 'a.hsr');
    box = await Machine.start({ record: recording, past: true });
  }, 240_000);
  afterAll(async () => {
    await box.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('runs commands, ten at once, with input, environment, status and signals', async () => {
    expect(
      await box.exec('echo $GREETING; pwd; echo no >&2; exit 4', { env: { GREETING: 'hi' }, cwd: '/tmp' }),
    ).toMatchObject({
      stdout: 'hi\n/tmp\n',
      stderr: 'no\n',
      exitCode: 4,
    });
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, i) => box.exec('read x; sleep 0.1; echo got $x', { stdin: `${i}\n` })),
    );
    expect(all.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 10 }, (_, i) => `got ${i}\n`));
    expect(await box.exec('kill -SEGV $$')).toMatchObject({ exitCode: 139, signal: 'SIGSEGV' });
    await expect(box.exec(['no-such-program'])).rejects.toMatchObject({ name: 'GuestError', code: 'ENOENT' });
  });

  test("starts from the guest's own snapshot, unlike another: with numbers and a clock of its own", async () => {
    expect(box.machine.recording.header.start).toBeDefined();
    await using other = await Machine.start();
    const ask = 'cat /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | md5sum; date +%s';
    const answers = await Promise.all([box, other].map(async (one) => (await one.exec(ask)).stdout.split('\n')));
    expect(answers[0]![0]).not.toBe(answers[1]![0]);
    expect(answers[0]![1]).not.toBe(answers[1]![1]);
    for (const [, , seconds] of answers) expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
  });

  test('carries a megabyte of random bytes in and out', async () => {
    const bytes = randomBytes(1_000_000);
    const { stdoutBytes } = await box.exec('cat', { stdin: bytes });
    expect(sha256(stdoutBytes)).toBe(sha256(bytes));
  });

  test('kills what takes too long, with its whole process group, and lets what nobody reads wait', async () => {
    const long = box.exec('/bin/busybox sleep 1000 & /bin/busybox sleep 1000', { timeout: 5000 });
    await expect.poll(async () => (await box.exec('ps | grep -c [s]leep.1000')).stdout).not.toBe('0\n');
    await expect(long).rejects.toMatchObject({
      name: 'CommandTimeoutError',
    });
    const endless = box.spawn('yes');
    await expect
      .poll(async () => (await box.exec('ps | grep -c [s]leep.1000')).stdout, { timeout: 30_000 })
      .toBe('0\n');
    endless.kill('SIGKILL');
    expect(await endless.exit).toMatchObject({ signal: 'SIGKILL' });
  });

  test('reads and writes files', async () => {
    await box.files.mkdir('/tmp/a/b');
    await box.files.write('/tmp/a/b/text', 'written\n', { mode: 0o600 });
    expect((await box.exec('cat /tmp/a/b/text; stat -c %a /tmp/a/b/text')).stdout).toBe('written\n600\n');
    expect((await box.files.list('/tmp/a')).map(({ name, kind }) => [name, kind])).toEqual([['b', 'directory']]);
    await box.files.unpack('/tmp/copy', await box.files.pack('/tmp/a'));
    expect(await box.files.readText('/tmp/copy/b/text')).toBe('written\n');
    await box.files.remove('/tmp/a');
    await expect(box.files.read('/tmp/a/b/text')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('the copy of a machine goes its own way, with random numbers of its own', async () => {
    await box.exec('echo before >/tmp/shared');
    await using copy = await box.fork();
    const ask = 'cat /tmp/shared; echo $1 >/tmp/shared; cat /proc/sys/kernel/random/uuid';
    const [one, other] = await Promise.all([box.exec(ask), copy.exec(ask)]);
    const lines = [one, other].map(({ stdout }) => stdout.split('\n'));
    expect(lines.map(([shared]) => shared)).toEqual(['before', 'before']);
    expect(lines[0]![1]).not.toBe(lines[1]![1]);
    await copy.exec('echo copy >/tmp/shared');
    expect(await box.files.readText('/tmp/shared')).not.toBe('copy\n');
    const year = new Date().getUTCFullYear();
    expect((await copy.exec('date -u +%Y')).stdout).toBe(`${year}\n`);
  });

  test('others start from its snapshot, each with numbers of its own; what is no such snapshot is refused', async () => {
    await box.exec('echo kept >/tmp/snapshot; /bin/busybox sleep 1000 >/dev/null 2>&1 & echo $! >/tmp/sleeper');
    const from = await box.snapshot();
    const draw = 'cat /tmp/snapshot /proc/sys/kernel/random/uuid; ps | grep -c [s]leep.1000; date +%s';
    const drawn: string[][] = [];
    for (let i = 0; i < 2; i++) {
      await using other = await Machine.start({ from });
      drawn.push((await other.exec(draw)).stdout.split('\n'));
    }
    expect(drawn.map(([kept, , sleeping]) => [kept, sleeping])).toEqual([
      ['kept', '1'],
      ['kept', '1'],
    ]);
    expect(drawn[0]![1]).not.toBe(drawn[1]![1]);
    for (const [, , , seconds] of drawn) expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
    await box.exec('kill $(cat /tmp/sleeper)');
    await expect(Machine.start({ from, memory: '64M' })).rejects.toThrow(/^memory cannot be given with from/);
    await expect(Machine.start({ from: from.subarray(0, 5000) })).rejects.toMatchObject({ name: 'StateError' });
  });

  test('a guest that panics in the middle ends what was under way', async () => {
    await using other = await box.fork();
    const late = other.exec('sleep 1000');
    const crash = other.exec('echo c >/proc/sysrq-trigger', { timeout: 60_000 });
    const reason = { name: 'SessionEndedError', message: "the guest's kernel panicked: sysrq triggered crash" };
    await Promise.all([late, crash].map((command) => expect(command).rejects.toMatchObject(reason)));
    await expect(other.exec('true')).rejects.toMatchObject(reason);
  });

  test('a guest that restarts ends what was under way, and takes commands again', async () => {
    await using restarting = await Machine.start();
    await restarting.exec('echo before >/tmp/file');
    const under = restarting.exec('reboot; sleep 1000');
    await expect(under).rejects.toMatchObject({ name: 'SessionEndedError', message: 'the guest restarted' });
    // Waits until it is there again.
    const { stdout } = await restarting.exec('cat /tmp/file 2>&1; date +%s; head -c 16 /dev/urandom | md5sum');
    const [file, seconds] = stdout.split('\n');
    expect(file).toMatch(/No such file/);
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(120);
  }, 240_000);

  test('with a network it starts from a snapshot, too, and the network comes up', async () => {
    await using networked = await Machine.start({ net: 'user' });
    expect(networked.machine.recording.header.start).toBeDefined();
    const { stdout } = await networked.exec('ip route; ping -c 1 -W 5 10.0.2.2 >/dev/null && echo reached');
    expect(stdout).toMatch(/^default via 10\.0\.2\.2 dev eth0/m);
    expect(stdout).toMatch(/^reached$/m);
  }, 120_000);

  test('a snapshot knows its connections: one that only receives is reset where it goes on, and new ones can be made', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).write('hello\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const first = await Machine.start({ net: { allowHost: true } });
      const receive = `nc 10.0.2.2 ${port} <&0 >/tmp/got`;
      await first.exec(`mkfifo /tmp/open; sleep 100000 >/tmp/open & (${receive}; echo over >/tmp/over) </tmp/open &
        until [ -s /tmp/got ]; do sleep 0.1; done`);
      const from = await first.snapshot();
      await first.close();
      await expect(Machine.start({ from: await box.snapshot(), net: 'user' })).rejects.toThrow('has no network device');
      await using second = await Machine.start({ from, net: { allowHost: true } });
      const { stdout } = await second.exec(
        `until [ -s /tmp/over ]; do sleep 0.1; done; cat /tmp/got /tmp/over; nc 10.0.2.2 ${port} </dev/null | head -n 1`,
        { timeout: 60_000 },
      );
      expect(stdout).toBe('hello\nover\nhello\n');
    } finally {
      server.close();
    }
  }, 240_000);

  test('goes back: what was done after has not happened', async () => {
    await box.files.write('/tmp/state', 'first');
    const then = await box.mark();
    await box.files.write('/tmp/state', 'second');
    const running = box.exec('sleep 1000');
    await Promise.all([expect(running).rejects.toMatchObject({ name: 'SessionEndedError' }), box.rewind(then)]);
    expect(await box.files.readText('/tmp/state')).toBe('first');
    expect((await box.exec('echo on')).stdout).toBe('on\n');
  });

  test('ends with the guest, and its recording replays to the same state', async () => {
    const late = box.exec('sleep 1000');
    // By its name in a shell: busybox's own, which asks process 1.
    const poweroff = box.exec('poweroff');
    await expect(late).rejects.toMatchObject({ name: 'SessionEndedError', message: 'the guest powered off' });
    await poweroff.catch(() => undefined);
    await expect(box.exec('true')).rejects.toThrow();
    const hash = box.machine.hash();
    await box.close();
    for (const core of ['jit', 'wasm'] as const) {
      const timeline = await Timeline.open(recording, { core });
      await timeline.verify();
      expect([core, timeline.hash()]).toEqual([core, hash]);
    }
  });
});
