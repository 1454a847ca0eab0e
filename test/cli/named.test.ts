import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { guest } from './guest.ts';
import { bundled, CLI, type Ended, hindsight } from './hindsight.ts';

/** A program with a lock, an open file, a timer that it waits for and a counter that it alone knows. */
const PROGRAM = `modprobe virtio_mmio; modprobe virtio_blk; modprobe ext4; mount /dev/vda /mnt
exec 9>/mnt/file; mkdir /mnt/lock
i=0
while [ $i -lt 100000 ]; do
  i=$((i+1)); echo $i >&9; sync
  echo tick $i $(wc -l </mnt/file) $(mkdir /mnt/lock 2>/dev/null && echo free || echo held)
  [ $((i % 40)) = 0 ] && date +now:%s
  sleep 0.05
done`;

/** Kills while it is suspended: HINDSIGHT_LONG=1 for a hundred. */
const ROUNDS = process.env.HINDSIGHT_LONG === '1' ? 100 : 6;

describe.skipIf(guest === undefined)('a machine with a name', { timeout: 300_000 + ROUNDS * 20_000 }, () => {
  let dir: string;
  let environment: NodeJS.ProcessEnv;
  let base: string;
  beforeAll(() => bundled);
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-named-'));
    environment = { XDG_DATA_HOME: join(dir, 'data') };
    base = join(dir, 'base.img');
    execFileSync('mkfs.ext4', ['-q', '-F', base, '16M'], { stdio: 'ignore' });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const command = (...args: string[]): Promise<Ended> => hindsight(args, { environment });
  const state = async (): Promise<unknown> =>
    (JSON.parse((await command('list', '--json')).stdout) as { name: string; state: string }[]).map((one) => one.state);

  interface Running {
    readonly child: ChildProcess;
    /** Lines so far. */
    lines(): string[];
    until(reached: (lines: readonly string[]) => boolean): Promise<void>;
    end(signal: NodeJS.Signals): Promise<number | null>;
  }
  /** Runs the machine until it is ended by a signal. */
  function start(...args: string[]): Running {
    const child = spawn(process.execPath, [CLI, 'run', '--name', 'work', '--no-stdin', '--quiet', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    let heard = '';
    child.stdout!.setEncoding('utf8');
    child.stdout!.on('data', (text: string) => (heard += text));
    const lines = (): string[] =>
      heard
        .replace(/[^\n]*$/, '')
        .split(/\r?\n/)
        .slice(0, -1);
    return {
      child,
      lines,
      until: (reached) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            if (reached(lines())) resolve();
          };
          child.stdout!.on('data', look);
          child.once('close', () => reject(new Error(`it ended: ${heard}`)));
          look();
        }),
      end: (signal) =>
        new Promise((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode);
          child.once('close', resolve);
          child.kill(signal);
        }),
    };
  }

  const ticks = (lines: readonly string[]): number[] =>
    lines.flatMap((line) => /^tick (\d+) \1 held$/.exec(line)?.[1] ?? []).map(Number);
  const odd = (lines: readonly string[]): string[] =>
    lines.filter((line) => !/^(tick (\d+) \2 held|now:\d+)$/.test(line));

  test('goes on where it was left, with its lock, its file and its clock; killed, from there again', async () => {
    const first = start('--clock', 'host', '--disk', base, '--exec', PROGRAM);
    await first.until((lines) => ticks(lines).length >= 5);
    expect(await state()).toEqual(['running']);
    const second = await command('run', '--name', 'work', '--no-stdin');
    expect([second.status, second.stderr]).toEqual([
      1,
      'hindsight: machine work is running already: go on with it there, leave it by Ctrl-A d, or run another name\n',
    ]);
    expect((await command('rm', 'work')).stderr).toMatch(/machine work is running: end it before/);
    expect((await command('cp', 'work:/file', '-')).stderr).toMatch(
      /machine work runs and cannot be reached: leave it/,
    );
    expect(await first.end('SIGTERM')).toBe(0);
    expect(odd(first.lines())).toEqual([]);
    const left = ticks(first.lines()).at(-1)!;
    expect(await state()).toEqual(['suspended']);

    // Its files can be had meanwhile.
    const copied = await command('cp', 'work:/file', '-');
    const written = copied.stdout.trim().split('\n').map(Number);
    expect(written).toEqual(Array.from({ length: written.length }, (_, i) => i + 1));
    // It may have been left between the write and the line that tells of it.
    expect([left, left + 1]).toContain(written.length);
    expect((await command('cp', 'work:vdb:/file', '-')).stderr).toMatch(/machine work has no disk vdb; its disks: vda/);
    expect((await command('cp', 'work:/nothing', '-')).stderr).toMatch(
      /vda:\/nothing of machine work as it was suspended: there is no such file/,
    );
    const into = await command('cp', base, 'work:/mnt/');
    expect([into.status, into.stderr]).toEqual([
      1,
      expect.stringMatching(/work is suspended, and nothing can be copied/),
    ]);

    for (const args of [
      ['--mem', '512M'],
      ['--disk', join(dir, 'other.img')],
      ['--exec', 'true'],
    ])
      expect((await command('run', '--name', 'work', ...args)).status).toBe(2);

    // Killed: what came after the suspension has not happened, on the disk neither.
    for (let kill = 0; kill < 3; kill++) {
      const again = start('--clock', 'host');
      await again.until((lines) => ticks(lines).length >= 3 + 2 * kill);
      await again.end('SIGKILL');
      expect(odd(again.lines())).toEqual([]);
      expect([left, left + 1]).toContain(ticks(again.lines())[0]);
      expect(await state()).toEqual(['suspended']);
    }
    // Killed while it is being suspended: the former state or the new one.
    let known = [left, left + 1];
    for (let kill = 0; kill < ROUNDS; kill++) {
      const again = start('--clock', 'host');
      await again.until((lines) => ticks(lines).length >= 2);
      expect(known).toContain(ticks(again.lines())[0]);
      again.child.kill('SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, (40 * kill) % 390));
      await again.end('SIGKILL');
      expect(await state()).toEqual(['suspended']);
      const last = ticks(again.lines()).at(-1)!;
      known = [...known, ...Array.from({ length: 10 }, (_, i) => last + i)];
    }
    // Left again, and the next time from there; the time is right.
    const third = start('--clock', 'host');
    await third.until((lines) => lines.some((line) => line.startsWith('now:')));
    const told = Number(
      third
        .lines()
        .find((line) => line.startsWith('now:'))!
        .slice(4),
    );
    expect(Math.abs(told - Date.now() / 1000)).toBeLessThan(30);
    await third.end('SIGTERM');
    const later = ticks(third.lines()).at(-1)!;
    const fourth = start('--clock', 'host');
    await fourth.until((lines) => ticks(lines).length >= 2);
    await fourth.end('SIGINT');
    expect([later, later + 1]).toContain(ticks(fourth.lines())[0]);
  });

  test('that powers off begins anew with its disk', async () => {
    await command('rm', 'work');
    const mount = 'modprobe virtio_mmio; modprobe virtio_blk; modprobe ext4; mount /dev/vda /mnt';
    const run = (...args: string[]): Promise<Ended> =>
      command('run', '--quiet', '--no-stdin', '--name', 'work', ...args);
    expect((await run('--disk', base, '--exec', `${mount}; echo kept >/mnt/a`)).status).toBe(0);
    expect(await state()).toEqual(['off']);
    expect((await run('--exec', `${mount}; cat /mnt/a`)).stdout).toBe('kept\n');
    expect((await command('cp', 'work:vda:/a', '-')).stdout).toBe('kept\n');
    const { stdout } = await command('list');
    expect(stdout).toMatch(/^NAME .*\nwork +off .*--disk .*base\.img/);
    expect((await command('rm', 'work')).status).toBe(0);
    expect((await command('list')).stdout).toBe('');
    expect((await command('rm', 'work')).stderr).toMatch(/there is no machine "work" to remove/);
    expect((await command('run', '--name', '../x')).stderr).toMatch(/"\.\.\/x" is no name for a machine/);
  });
});
