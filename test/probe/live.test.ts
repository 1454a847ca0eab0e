/** Scripts on machines that live: they say what they say of the recording, and disturb nothing. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guest } from '../cli/guest.ts';
import { CLI, type Ended, hindsight } from '../cli/hindsight.ts';

const COMMAND = 'cd /tmp; for i in 1 2 3; do cat /etc/hosts >copy$i; done; cat copy* | wc -l; cat missing 2>/dev/null';
/** Functions of the kernel that run often, seldom and never. */
const FUNCTIONS = [
  'vfs_read',
  'do_exit',
  'schedule',
  'handle_mm_fault',
  'tick_nohz_handler',
  'do_sys_openat2',
  '__wake_up',
  'kfree',
  'copy_process',
  'sys_reboot',
];

/** The same sets in each run of this test. */
function* randomScripts(count: number): Generator<string> {
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const actions = ['@[comm] = count()', '@s[kstack(3)] = count()', '@h = hist(arg1)', '@u[ustack(2)] = count()'];
  for (let i = 0; i < count; i++) {
    const blocks = Array.from({ length: 1 + random(6) }, () => {
      const returns = random(2) === 0 ? 'kretprobe' : 'kprobe';
      return `${returns}:${FUNCTIONS[random(FUNCTIONS.length)]} { ${actions[random(actions.length)]}; }`;
    });
    yield [
      ...blocks,
      'uprobe:/bin/busybox:0x10000 { @b = count(); }',
      `interval:us:${1 + random(5000)} { @t = count(); }`,
    ].join(' ');
  }
}

describe.skipIf(guest === undefined)('scripts on machines that live', { timeout: 240_000 }, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'probe-live-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (recording: string, ...more: string[]): Promise<Ended> =>
    hindsight(['run', '-q', '--no-stdin', '--json', '--record', join(folder, recording), '--exec', COMMAND, ...more]);
  const hash = ({ stdout }: Ended): string => /"hash":"([0-9a-f]{16})"/.exec(stdout)![1]!;

  test.each(['1', '4'])('random probe sets leave the state as it is, live and replayed, on %s harts', async (harts) => {
    const plain = hash(await run('plain.hsr', '--harts', harts));
    let i = 0;
    for (const script of randomScripts(3)) {
      const name = `probed-${harts}-${i++}.hsr`;
      const live = await run(name, '--harts', harts, '--probe', script);
      expect([live.status, hash(live)]).toEqual([1, plain]);
      const verified = await hindsight(['replay', join(folder, name), '--verify']);
      expect(verified.stderr).toContain('all equal');
      expect((await hindsight(['probe', '-q', join(folder, name), '-e', script])).status).toBe(0);
    }
  });

  test('what is found live is what is found in the recording', async () => {
    const script = `kprobe:vfs_open /comm == "cat"/ { @opened[str(args.path->dentry->d_name.name)] = count(); }
      tracepoint:syscalls:sys_exit_openat /comm == "cat" && args.ret < 0/ { @failed[args.ret] = count(); }
      kretprobe:vfs_read /comm == "wc"/ { @read = sum(retval); } END { printf("over\\n"); }`;
    const file = join(folder, 'script.bt');
    writeFileSync(file, script);
    const live = await run('same.hsr', '--probe', `@${file}`);
    const past = await hindsight(['probe', '-q', join(folder, 'same.hsr'), file]);
    expect(past.stdout).toContain('@opened[hosts]: 3\n');
    expect(past.stdout).toContain('@failed[-2]: 1\n');
    expect(live.stderr).toBe(past.stdout);
  });

  test('a wrong script is told before anything runs; one that breaks ends alone', async () => {
    const wrong = await run('wrong.hsr', '--probe', 'kprobe:vfs_raed { }');
    expect([wrong.status, wrong.stderr]).toEqual([
      2,
      expect.stringContaining('script:1:1: the kernel has no function'),
    ]);
    const broken = await run('broken.hsr', '--probe', 'kprobe:vfs_read { while (1) { $i = 1; } }');
    expect([broken.status, broken.stderr]).toEqual([1, expect.stringContaining('the script ended early: script:1:19')]);
  });

  test('a machine that another process runs, until Ctrl-C', async () => {
    const name = `probed-${process.pid}`;
    const child = spawn(
      process.execPath,
      [CLI, 'run', '-q', '--control', name, '--exec', 'while :; do cat /etc/hosts; sleep 0.2; done'],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      let stopped = false;
      const probed = await hindsight(
        [
          'probe',
          '--live',
          name,
          '-e',
          'kprobe:vfs_open /comm == "cat"/ { printf("%s\\n", str(args.path->dentry->d_name.name)); @ = count(); }',
        ],
        {
          onOutput: (text, kill) => {
            if (stopped || (text.match(/^hosts$/gm) ?? []).length < 2) return;
            stopped = true;
            kill('SIGINT');
          },
        },
      );
      expect(probed.stdout).toMatch(/@: \d+\n$/);
      expect([probed.status, probed.stderr]).toEqual([0, expect.stringMatching(/\d+ hits/)]);
      const wrong = await hindsight(['probe', '--live', name, '-e', 'kprobe:nothing_like_it { }']);
      expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('script:1:1')]);
    } finally {
      child.kill();
    }
    const none = await hindsight(['probe', '--live', 'nobody', '-e', 'BEGIN { }']);
    expect(none.stderr).toContain('no machine "nobody" runs');
  });
});
