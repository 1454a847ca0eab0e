/** Disks and shares as programs of the guest see them, beside QEMU's. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { commandLine } from '../../src/guest/cmdline.ts';
import { commandArchive } from '../../src/guest/initramfs.ts';
import { FileBackend } from '../../src/host/node/disk.ts';
import { buildDisk, buildGuest, type GuestDisk, type GuestImages } from '../../src/host/node/guest/index.ts';
import { nodeRegionCompiler } from '../../src/host/node/region-compiler.ts';
import { HostShares } from '../../src/host/node/share/index.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { ChunkedBackend, MemoryBackend } from '../../src/storage/index.ts';
import { benchClock } from '../clock.ts';
import { median, print } from '../figures.ts';

const MEBIBYTES = 128;
const RANDOM_READS = 20_000;
const SMALL_FILES = 5000;
const MIB = 2 ** 20;
const CHUNK = 128 * 1024;
const PACKAGES = ['attr', 'e2fsprogs', 'fio', 'git'];
const MEMORY = '512M';
/** Names of the two ways a folder is shared. */
const SHARES = { virtiofs: 'share', '9p': 'share9p' } as const;

/** A step of the guest's: how much it does, and in what. */
interface Step {
  readonly name: string;
  readonly amount: number;
  readonly unit: string;
  readonly command: string;
}

const fio = (disk: string): string =>
  `fio --name=r --filename=${disk} --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=32 --io_size=${RANDOM_READS * 4}k --norandommap --randseed=1 --minimal >/dev/null`;

const diskSteps = (disk: string, what: string): Step[] => [
  { name: `${what}, read`, amount: MEBIBYTES, unit: 'MiB/s', command: `dd if=${disk} of=/dev/null bs=1M iflag=direct` },
  { name: `${what}, 4 KiB at random, 32 at a time (fio)`, amount: RANDOM_READS, unit: '/s', command: fio(disk) },
];

const shareSteps = (name: string, what: string): Step[] => [
  { name: `${what}, read`, amount: MEBIBYTES, unit: 'MiB/s', command: `dd if=/mnt/${name}/large of=/dev/null bs=1M` },
  {
    name: `${what}, write`,
    amount: MEBIBYTES,
    unit: 'MiB/s',
    command: `dd if=/dev/zero of=/mnt/${name}/out bs=1M count=${MEBIBYTES} conv=fsync`,
  },
  {
    name: `${what}, open and read small files`,
    amount: SMALL_FILES,
    unit: '/s',
    command: `(cd /mnt/${name}/small && cat * >/dev/null)`,
  },
];

/** Amounts a second of each step, by the clock and by the processor time of the thread that executes the guest. */
type Rates = ReadonlyMap<string, readonly [wall: number, guest: number]>;

/** All steps twice, with nothing cached in the guest: the first time is the translator's, the second counts. */
function script(steps: readonly Step[]): string {
  const once = steps.map(
    ({ command }, i) =>
      `echo 3 >/proc/sys/vm/drop_caches; echo; echo step ${i}; ${command} 2>/dev/null; echo; echo done ${i}`,
  );
  return `for pass in 1 2; do\n${once.join('\n')}\ndone`;
}

/** Hears the lines that a machine prints. */
class Stopwatch {
  readonly rates = new Map<string, readonly [number, number]>();
  private readonly steps: readonly Step[];
  private readonly clocks: readonly (() => number)[];
  private begun: number[] = [];

  constructor(steps: readonly Step[], pid?: number) {
    this.steps = steps;
    this.clocks = [benchClock('wall'), benchClock('guest', pid)];
  }

  hear(line: string): void {
    const [, what, index] = /^(step|done) (\d+)\r?$/.exec(line) ?? [];
    if (what === 'step') this.begun = this.clocks.map((clock) => clock());
    if (what !== 'done') return;
    const { name, amount } = this.steps[Number(index)]!;
    const [wall, guest] = this.clocks.map((clock, i) => amount / ((clock() - this.begun[i]!) / 1000));
    this.rates.set(name, [wall!, guest!]);
  }

  /** @throws Error unless all steps were heard */
  get all(): Rates {
    const missing = this.steps.filter(({ name }) => !this.rates.has(name));
    if (missing.length > 0) throw new Error(`bench: a machine ended before "${missing[0]!.name}" had`);
    return this.rates;
  }
}

/** What all machines have. */
interface Setting {
  readonly guest: GuestImages;
  readonly root: GuestDisk;
  readonly image: string;
  readonly folder: string;
  /** Where files for one run lie. */
  readonly work: string;
}

const appendOf = (shares: readonly string[]): string =>
  commandLine({ exec: '', stdin: 'none', root: '/dev/vda', shares });

/** The initramfs with the steps to be done. */
function withSteps({ guest }: Setting, steps: readonly Step[]): Buffer {
  return Buffer.concat([readFileSync(guest.initrd), commandArchive(script(steps))]);
}

