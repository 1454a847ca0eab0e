/** Scripts and system calls over the recording of a Linux guest, against what the guest itself counted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guest } from '../cli/guest.ts';
import { type Ended, hindsight } from '../cli/hindsight.ts';

const COMMAND = 'cd /tmp; for i in 1 2 3; do cat /etc/hosts >copy$i; done; cat missing; exec sh -c "exit 3"';

/** What a replay says of the state it came to. */
const stateOf = ({ stderr }: Ended): string =>
  /state [0-9a-f]{16}; \d+ state hash(?:es)? compared, all equal/.exec(stderr)![0];

describe.skipIf(guest === undefined)('questions to the past of a Linux guest', { timeout: 240_000 }, () => {
  let folder: string;
  let recording: string;
  let final: string;
  const probe = (script: string, ...more: string[]): Promise<Ended> =>
    hindsight(['probe', recording, '-e', script, ...more]);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'probe-'));
    recording = join(folder, 'a.hsr');
    const run = await hindsight(['run', '--cold', '--record', recording, '--no-stdin', '--exec', COMMAND]);
    expect([run.status, run.stderr]).toEqual([3, expect.any(String)]);
    final = stateOf(await hindsight(['replay', recording, '--verify']));
  }, 240_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('a script counts what the guest did, and reads arguments, names and results', async () => {
    const { stdout, stderr, status } = await probe(`
      tracepoint:syscalls:sys_enter_openat /comm == "cat"/ { @opened[str(args.filename)] = count(); }
      tracepoint:syscalls:sys_exit_openat /comm == "cat" && args.ret < 0/ { @failed[args.ret] = count(); }
      kretprobe:vfs_read /comm == "cat" && retval > 0/ { @bytes = sum(retval); }
      kprobe:do_exit /comm == "sh"/ { @exits[args.code >> 8] = count(); }
      BEGIN { printf("begin\\n") } END { printf("end\\n") }
    `);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/\d+ hits/)]);
    expect(stdout).toMatch(/^begin\n[\s\S]*end\n/);
    expect(stdout).toContain('@opened[/etc/hosts]: 3\n');
    expect(stdout).toContain('@opened[missing]: 1\n');
    expect(stdout).toContain('@failed[-2]: 1\n');
    expect(stdout).toContain('@exits[3]: 1\n');
  });

  test('fields of the kernel, stacks, timers by guest time and by instructions', async () => {
    const { stdout } = await probe(`
      kprobe:do_exit /comm == "cat"/ { @parents[((struct task_struct *)curtask)->real_parent->comm] = count(); @stacks[kstack(2)] = count(); }
      kprobe:vfs_open /comm == "cat"/ { @names[str(args.path->dentry->d_name.name)] = count(); }
      interval:ms:100 { @tenths = count(); }
      profile:i:50000000 { @fifties = count(); }
      END { printf("%d %d\\n", elapsed / 100000000, instret / 50000000) }
    `);
    expect(stdout).toContain('@parents[sh]: 4\n');
    expect(stdout).toContain('@names[hosts]: 3\n');
    expect(stdout).toMatch(/@stacks\[\n {4}do_exit\n {4}do_group_exit\+0x[0-9a-f]+\]: 4\n/);
    const [, tenths, fifties] = /^(\d+) (\d+)$/m.exec(stdout)!;
    // they begin where the kernel does, some milliseconds in
    expect(Number(/@tenths: (\d+)/.exec(stdout)![1])).toBeGreaterThanOrEqual(Number(tenths) - 1);
    expect(Number(/@fifties: (\d+)/.exec(stdout)![1])).toBeGreaterThanOrEqual(Number(fifties) - 1);
  });

  test('every core says the same', async () => {
    const script = 'kprobe:vfs_read { @[comm] = count(); } kretprobe:vfs_write { @w[comm] = sum(retval); }';
    const [jit, wasm] = await Promise.all([probe(script, '--core', 'jit'), probe(script, '--core', 'wasm')]);
    expect(wasm.stdout).toBe(jit.stdout);
    expect(jit.stdout).toContain('@w[cat]: ');
  });

  test('asking changes nothing: the recording still replays to its hashes', async () => {
    expect(stateOf(await hindsight(['replay', recording, '--verify']))).toBe(final);
  });

  test('strace: the calls of one process, as strace prints them', async () => {
    const { stdout } = await hindsight(['strace', recording, '--trace', 'openat,execve', '--json']);
    const calls = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { pid: number; comm: string; text: string; result: number });
    const cat = calls.find(({ text }) => text.includes('"/etc/hosts"'))!.pid;
    const text = (await hindsight(['strace', recording, '-p', String(cat)])).stdout;
    expect(text).toMatch(
      /^execve\("\/proc\/self\/exe", \["cat", "\/etc\/hosts"\], 0x[0-9a-f]+ \/\* \d+ vars \*\/\) = 0$/m,
    );
    expect(text).toMatch(/^openat\(AT_FDCWD, "\/etc\/hosts", O_RDONLY\) += 3$/m);
    expect(text).toMatch(/^close\(3\) += 0$/m);
    expect(text).toMatch(/^exit_group\(0\) += \?$/m);
    expect(calls.find(({ text: t }) => t.startsWith('openat(AT_FDCWD, "missing"'))!.text).toMatch(
      /= -1 ENOENT \(No such file or directory\)$/,
    );
    expect(calls.filter(({ text: t }) => /"copy\d", O_WRONLY\|O_CREAT\|O_TRUNC, 0666\)/.test(t))).toHaveLength(3);
  });

  test('a recording that starts from the snapshot of a guest is asked in the same way', async () => {
    const started = join(folder, 'started.hsr');
    await hindsight(['run', '--record', started, '--no-stdin', '--exec', 'cat /etc/hosts']);
    const { stdout } = await hindsight(['strace', started, '--trace', 'openat']);
    expect(stdout).toMatch(/openat\(AT_FDCWD, "\/etc\/hosts", O_RDONLY\) += 3$/m);
    const counted = await hindsight(['probe', started, '-e', 'kprobe:vfs_open /comm == "cat"/ { @ = count(); }']);
    expect(counted.stdout).toMatch(/^@: [1-9]\d*$/m);
  });

  test('who wrote, who reads, and when: by command, with instants to go on from', async () => {
    const wrote = await hindsight(['who-wrote', recording, 'jiffies_64', '--count', '2', '--json']);
    const answers = wrote.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { instant: string; place: string; before: string; after: string });
    expect(answers).toHaveLength(2);
    expect(answers[0]!.before).toBe(answers[1]!.after);
    const { instant } = answers[0]!;
    expect((await hindsight(['who-wrote', `${recording}@${instant}`, 'jiffies_64', '--json'])).stdout).toBe(
      `${wrote.stdout.split('\n')[1]}\n`,
    );
    expect((await hindsight(['who-reads', recording, 'jiffies_64:8'])).stdout).toMatch(/^instant \d+/);
    const changed = await hindsight(['when', `${recording}@50%`, 'u64[jiffies_64]', '--count', '3']);
    expect(changed.stdout.trim().split('\n')).toHaveLength(3);
    expect(changed.stdout).toMatch(
      /^\d+ \d\.\d+ s {2}0x[0-9a-f]+ → 0x[0-9a-f]+ {2}.* at 0x[0-9a-f]+ <tick_do_update_jiffies64/,
    );
    const called = await hindsight(['when', recording, 'a2 > 100', '--at', 'vfs_read', '--count', '1']);
    expect(called.stdout).toMatch(/ at 0x[0-9a-f]+ <vfs_read>\n$/);
    const wrong = async (...args: string[]): Promise<string> => (await hindsight(args)).stderr;
    expect(await wrong('who-wrote', recording, 'jiffies_46')).toContain('"jiffies_46" is no address and no symbol');
    expect(await wrong('who-wrote', `${recording}@soon`, '0')).toContain('expected instructions such as 1234567');
    expect(await wrong('who-wrote', recording, '0x10')).toContain('0x10 is not mapped at this instant');
    expect(await wrong('who-wrote', recording, '0x10', '-p', '4242')).toContain('there is no process 4242');
    expect(await wrong('who-reads', recording, 'a0')).toContain('a0 is a register');
    expect(await wrong('when', recording, 'jiffies_64 +')).toContain('ends too early');
  });

  test('why: from a byte in a program through two pipes and the terminal to the input it came in by', async () => {
    const piped = join(folder, 'piped.hsr');
    const run = await hindsight(['run', '--record', piped, '--exec', 'cat | cat | cat >/tmp/o'], {
      input: 'precious bytes\n',
    });
    expect(run.status).toBe(0);
    const script = 'kprobe:vfs_write /comm == "cat"/ { printf("%d %d 0x%llx\\n", instret, pid, arg1); }';
    const written = (await hindsight(['probe', '-q', piped, '-e', script])).stdout.trim().split('\n').at(-1)!;
    const [instant, pid, address] = written.split(' ') as [string, string, string];
    for (const byte of [0, 9]) {
      const what = `0x${(BigInt(address) + BigInt(byte)).toString(16)}:1`;
      const { stdout } = await hindsight(['why', `${piped}@${instant}`, what, '-p', pid]);
      expect(stdout).toMatch(
        new RegExp(
          `^x\\d+: from uart, after \\d+ copies\\n.*\\n  input: event \\d+ at \\d+, byte ${byte} of "precious bytes\\\\n"\\n$`,
        ),
      );
    }
    const json = (await hindsight(['why', piped, 'jiffies_64', '--json', '--steps', '4'])).stdout.trim().split('\n');
    expect(json.map((line) => (JSON.parse(line) as { action: string }).action)).toContain('compute');
    const wrong = await hindsight(['why', piped, 'satp']);
    expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('satp is not followed')]);
  });

  test('what is wrong is said with its place', async () => {
    const wrong = await probe('kprobe:vfs_raed { @ = count() }');
    expect([wrong.status, wrong.stderr]).toEqual([
      2,
      expect.stringContaining('script:1:1: the kernel has no function vfs_raed; did you mean vfs_read?'),
    ]);
    const field = await probe('kprobe:vfs_read { print(args.file->f_fflags) }');
    expect(field.stderr).toContain('struct file has no field f_fflags; did you mean f_flags?');
    const full = await probe('kprobe:* { @[nsecs, func] = count() }', '--map-limit', '5');
    expect(full.status).not.toBe(0);
    expect((await probe('kprobe:vfs_read { @[nsecs] = count() }', '--map-limit', '5')).stderr).toContain(
      'more than 5 entries',
    );
    expect((await hindsight(['probe', recording])).stderr).toContain('expected a script');
    expect((await hindsight(['probe', recording, join(folder, 'none.bt')])).stderr).toContain('none.bt');
    expect((await hindsight(['strace', recording, '-p', 'x'])).stderr).toContain(
      '--pid x: expected the number of a process',
    );
  });
});
