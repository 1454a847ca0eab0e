import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunSummary } from '../../src/cli/summary.ts';
import { guest } from './guest.ts';
import { type Ended, hindsight, type StartOptions } from './hindsight.ts';

/** The interpreter: the tests are of the command line, not of the cores. */
const run = (args: readonly string[], options?: StartOptions): Promise<Ended> =>
  hindsight(['run', '--core', 'wasm', ...args], options);

const summaryOf = (ended: Ended): RunSummary => JSON.parse(ended.stdout.trimEnd().split('\n').at(-1)!) as RunSummary;

describe.skipIf(guest === undefined)('hindsight run', { timeout: 240_000 }, () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-run-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('--exec prints the output of the command and nothing else, and passes its status on', async () => {
    const ended = await run(['--exec', 'uname -sm; echo to stderr >&2; printf "no newline"; exit 42']);
    expect(ended.stdout).toBe('Linux riscv64\nto stderr\nno newline');
    expect(ended.status).toBe(42);
    expect(ended.stderr).toMatch(
      /^(?:hindsight: booting the guest once[^\n]*\n)?hindsight: \S+ M instructions in \S+ s \(\S+ MIPS\), guest time \S+ s\n$/,
    );
  });

  test('a command that a signal killed has status 128 and its number, and nobody says so', async () => {
    expect(await run(['--quiet', '--exec', 'echo before; kill -9 $$'])).toMatchObject({
      stdout: 'before\n',
      stderr: '',
      status: 137,
    });
  });

  test('output is exact to the byte, whatever it is', async () => {
    const ended = await run([
      '--quiet',
      '--exec',
      String.raw`printf 'a\tb\r\n\036hindsight:exec end\n\033[1m\000\n'; seq 3000`,
    ]);
    const numbers = Array.from({ length: 3000 }, (_, i) => `${i + 1}\n`).join('');
    expect(ended.stdout).toBe(`a\tb\r\n\x1ehindsight:exec end\n\x1b[1m\0\n${numbers}`);
    expect(ended.stderr).toBe('');
    expect(ended.status).toBe(0);
  });

  test('piped input reaches the command, binary and long lines too, and ends', async () => {
    const input = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    const { createHash } = await import('node:crypto');
    const ended = await run(['--quiet', '--exec', 'sha256sum'], { input });
    expect(ended.stdout).toBe(`${createHash('sha256').update(input).digest('hex')}  -\n`);
  });

  test('without a command, a script on standard input is run', async () => {
    const ended = await run(['--quiet'], { input: 'x=6\necho $((x * 7))\nexit 5\n' });
    expect(ended).toMatchObject({ stdout: '42\n', stderr: '', status: 5 });
  });

  test('a script that powers the guest off ends in order', async () => {
    const ended = await run(['--quiet'], { input: 'echo bye\npoweroff -f\n' });
    expect(ended).toMatchObject({ stderr: '', status: 0 });
    expect(ended.stdout).toMatch(/^bye\n/);
  });

  test('a command longer than the kernel takes on its command line', async () => {
    const words = 'word '.repeat(1000);
    const ended = await run(['--quiet', '--exec', `echo ${words}| wc -w`]);
    expect(ended.stdout).toBe('1000\n');
  });

  test('--json ends with one line of figures, and the same run has the same hash', async () => {
    const [one, two] = [
      await run(['--json', '--exec', 'echo hi']),
      await run(['--json', '--exec', 'echo hi'], { input: '' }),
    ];
    expect(one.stdout.split('\n')[0]).toBe('hi');
    const summary = summaryOf(one);
    expect(summary).toMatchObject({ reason: 'poweroff', status: 0, core: 'wasm', harts: 1, memory: 2 ** 28 });
    expect(summary.hash).toMatch(/^[0-9a-f]{16}$/);
    expect(summary.instructions).toBeGreaterThan(1e8);
    expect(summaryOf(two)).toMatchObject({
      hash: summary.hash,
      instructions: summary.instructions,
      guestSeconds: summary.guestSeconds,
    });
  });

  test('--harts, --mem, --append and --isa reach the guest', async () => {
    const ended = await run([
      '--quiet',
      '--harts',
      '2',
      '--mem',
      '192M',
      '--append',
      'hindsight.hostname=elsewhere',
      '--isa',
      'rv64gc',
      '--exec',
      'nproc; hostname; grep -c zba /proc/cpuinfo; free -m | sed -n 2p',
    ]);
    const lines = ended.stdout.split('\n');
    expect(lines.slice(0, 3)).toEqual(['2', 'elsewhere', '0']);
    expect(Number(lines[3]!.trim().split(/\s+/)[1])).toBeLessThan(192);
  });

  test('a kernel panic is exit status 4, and says why', async () => {
    const ended = await run([
      '--quiet',
      '--kernel',
      guest!.kernel,
      '--append',
      'console=ttyS0 quiet cryptomgr.notests',
    ]);
    expect(ended.stderr).toMatch(/^hindsight: the guest's kernel panicked: VFS: Unable to mount root fs/m);
    expect(ended.status).toBe(4);
    const crashed = await run(['--quiet', '--exec', 'echo c >/proc/sysrq-trigger']);
    expect(crashed.stderr).toMatch(/the guest's kernel panicked: sysrq triggered crash/);
    expect(crashed.status).toBe(4);
  });

  test('--timeout is exit status 124', async () => {
    const ended = await run(['--timeout', '3s', '--clock', 'host', '--exec', 'echo begun; sleep 1000']);
    expect(ended.status).toBe(124);
    expect(ended.stderr).toMatch(/--timeout/);
  });

  test('an interrupt ends it with 130, a termination with 143', async () => {
    for (const [signal, status] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const ended = await run(['--clock', 'host', '--exec', 'echo begun; sleep 1000'], {
        onOutput: (text, kill) => {
          if (text === 'begun\n') kill(signal);
        },
      });
      expect(ended).toMatchObject({ status, signal: null, stdout: 'begun\n' });
    }
  });

  test('idle time is skipped for commands', async () => {
    const ended = await run(['--json', '--exec', 'sleep 3600']);
    expect(summaryOf(ended).guestSeconds).toBeGreaterThan(3600);
    expect(summaryOf(ended).wallSeconds).toBeLessThan(60);
  });

  test('a reader that stops reading is no error', async () => {
    const { execFile } = await import('node:child_process');
    const { CLI, bundled } = await import('./hindsight.ts');
    await bundled;
    const shown = await new Promise<string>((resolve) => {
      execFile(
        'sh',
        [
          '-c',
          `"${process.execPath}" "${CLI}" run --core wasm --quiet --exec 'seq 100000' </dev/null 2>&1 | head -n 2`,
        ],
        (_error, stdout) => resolve(stdout),
      );
    });
    expect(shown).toBe('1\n2\n');
  });

  test('a file that is no recording is not written over', async () => {
    writeFileSync(join(dir, 'letter'), 'dear reader');
    const ended = await run(['--record', join(dir, 'letter'), '--exec', 'true']);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/letter: is there and is no recording/);
  });
});
