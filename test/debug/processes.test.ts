/** What is told of a process at rest, against what the guest's own /proc says of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClientSettings } from '../../src/debug/monitor/monitor.ts';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { findDisk } from '../../src/host/node/guest/index.ts';
import { openFiles } from '../../src/linux/open-files.ts';
import { signalState } from '../../src/linux/signals.ts';
import { findTask } from '../../src/linux/tasks.ts';
import { runGdb } from './gdb-client.ts';
import { diskScene, guest, type LinuxScene } from './linux-scene.ts';
import { GDB, have } from './programs.ts';

const found = await findDisk();
const PYTHON = [
  'import os,signal as s,socket,select,threading,time',
  's.signal(10,lambda *a:0);s.signal(13,s.SIG_IGN);s.pthread_sigmask(0,[12,40]);os.kill(os.getpid(),12);s.pthread_kill(threading.get_ident(),40)',
  'f=open("/etc/passwd");f.read(9);g=open("/tmp/x","ab");os.unlink("/tmp/x");p=os.pipe();k=socket.socket();e=select.epoll();m=os.memfd_create("mm")',
  'time.sleep(99)',
].join('\n');
const COMMAND = `python3 -c '${PYTHON}' & P=$!
(sleep 98; read x) </dev/null & Q=$!
sleep 9; for p in $P $Q; do echo "process $p"; ls -lN /proc/$p/fd; cat /proc/$p/wchan; echo; cat /proc/$p/status; done`;

describe.runIf(guest !== undefined && found !== undefined)('processes at rest', () => {
  let scene: LinuxScene;
  /** By process: what the guest's own tools printed of it. */
  const said = new Map<number, string>();
  const settings = new ClientSettings();
  const ask = (line: string): Promise<string> => scene.monitor.run(line, { hart: 0, settings });

  beforeAll(async () => {
    scene = await diskScene(COMMAND, found!);
    const { target, guestInfo, printed } = scene;
    for (const part of printed.split(/^process /m).slice(1)) said.set(parseInt(part, 10), part);
    await target.mover.reverseContinue({
      execute: guestInfo.address('do_group_exit')!,
      when: (_, hart) => guestInfo.current(hart)?.name === 'cat',
    });
  }, 300_000);
  afterAll(() => scene?.machine.close());

  it('have the open files that /proc lists', async () => {
    const kernel = scene.guestInfo.kernel()!;
    expect(said.size).toBe(2);
    for (const [pid, text] of said) {
      const own = [...text.matchAll(/ (\d+) -> (.*)$/gm)].map(([, number, name]) => `${number} ${name}`);
      expect(own.length).toBeGreaterThanOrEqual(3);
      const seen = openFiles(kernel, findTask(kernel, pid)!).map(({ number, name }) => `${number} ${name}`);
      expect(seen.sort()).toEqual(own.sort());
    }
    const text = await ask(`files ${[...said.keys()][0]}`);
    expect(text).toMatch(/\/etc\/passwd {2}O_RDONLY\|O_LARGEFILE\|O_CLOEXEC at \d+/);
    expect(text).toMatch(/\/tmp\/x \(deleted\) {2}O_WRONLY\|O_APPEND\|O_LARGEFILE\|O_CLOEXEC at 0/);
  });

  it('sleep where /proc says, in the system call that they made', async () => {
    for (const [pid, text] of said) {
      const channel = /^(\w+)\n+Name:/m.exec(text)![1];
      expect(await ask(`wait ${pid}`), text).toContain(`sleeps in ${channel},`);
    }
    const [python, shell] = [...said.keys()];
    expect(await ask(`wait ${python}`)).toMatch(/S python3: sleeps in \w+, called clock_nanosleep\(/);
    expect(await ask(`wait ${shell}`)).toMatch(/called wait4\(-1, 0x/);
    expect(await ask('wait 99999')).toContain('no process 99999');
    expect(await ask('wait 2')).toMatch(/kthreadd: sleeps in kthreadd/);
  });

  it('have the signals that /proc lists', async () => {
    const kernel = scene.guestInfo.kernel()!;
    for (const [pid, text] of said) {
      const own = (name: string): bigint => BigInt(`0x${new RegExp(`^${name}:\\s+([0-9a-f]+)`, 'm').exec(text)![1]}`);
      const { pending, sharedPending, blocked, handlers } = signalState(kernel, findTask(kernel, pid)!);
      const set = (ignored: boolean): bigint =>
        handlers
          .filter(({ handler }) => (handler === 'ignored') === ignored)
          .reduce((all, { number }) => all | (1n << BigInt(number - 1)), 0n);
      expect([pending, sharedPending, blocked, set(true), set(false)], text).toEqual(
        ['SigPnd', 'ShdPnd', 'SigBlk', 'SigIgn', 'SigCgt'].map(own),
      );
    }
    const text = await ask(`signals ${[...said.keys()][0]}`);
    expect(text).toMatch(/^pending for this thread: SIGRT/m);
    expect(text).toMatch(/^pending for the process: SIGUSR2$/m);
    expect(text).toMatch(/^SIGPIPE: ignored$/m);
    expect(text).toMatch(/^SIGUSR1: handled by 0x[0-9a-f]+/m);
  });

  it.runIf(have(GDB))(
    'are listed by gdb',
    async () => {
      const { target, guestInfo } = scene;
      const server = await startGdbServer(target, guestInfo, { port: 0 });
      try {
        const out = await runGdb(
          undefined,
          server.port,
          ['info os', 'info os files', 'info os signals', 'info os threads', 'info os modules'],
          60_000,
          true,
        );
        const [python] = said.keys();
        expect(out).toMatch(/^files +Open files/m);
        expect(out).toMatch(new RegExp(`^${python} +python3 +\\d+ +/etc/passwd`, 'm'));
        expect(out).toMatch(new RegExp(`^${python} +python3 +[0-9a-f]{16} `, 'm'));
        expect(out).toMatch(new RegExp(`^${python} +${python} +python3 +S .*nanosleep`, 'm'));
        expect(out).toMatch(/^ext4 /m);
      } finally {
        await server.close();
      }
    },
    90_000,
  );
});
