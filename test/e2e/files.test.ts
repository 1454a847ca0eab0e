import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryFs } from '../../src/fs/memory-fs.ts';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { buildDisk } from '../../src/host/node/guest/index.ts';
import { SharedFolder } from '../../src/host/node/share/share.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { attachShare } from '../../src/host/share.ts';
import type { CoreKind } from '../../src/machine/engine/cores.ts';
import type { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { describeGuest, type ExecResult, exec, theImages } from './guest.ts';

const PROGRAMS = new URL('programs/', import.meta.url).pathname;
/** What the programs need beside a root disk's own. */
const PACKAGES = ['attr', 'e2fsprogs', 'fio', 'git'];
const LONG = process.env.HINDSIGHT_LONG !== undefined;
const OPERATIONS = LONG ? 3000 : 150;
const NAMES = LONG ? 100_000 : 10_000;

interface Run extends ExecResult {
  readonly hash: string;
  readonly recording: Uint8Array;
}

describeGuest('programs that work with files', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'hindsight-files-'));
  const work = join(scratch, 'work');
  const programs = join(scratch, 'programs');
  let disk: Awaited<ReturnType<typeof buildDisk>>;
  const folders: SharedFolder[] = [];
  const outputs: string[] = [];

  beforeAll(async () => {
    mkdirSync(work);
    mkdirSync(programs);
    for (const file of readdirSync(PROGRAMS)) copyFileSync(join(PROGRAMS, file), join(programs, file));
    disk = await buildDisk({ packages: PACKAGES });
  }, 900_000);
  afterAll(() => {
    for (const folder of folders) folder.dispose();
    rmSync(scratch, { recursive: true, force: true });
  });

  const open = (path: string): SharedFolder => {
    const folder = new SharedFolder(path);
    folders.push(folder);
    return folder;
  };

  /** Runs the programs in a directory of the guest's; with a recording. */
  async function run(
    directory: string,
    {
      prepare = () => undefined,
      shares: more = [],
    }: { shares?: readonly string[]; prepare?: (vm: Machine) => void } = {},
  ): Promise<Run> {
    const room = createHostRoom();
    const pieces: Uint8Array[] = [];
    const shares = ['programs', ...more];
    const program = open(programs);
    const done = await exec(
      `python3 /mnt/programs/files.py ${directory} ${OPERATIONS} ${NAMES}; bash /mnt/programs/tools.sh ${directory}; sync`,
      {
        memory: '512M',
        shares,
        boot: { root: '/dev/vda', shares },
        disks: [{ file: disk.disk, backend: openDiskFile(disk.disk, disk.manifest.files[0]!.sha256) }],
        record: { write: (bytes) => void pieces.push(bytes.slice()) },
        prepare(vm) {
          attachShare(vm, 'programs', program, room, { readOnly: true });
          prepare(vm);
        },
      },
    );
    return { ...done, hash: done.machine.hash(), recording: new Uint8Array(Buffer.concat(pieces)) };
  }

  async function replays({ recording, hash }: Run, core: CoreKind): Promise<void> {
    const disks = [{ file: disk.disk, backend: openDiskFile(disk.disk, disk.manifest.files[0]!.sha256) }];
    const { timeline } = await openTimeline(recording, { ...theImages(), disks }, createHostRoom(), { core });
    await timeline.seek(timeline.end);
    expect(timeline.hash()).toBe(hash);
  }

  it('on a disk with ext4', async () => {
    const done = await run('/root');
    expect(done.output).toContain('left nothing');
    expect(done.output.match(/ok\n2001\|/g)).toHaveLength(2);
    outputs.push(done.output);
  });

  it('in a shared folder: the same, and replayed without it', async () => {
    const room = createHostRoom();
    const folder = open(work);
    const done = await run('/mnt/work', {
      shares: ['work'],
      prepare: (vm) => void attachShare(vm, 'work', folder, room),
    });
    outputs.push(done.output);
    expect(outputs[1]).toBe(outputs[0]);
    expect(readdirSync(work)).toEqual([]);
    rmSync(work, { recursive: true });
    await replays(done, 'jit');
    if (LONG) await replays(done, 'wasm');
  });

  it('in a shared folder that is in memory: the same', async () => {
    const room = createHostRoom();
    // Fine enough for make, which compares times.
    const now = (): { seconds: number; nanoseconds: number } => {
      const milliseconds = performance.now();
      return { seconds: Math.floor(milliseconds / 1000), nanoseconds: Math.floor((milliseconds % 1000) * 1e6) };
    };
    const fs = new MemoryFs(now);
    const done = await run('/mnt/memory', {
      shares: ['memory'],
      prepare: (vm) => void attachShare(vm, 'memory', fs, room),
    });
    expect(done.output).toBe(outputs[0]);
  });
});
