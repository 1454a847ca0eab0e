/** The network with real programs in the guest, against servers on the host's loopback; and the same again without any network. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hindsight } from '../cli/hindsight.ts';
import { describeGuest } from './guest.ts';

const run = promisify(execFile);
const pattern = Buffer.alloc(3_000_000, 'The quick brown fox jumps over the lazy dog. ');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describeGuest('a guest with a network', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-net-'));
  let web: HttpServer;
  let sink: Server;
  const received: Buffer[] = [];
  const port = (server: { address(): string | AddressInfo | null }): number => (server.address() as AddressInfo).port;

  beforeAll(async () => {
    web = createHttpServer((request, response) => {
      if (request.url === '/big') response.end(pattern);
      else if (request.url === '/slow') setTimeout(() => response.end('at last\n'), 1500);
      else response.end('hello from the host\n');
    });
    sink = createServer((socket) => {
      socket.on('data', (bytes) => received.push(bytes));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  });

  afterAll(() => {
    web.close();
    sink.close();
    rmSync(folder, { recursive: true });
  });

  it('resolves, connects, sends and receives; replays without a network on another core; shows its frames to tshark', async () => {
    const file = join(folder, 'a.hsr');
    const script = `
      ip addr show dev eth0 | grep -o 'inet 10[0-9.]*'
      wget -q -O- http://host.hindsight:${port(web)}/
      wget -q -O- http://10.0.2.2:${port(web)}/big | sha256sum
      wget -q -O- http://10.0.2.2:${port(web)}/big | nc 10.0.2.2 ${port(sink)}
      ping -c 2 10.0.2.2 >/dev/null && echo pings
      nslookup nowhere.invalid 2>&1 | grep -o -m1 NXDOMAIN
      wget -q -O- -T 5 http://10.0.2.2:${port(web)}/slow
      wget -q -O- http://10.0.2.2:1/ 2>&1 | grep -o refused
      read up _ </proc/uptime; sleep 600; read then _ </proc/uptime; echo slept $((\${then%.*} - \${up%.*}))
    `;
    const result = hindsight(['run', '--net', 'user', '--allow-host', '--record', file, '--exec', script]);
    const { status, stdout, stderr } = await result;
    expect(stdout.trim().split('\n')).toEqual([
      'inet 10.0.2.15',
      'hello from the host',
      `${sha256(pattern)}  -`,
      'pings',
      'NXDOMAIN',
      'at last',
      'refused',
      'slept 600',
    ]);
    expect([status, stderr]).toEqual([0, expect.stringContaining('guest time')]);
    expect(sha256(Buffer.concat(received))).toBe(sha256(pattern));

    const hashes = new Set<string>();
    for (const core of ['jit', 'wasm']) {
      const replayed = await hindsight(['replay', '--verify', '--json', '--core', core, file]);
      expect(replayed.status).toBe(0);
      hashes.add((JSON.parse(replayed.stdout) as { hash: string }).hash);
    }
    expect(hashes.size).toBe(1);
    // What came in twice is text and compresses.
    expect(statSync(file).size).toBeLessThan(pattern.length);

    const capture = join(folder, 'a.pcapng');
    expect((await hindsight(['export', file, '--pcapng', capture])).status).toBe(0);
    const fields = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'];
    const count = (filter: string): number =>
      execFileSync('tshark', ['-r', capture, ...fields, '-Y', filter], { encoding: 'utf8' }).split('\n').length - 1;
    expect(count('frame')).toBe(
      Number(
        /Number of packets:\s+(\d+)/.exec(execFileSync('capinfos', ['-M', '-c', capture], { encoding: 'utf8' }))![1],
      ),
    );
    expect(
      count(
        '_ws.malformed || tcp.checksum.status == "Bad" || udp.checksum.status == "Bad" || ip.checksum.status == "Bad"',
      ),
    ).toBe(0);
    expect(count('dhcp')).toBe(4);
    // Nothing is lost; the guest asks again only where the host was slow to answer.
    expect(count('tcp.analysis.retransmission')).toBeLessThan(count('tcp') / 100);
    expect(count('http.response.code == 200')).toBe(4);
    const comment = execFileSync('tshark', ['-r', capture, '-c', '1', '-T', 'fields', '-e', 'frame.comment'], {
      encoding: 'utf8',
    });
    expect(comment.trim()).toMatch(/^\d+/);
  }, 900_000);

  it('serves through a published port while the guest is otherwise idle', async () => {
    const script = "mkdir /www; echo 'hello from the guest' >/www/index.html; httpd -f -p 80 -h /www";
    const child = spawn(
      process.execPath,
      ['build/hindsight.mjs', 'run', '--net', 'user', '--publish', '0:80', '--exec', script],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let told = '';
    child.stderr.on('data', (bytes: Buffer) => (told += bytes.toString()));
    const ended = new Promise((resolve) => child.on('exit', resolve));
    try {
      while (!/is port 80\/tcp/.test(told)) await new Promise((resolve) => setTimeout(resolve, 100));
      const http = Number(/127\.0\.0\.1:(\d+) is port 80\/tcp/.exec(told)![1]);
      const fetched = async (): Promise<string> =>
        (await fetch(`http://127.0.0.1:${http}/index.html`, { signal: AbortSignal.timeout(10_000) })).text();
      // It is asked before the guest has booted: the connection waits, or is reset while nobody listens.
      let text = '';
      while (text === '')
        text = await fetched().catch(() => new Promise<string>((resolve) => setTimeout(() => resolve(''), 200)));
      expect(text).toBe('hello from the guest\n');
      expect(await Promise.all(Array.from({ length: 20 }, fetched))).toEqual(Array(20).fill('hello from the guest\n'));
    } finally {
      child.kill('SIGINT');
      await ended;
    }
  }, 300_000);

  it('a branch goes live with its connections reset, its lease and its neighbours asked for again', async () => {
    const file = join(folder, 'b.hsr');
    // The server never answers: without a reset the guest would wait for good.
    const script = `echo begun; nc 10.0.2.2 ${port(sink)} </dev/zero >/dev/null; echo over $?; sleep 1; cat /sys/class/net/eth0/carrier_changes; wget -q -O- http://10.0.2.2:${port(web)}/`;
    const recorded = await hindsight([
      'run',
      '--net',
      'user',
      '--allow-host',
      '--record',
      file,
      '--timeout',
      '12s',
      '--exec',
      script,
    ]);
    expect(recorded.status).toBe(124);
    const { status, stdout } = await hindsight(['branch', file, '--at', '100%', '--net', 'user', '--allow-host']);
    expect(stdout.replace(/\r/g, '')).toMatch(/over [1-9]\d*\n[3-9]\nhello from the host\n/);
    expect(status).toBe(0);
  }, 400_000);

  it('machines of two processes talk over a switch', async () => {
    const name = `test-${process.pid}`;
    const env = { ...process.env, XDG_RUNTIME_DIR: folder };
    const machine = (n: number, script: string): Promise<{ stdout: string }> =>
      run(
        process.execPath,
        ['build/hindsight.mjs', 'run', '-q', '--net', `switch:${name},ip=10.1.0.${n}/24`, '--exec', script],
        { env, timeout: 200_000 },
      );
    const [first, second] = await Promise.all([
      // Each tries until the other listens, and the second stays until the first has pinged it: no time is counted on.
      machine(
        1,
        'nc -l -p 7000 | sha256sum; ping -c1 -W 20 10.1.0.2 >/dev/null && echo pings; until nc 10.1.0.2 7001 </dev/null 2>/dev/null; do sleep 0.1; done',
      ),
      machine(
        2,
        'until dd if=/dev/zero bs=64k count=32 2>/dev/null | nc 10.1.0.1 7000 2>/dev/null; do sleep 0.1; done; nc -l -p 7001',
      ),
    ]);
    expect(first.stdout).toBe(`${sha256(Buffer.alloc(32 * 65_536))}  -\npings\n`);
    expect(second.stdout).toBe('');
  }, 400_000);

  it('mistakes are told before anything boots', async () => {
    const taken = String(port(web));
    for (const [args, said] of [
      [['--net', 'tap0'], /expected none, user or switch:NAME/],
      [['--publish', '8080:80'], /--publish needs a network; add --net user/],
      [['--net', 'user', '--publish', 'x'], /expected \[ADDRESS:\]PORT:PORT\[\/udp\]/],
      [['--net', 'user', '--publish', `${taken}:80`], /port \d+ is taken/],
      [['--net', 'user', '--allow', '300.1.1.1'], /--allow 300\.1\.1\.1: expected/],
      [['--net', 'switch:a', '--allow-host'], /--allow-host is for --net user/],
    ] as const) {
      const { status, stderr } = await hindsight(['run', ...args, '--exec', 'true']);
      expect([status, stderr]).toEqual([2, expect.stringMatching(said)]);
    }
  });
});