/** A machine of ours in this process: a disk in memory, the same behind a cache that has all of it, the folder by virtiofs and by 9P. */
async function ours(setting: Setting, steps: readonly Step[]): Promise<Rates> {
  const room = createHostRoom();
  const bytes = readFileSync(setting.image);
  const hash = createHash('sha256').update(bytes).digest('hex');
  const source = {
    size: bytes.length,
    hash,
    chunkSize: CHUNK,
    fetch: (index: number) => Promise.resolve(bytes.subarray(index * CHUNK, (index + 1) * CHUNK)),
  };
  const { root, folder } = setting;
  const rootHash = root.manifest.files[0]?.sha256;
  const shares = new HostShares(
    (['virtiofs', '9p'] as const).map((protocol) => ({ folder, name: SHARES[protocol], readOnly: false, protocol })),
  );
  await using machine = await Machine.create(
    {
      kernel: { file: 'kernel', bytes: readFileSync(setting.guest.kernel) },
      initrd: { file: 'initrd', bytes: withSteps(setting, steps) },
      append: appendOf(shares.names),
      memory: MEMORY,
      hashEvery: 0,
      forget: true,
      translator: { compiler: nodeRegionCompiler() },
      shares: shares.devices,
      disks: [
        { file: 'root', backend: new FileBackend(root.disk, rootHash === undefined ? {} : { hash: rootHash }) },
        { file: 'memory', backend: new MemoryBackend(bytes, hash), readOnly: true },
        { file: 'cached', backend: new ChunkedBackend(source, bytes.length), readOnly: true },
      ],
    },
    room,
  );
  shares.attach(machine, room);
  const watch = new Stopwatch(steps);
  let line = '';
  machine.on('console', (chunk) => {
    const lines = (line + Buffer.from(chunk).toString('latin1')).split('\n');
    line = lines.pop()!;
    for (const text of lines) watch.hear(text);
  });
  await machine.run();
  await shares[Symbol.asyncDispose]();
  return watch.all;
}

/** QEMU with the same image as a raw file and the folder by 9P: virtiofs there needs another program. */
async function theirs(setting: Setting, steps: readonly Step[]): Promise<Rates> {
  const initrd = join(setting.work, 'initrd.cpio');
  writeFileSync(initrd, withSteps(setting, steps));
  const drive = (file: string, id: string): string[] => [
    ...['-drive', `file=${file},format=raw,if=none,id=${id},snapshot=on`],
    ...['-device', `virtio-blk-device,drive=${id}`],
  ];
  const child = spawn(
    'qemu-system-riscv64',
    [
      ...['-M', 'virt', '-m', MEMORY, '-nographic', '-no-reboot'],
      ...['-kernel', setting.guest.kernel, '-initrd', initrd, '-append', appendOf([SHARES['9p']])],
      ...['-fsdev', `local,id=share,path=${setting.folder},security_model=none`],
      ...['-device', `virtio-9p-device,fsdev=share,mount_tag=${SHARES['9p']}`],
      // The machine's first device is the last slot.
      ...drive(setting.image, 'data'),
      ...drive(setting.root.disk, 'root'),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const watch = new Stopwatch(steps, child.pid);
  for await (const text of createInterface({ input: child.stdout })) watch.hear(text);
  return watch.all;
}

/** Measures in turn and prints a table. @param work folder for files @param qemu whether it is there */
export async function guestIo(work: string, rounds: number, qemu: boolean): Promise<void> {
  const folder = join(work, 'shared');
  const image = join(work, 'data.img');
  mkdirSync(join(folder, 'small'), { recursive: true });
  writeFileSync(image, Buffer.alloc(MEBIBYTES * MIB, 'some data '));
  writeFileSync(join(folder, 'large'), readFileSync(image));
  for (let i = 0; i < SMALL_FILES; i++) writeFileSync(join(folder, 'small', `file${i}`), `contents of file ${i}\n`);
  const setting: Setting = {
    guest: await buildGuest({}),
    root: await buildDisk({ packages: PACKAGES }),
    ...{ image, folder, work },
  };
  const nine = shareSteps(SHARES['9p'], 'folder by 9P');
  const own = [
    ...diskSteps('/dev/vdb', 'disk'),
    ...diskSteps('/dev/vdc', 'disk behind a cache'),
    ...shareSteps(SHARES.virtiofs, 'folder by virtiofs'),
    ...nine,
  ];
  const other = [...diskSteps('/dev/vdb', 'disk'), ...nine];
  const results: [Rates[], Rates[]] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`round ${round}\n`);
    results[0].push(await ours(setting, own));
    if (qemu) results[1].push(await theirs(setting, other));
  }
  print('a second by the clock (and of the guest thread)', `Hindsight${qemu ? ', QEMU' : ''}`);
  for (const { name, unit } of own) {
    const shown = (rates: readonly Rates[]): string =>
      rates.length === 0 || !rates[0]!.has(name)
        ? '–'
        : `${median(rates.map((r) => r.get(name)![0])).toFixed(0)} (${median(rates.map((r) => r.get(name)![1])).toFixed(0)})`;
    print(`${name}, ${unit}`, results.map(shown).join(', '));
  }
}
