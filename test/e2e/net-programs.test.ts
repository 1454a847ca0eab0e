/** The network with the programs people use, from Debian's packages, against servers on the host's loopback; and the same again with no network. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Ended, hindsight } from '../cli/hindsight.ts';
import { makeArchive } from './apt-archive.ts';
import { describeGuest } from './guest.ts';

/** A root disk with what is used here. */
const DISK = 'debian+apt,bind9-dnsutils,curl,git,iperf3,iputils-ping,openssh-client,openssh-server,tcpdump,wget';
const MIB = 2 ** 20;

const portOf = (server: { address(): string | AddressInfo | null }): number => (server.address() as AddressInfo).port;
const listening = (server: Server | HttpServer): Promise<void> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A port that nobody listens on just now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await listening(server);
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A bare repository for git's plain HTTP protocol. */
function makeRepository(folder: string): void {
  const work = `${folder}.work`;
  const git = (...args: string[]): void =>
    void execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], { stdio: 'ignore' });
  git('init', '-q', '-b', 'main', work);
  writeFileSync(join(work, 'file'), randomBytes(50_000).toString('hex'));
  git('-C', work, 'add', 'file');
  git('-C', work, 'commit', '-q', '-m', 'the first commit');
  git('clone', '-q', '--bare', work, folder);
  git('-C', folder, 'update-server-info');
}

