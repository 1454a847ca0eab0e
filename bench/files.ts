/**
 * Disks and shares in the guest, beside QEMU's, in turn: `npm run build && node build/run.mjs bench/files.ts [MIB] [ROUNDS]`. Each step reads or writes MIB with dd,
 * reads 4 KiB at random places with fio, or opens small files of a share. QEMU's share is by 9P, Hindsight's by virtiofs and by 9P. Rates are by the host's clock,
 * between the lines that the guest prints, and by the processor time of the machine's process, which other work on the computer changes little.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { commandLine } from '../src/guest/cmdline.ts';
import { commandArchive } from '../src/guest/initramfs.ts';
import { buildDisk, buildGuest } from '../src/host/node/guest/index.ts';
import { benchClock } from './clock.ts';
import { median, print } from './figures.ts';

const mebibytes = Number(process.argv[2] ?? 128);
const rounds = Number(process.argv[3] ?? 3);
const RANDOM_READS = 20_000;
const SMALL_FILES = 5000;
const PACKAGES = ['attr', 'e2fsprogs', 'fio', 'git'];

/** Steps with how much each does, and in what. */
const STEPS: readonly {
  readonly name: string;
  readonly amount: number;
  readonly unit: string;
  readonly command: string;
}[] = [
  { name: 'disk, read', amount: mebibytes, unit: 'MiB/s', command: `dd if=/dev/vdb of=/dev/null bs=1M iflag=direct` },
  {
    name: 'disk, write',
    amount: mebibytes,
    unit: 'MiB/s',
    command: `dd if=/dev/zero of=/dev/vdb bs=1M oflag=direct count=${mebibytes}`,
  },
  {
    name: 'disk, read 4 KiB at random, 32 at a time',
    amount: RANDOM_READS,
    unit: '/s',
    command: `fio --name=r --filename=/dev/vdb --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=32 --io_size=${RANDOM_READS * 4}k --norandommap --minimal >/dev/null`,
  },
  { name: 'share, read', amount: mebibytes, unit: 'MiB/s', command: 'dd if=/mnt/share/large of=/dev/null bs=1M' },
  {
    name: 'share, write',
    amount: mebibytes,
    unit: 'MiB/s',
    command: `dd if=/dev/zero of=/mnt/share/out bs=1M count=${mebibytes} conv=fsync`,
  },
  {
    name: 'share, open and read small files',
    amount: SMALL_FILES,
    unit: '/s',
    command: 'find /mnt/share/small -type f -exec cat {} + >/dev/null',
  },
];
const SCRIPT = STEPS.map(({ command }, i) => `echo step ${i}; ${command} 2>/dev/null; echo done ${i}`).join('\n');

const folder = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const shared = join(folder, 'shared');
const image = join(folder, 'data.img');
mkdirSync(join(shared, 'small'), { recursive: true });
const block = Buffer.alloc(2 ** 20, 'some data ');
writeFileSync(image, Buffer.concat(Array.from({ length: mebibytes }, () => block)));
writeFileSync(join(shared, 'large'), readFileSync(image));
for (let i = 0; i < SMALL_FILES; i++) writeFileSync(join(shared, 'small', `file${i}`), `contents of file ${i}\n`);

const guest = await buildGuest({});
const root = await buildDisk({ packages: PACKAGES });

/** Amounts a second of each step, by the clock and by processor time. */
type Rates = readonly (readonly [wall: number, cpu: number])[];

async function measure(machine: ChildProcess): Promise<Rates> {
  const clocks = [benchClock('wall'), benchClock('cpu', machine.pid)];
  const rates: [number, number][] = [];
  let begun: number[] = [];
  for await (const line of createInterface({ input: machine.stdout! })) {
    const [, what, index] = /(step|done) (\d+)/.exec(line) ?? [];
    if (what === 'step') begun = clocks.map((clock) => clock());
    else if (what === 'done') {
      const [wall, cpu] = clocks.map((clock, i) => STEPS[Number(index)]!.amount / ((clock() - begun[i]!) / 1000));
      rates[Number(index)] = [wall!, cpu!];
    }
  }
  if (rates.length !== STEPS.length) throw new Error(`bench: a machine ended after ${rates.length} steps`);
  return rates;
}

const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];

const hindsight = (protocol: string): ChildProcess => {
  const disks = ['--disk', `debian+${PACKAGES.join(',')}`, '--disk', image];
  const flags = ['run', '-q', '--mem', '512M', ...disks, '--share', `${shared}:share${protocol}`, '--exec', SCRIPT];
  return spawn(process.execPath, [join(process.cwd(), 'dist/cli.mjs'), ...flags], { stdio });
};

const qemu = (): ChildProcess => {
  const initrd = join(folder, 'initrd.cpio');
  writeFileSync(initrd, Buffer.concat([readFileSync(guest.initrd), commandArchive(SCRIPT)]));
  const append = commandLine({ exec: '', stdin: 'none', root: '/dev/vda', shares: ['share'] });
  const machine = ['-M', 'virt', '-m', '512M', '-nographic', '-no-reboot', '-kernel', guest.kernel, '-initrd', initrd];
  const drive = (file: string, id: string): string[] => [
    ...['-drive', `file=${file},format=raw,if=none,id=${id},snapshot=on`],
    ...['-device', `virtio-blk-device,drive=${id}`],
  ];
  const share = [
    ...['-fsdev', `local,id=share,path=${shared},security_model=none`],
    ...['-device', 'virtio-9p-device,fsdev=share,mount_tag=share'],
  ];
  // The machine's first device is the last slot.
  const devices = [...share, ...drive(image, 'data'), ...drive(root.disk, 'root')];
  return spawn('qemu-system-riscv64', [...machine, '-append', append, ...devices], { stdio });
};

const MACHINES = [
  ['Hindsight', () => hindsight('')],
  ['Hindsight, 9P', () => hindsight(':9p')],
  ['QEMU', qemu],
] as const;
const all = new Map<string, Rates[]>(MACHINES.map(([name]) => [name, []]));
for (let round = 0; round < rounds; round++)
  for (const [name, start] of MACHINES) all.get(name)!.push(await measure(start()));

print('by the clock (and a second of processor time)', MACHINES.map(([name]) => name).join(', '));
for (const [i, { name, unit }] of STEPS.entries()) {
  const shown = (rates: readonly Rates[], clock: 0 | 1): string => median(rates.map((r) => r[i]![clock])).toFixed(0);
  print(`${name}, ${unit}`, [...all.values()].map((rates) => `${shown(rates, 0)} (${shown(rates, 1)})`).join(', '));
}
