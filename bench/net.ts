/**
 * The network with programs of Debian in the guest, beside QEMU's user network, in turn: `npm run build && node build/run.mjs bench/net.ts [MIB] [ROUNDS]`.
 * iperf3 both ways and curl move MIB each; then requests to a web server of the guest's through a published port, one connection each. Rates are by the
 * host's clock, and by the processor time that the machine's process took, which other work on the computer changes little.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLine } from '../src/guest/cmdline.ts';
import { commandArchive } from '../src/guest/initramfs.ts';
import { buildDisk, buildGuest } from '../src/host/node/guest/index.ts';
import { benchClock } from './clock.ts';
import { median, print, quantile } from './figures.ts';

const mebibytes = Number(process.argv[2] ?? 200);
const rounds = Number(process.argv[3] ?? 3);
const REQUESTS = 100;
const PACKAGES = ['curl', 'iperf3'];

/** One of the things measured, of one machine. */
interface Figure {
  readonly name: string;
  /** Mbit/s by the host's clock and by processor time; or milliseconds a request. */
  readonly wall: number;
  readonly cpu: number;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const listening = (server: Server): Promise<void> => new Promise((done) => server.listen(0, '127.0.0.1', done));

async function freePort(): Promise<number> {
  const server = createServer();
  await listening(server);
  const port = portOf(server);
  await new Promise((done) => server.close(done));
  return port;
}

/** What the guest does, and asks for in between by name: each answer lets it go on. */
const script = (control: number, iperf: number, size: number): string => {
  const host = `http://10.0.2.2:${control}`;
  const n = `-n ${size}M -l 128K`;
  return `
    step() { curl -s ${host}/$1 >/dev/null; }
    mkdir /tmp/www && echo hello >/tmp/www/index.html && busybox httpd -p 80 -h /tmp/www
    step send; iperf3 -c 10.0.2.2 -p ${iperf} ${n} >/dev/null; step sent
    step receive; iperf3 -R -c 10.0.2.2 -p ${iperf} ${n} >/dev/null; step received
    step curl; curl -so /dev/null ${host}/data; step curled
    step serve`;
};

/** Starts a machine and measures. @param start gives the machine's process */
async function measure(start: (script: string, published: number) => ChildProcess): Promise<Figure[]> {
  const [iperf, published] = [await freePort(), await freePort()];
  const server = spawn('iperf3', ['-s', '-B', '127.0.0.1', '-p', String(iperf)], { stdio: 'ignore' });
  const figures: Figure[] = [];
  const block = Buffer.alloc(1 << 20, 'data');
  let clocks: readonly (() => number)[] = [];
  let begun: readonly number[] = [];
  const begin = (): void => void (begun = clocks.map((clock) => clock()));
  const end = (name: string): void => {
    const [wall, cpu] = clocks.map((clock, i) => (mebibytes * 8.388608) / ((clock() - begun[i]) / 1000));
    figures.push({ name, wall, cpu });
  };
  const control = createHttpServer((request, response) => {
    const step = request.url?.slice(1);
    if (step === 'data') {
      let left = mebibytes;
      const more = (): void => {
        while (left-- > 0) if (!response.write(block)) return void response.once('drain', more);
        response.end();
      };
      return more();
    }
    if (step === 'sent') end('iperf3, guest to host');
    else if (step === 'received') end('iperf3, host to guest');
    else if (step === 'curled') end('curl, host to guest');
    else if (step === 'serve') {
      return void requests(published).then((times) => {
        figures.push({ name: 'request p50, ms', wall: median(times), cpu: quantile(times, 0.9) });
        response.end();
      });
    } else begin();
    response.end();
  });
  await listening(control);
  const machine = start(script(portOf(control), iperf, mebibytes), published);
  clocks = [benchClock('wall'), benchClock('cpu', machine.pid)];
  const status = await new Promise<number | null>((done, fail) => machine.on('exit', done).on('error', fail));
  server.kill();
  control.closeAllConnections();
  control.close();
  if (status !== 0) throw new Error(`bench: a machine ended with status ${status}`);
  return figures;
}

/** Milliseconds of each request through a published port. */
async function requests(port: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    const begun = performance.now();
    await new Promise<void>((done, fail) => {
      get({ host: '127.0.0.1', port, agent: false }, (response) => response.resume().on('end', done)).on('error', fail);
    });
    times.push(performance.now() - begun);
  }
  return times;
}

const guest = await buildGuest({});
const disk = await buildDisk({ packages: PACKAGES });
const folder = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const hindsight = (command: string, published: number): ChildProcess => {
  const flags = ['run', '-q', '--disk', `debian+${PACKAGES.join(',')}`, '--net', 'user', '--allow-host'];
  const publish = ['--publish', `${published}:80`, '--exec', command];
  return spawn(process.execPath, [join(process.cwd(), 'dist/cli.mjs'), ...flags, ...publish], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
};

const qemu = (command: string, published: number): ChildProcess => {
  const initrd = join(folder, 'initrd.cpio');
  writeFileSync(initrd, Buffer.concat([readFileSync(guest.initrd), commandArchive(command)]));
  const append = commandLine({ exec: '', stdin: 'none', root: '/dev/vda', net: 'dhcp' });
  const machine = ['-M', 'virt', '-m', '256M', '-nographic', '-no-reboot', '-kernel', guest.kernel, '-initrd', initrd];
  const block = [
    '-drive',
    `file=${disk.disk},format=raw,if=none,id=root,snapshot=on`,
    '-device',
    'virtio-blk-device,drive=root',
  ];
  const net = [
    '-netdev',
    `user,id=net,hostfwd=tcp:127.0.0.1:${published}-:80`,
    '-device',
    'virtio-net-device,netdev=net',
  ];
  return spawn('qemu-system-riscv64', [...machine, '-append', append, ...block, ...net], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
};

const all = new Map<string, { readonly ours: Figure[]; readonly theirs: Figure[] }>();
for (let round = 0; round < rounds; round++) {
  for (const [kind, start] of [
    ['ours', hindsight],
    ['theirs', qemu],
  ] as const)
    for (const figure of await measure(start)) {
      const found = all.get(figure.name) ?? { ours: [], theirs: [] };
      found[kind].push(figure);
      all.set(figure.name, found);
    }
}
print('Mbit/s by the clock (and a second of processor time)', 'Hindsight, QEMU');
for (const [name, { ours, theirs }] of all) {
  const shown = (list: Figure[]): string =>
    `${median(list.map(({ wall }) => wall)).toFixed(1)} (${name.includes('ms') ? 'p90 ' : ''}${median(list.map(({ cpu }) => cpu)).toFixed(1)})`;
  print(name, `${shown(ours)}, ${shown(theirs)}`);
}