describeGuest("programs of Debian on the guest's network", () => {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-net-programs-'));
  const site = join(folder, 'site');
  const big = randomBytes(3 * MIB);
  let web: HttpServer;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    mkdirSync(join(site, 'apt'), { recursive: true });
    writeFileSync(join(site, 'hello'), 'hello from the host\n');
    writeFileSync(join(site, 'big'), big);
    makeArchive(join(site, 'apt'));
    makeRepository(join(site, 'repo.git'));
    web = createHttpServer(({ url = '/' }, response) => {
      const file = join(site, normalize(new URL(url, 'http://host/').pathname));
      if (!existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-length': statSync(file).size });
      createReadStream(file).pipe(response);
    });
    await listening(web);
  });

  afterAll(() => {
    for (const child of children) child.kill();
    web.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs a script that the guest fetches first. */
  const run = (script: string, ...flags: string[]): Promise<Ended> => {
    writeFileSync(join(site, 'script'), script);
    const fetching = `curl -so script http://10.0.2.2:${portOf(web)}/script && sh script`;
    return hindsight(['run', '-q', '--disk', DISK, '--net', 'user', '--allow-host', ...flags, '--exec', fetching]);
  };

  /** Replays a recording, checking its hashes; the process has no network to ask. @returns the hash at the end */
  async function replayed(file: string, core: string): Promise<string> {
    const { status, stdout, stderr } = await hindsight(['replay', '--verify', '--json', '--core', core, file]);
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    return (JSON.parse(stdout) as { hash: string }).hash;
  }

  it('curl, wget, dig, ping: the same again on other cores', async () => {
    const file = join(folder, 'clients.hsr');
    const host = `http://host.hindsight:${portOf(web)}`;
    const script = `
      curl -sS ${host}/hello
      curl -sS ${host}/big | sha256sum
      wget -qO- http://10.0.2.2:${portOf(web)}/hello
      dig +short host.hindsight
      dig nowhere.invalid | grep -o 'status: NXDOMAIN'
      ping -c 3 -i 0.2 -q 10.0.2.2 | grep -o '3 received, 0% packet loss'
      curl -sS http://10.0.2.2:1/ 2>&1 | grep -o 'Could not connect'
      curl -sS http://nowhere.invalid/ 2>&1 | grep -o 'Could not resolve host'
      curl -sS -g "http://[fd68:696e:6473::2]:${portOf(web)}/hello" 2>&1 | grep -c .`;
    const { status, stdout, stderr } = await run(script, '--record', file);
    expect(stdout.trim().split('\n')).toEqual([
      'hello from the host',
      `${sha256(big)}  -`,
      'hello from the host',
      '10.0.2.2',
      'status: NXDOMAIN',
      '3 received, 0% packet loss',
      'Could not connect',
      'Could not resolve host',
      '1',
    ]);
    expect([status, stderr]).toEqual([0, '']);
    // What came in does not compress: the log holds it once, and little else.
    expect(statSync(file).size).toBeLessThan(1.05 * big.length + 256 * 1024);
    expect(await replayed(file, 'wasm')).toBe(await replayed(file, 'jit'));
  }, 900_000);

  it('git clone, apt-get, iperf3, and ssh from the guest to itself by way of the host', async () => {
    const file = join(folder, 'tools.hsr');
    const [ssh, iperf] = [await freePort(), await freePort()];
    const server = spawn('iperf3', ['-s', '-1', '-B', '127.0.0.1', '-p', String(iperf)], { stdio: 'ignore' });
    children.push(server);
    const host = `http://host.hindsight:${portOf(web)}`;
    const script = `
      git clone -q ${host}/repo.git r && git -C r log --format=%s | cat && git -C r fsck --strict --no-progress && echo sound
      touch /var/lib/dpkg/status
      echo 'deb [trusted=yes] ${host}/apt ./' >/etc/apt/sources.list
      echo 'APT::Sandbox::User "root";' >/etc/apt/apt.conf.d/local
      export DEBIAN_FRONTEND=noninteractive
      apt-get -qq update && apt-get -qq install greeting >/dev/null 2>&1; greeting
      iperf3 -c 10.0.2.2 -p ${iperf} -n 4M -J >i && python3 -c 'import json; print(json.load(open("i"))["end"]["sum_sent"]["bytes"])'
      mkdir -p /run/sshd .ssh
      ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519
      ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
      cp .ssh/id_ed25519.pub .ssh/authorized_keys
      echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
      /usr/sbin/sshd -f /dev/null -o UsePAM=no
      head -c 300000 /dev/urandom >f
      ssh -p ${ssh} -o BatchMode=yes -o StrictHostKeyChecking=no 10.0.2.2 'cat; echo $SSH_CLIENT >client' <f 2>e | cmp - f && echo as sent
      cut -d' ' -f1 client`;
    const { status, stdout, stderr } = await run(script, '--record', file, '--publish', `${ssh}:22`);
    expect(stdout.trim().split('\n')).toEqual([
      'the first commit',
      'sound',
      'installed and run',
      String(4 * MIB),
      'as sent',
      '10.0.2.2',
    ]);
    expect([status, stderr.replace(/^hindsight: 127.*\n/, '')]).toEqual([0, '']);
    expect(await replayed(file, 'jit')).toMatch(/^[0-9a-f]{16}$/);
  }, 900_000);

  it("serves by Python's http.server through a published port; tcpdump in the guest saw the frames that we export", async () => {
    const file = join(folder, 'served.hsr');
    const port = await freePort();
    const script = `
      echo 'hello from the guest' >hello
      tcpdump -Z root -i eth0 -w c.pcap 2>t & T=$!
      until grep -q listening t; do sleep 0.1; done
      python3 -m http.server 80 >log 2>&1 &
      until grep -q 'GET /stop' log; do sleep 0.1; done
      sleep 0.5; kill $T; wait $T; base64 -w0 c.pcap`;
    const ended = run(script, '--record', file, '--publish', `${port}:80`);
    const fetched = async (path: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port}/${path}`, { signal: AbortSignal.timeout(60_000) })).text();
    // Until somebody listens the connection is reset.
    while ((await fetched('hello').catch(() => '')) === '') await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await Promise.all(Array.from({ length: 20 }, () => fetched('hello')))).toEqual(
      Array(20).fill('hello from the guest\n'),
    );
    await fetched('stop');
    const { status, stdout } = await ended;
    expect(status).toBe(0);
    const seen = join(folder, 'seen.pcap');
    writeFileSync(seen, Buffer.from(stdout, 'base64'));
    const exported = join(folder, 'served.pcapng');
    expect((await hindsight(['export', file, '--pcapng', exported])).status).toBe(0);
    const fields = 'ip.src ip.dst tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.flags tcp.len ip.id'.split(' ');
    const frames = (capture: string, direction: string): string[] =>
      execFileSync(
        'tshark',
        [
          '-r',
          capture,
          '-Y',
          `tcp.port == 80 && ip.${direction} == 10.0.2.15`,
          '-T',
          'fields',
          ...fields.flatMap((name) => ['-e', name]),
        ],
        { encoding: 'utf8', maxBuffer: 64 * MIB },
      )
        .trim()
        .split('\n');
    for (const direction of ['src', 'dst']) {
      const [inside, ours] = [frames(seen, direction), frames(exported, direction)];
      expect(inside.length).toBeGreaterThan(60);
      expect(ours.join('\n')).toContain(inside.join('\n'));
    }
    expect(await replayed(file, 'jit')).toMatch(/^[0-9a-f]{16}$/);
  }, 900_000);

  it('a thousand connections at once', async () => {
    const count = 1000;
    const lines: (() => void)[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (line) => {
        lines.push(() => socket.end(`${2 * Number(line.toString())}\n`));
        // Nobody is answered before all have asked.
        if (lines.length === count) for (const answer of lines) answer();
      });
    });
    await listening(server);
    const program = `
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
all = [socket.create_connection(("10.0.2.2", ${portOf(server)})) for _ in range(${count})]
for i, one in enumerate(all): one.sendall(b"%d" % i)
print(sum(int(one.makefile().readline()) for one in all))`;
    const { status, stdout } = await run(`python3 -c '${program}'`);
    server.close();
    expect([stdout.trim(), status]).toEqual([String(count * (count - 1)), 0]);
  }, 600_000);
});
