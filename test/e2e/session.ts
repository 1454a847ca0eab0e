import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLine, type GuestBoot } from '../../src/guest/cmdline.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { Machine, type MachineOptions } from '../../src/machine/session/machine.ts';
import { MemoryBackend } from '../../src/storage/index.ts';
import { theImages } from './guest.ts';

/** A line that is typed once the console shows something new. */
export interface Typed {
  readonly after: RegExp;
  readonly line: string;
}

/** A session as it was recorded. */
export interface RecordedSession {
  readonly file: Uint8Array;
  readonly console: string;
  readonly hash: string;
  readonly instructions: number;
  readonly events: number;
}

// A line editor asks the terminal where the cursor is.
const PROMPT = /root@hindsight:\S+# (\x1b\[6n)?$/;
/** State hashes this many instructions apart. */
export const HASH_EVERY = 2 ** 25;
const PATIENCE = 8e9;

/** A shell's prompt, then a line. */
const typed = (...lines: readonly string[]): Typed[] => lines.map((line) => ({ after: PROMPT, line }));

/** What a session of Debian's shell on an empty ext4 disk does: files, the clock, randomness, sleeps, a reboot. */
export const SESSION: readonly Typed[] = typed(
  'mkdir -p /mnt; mount -t ext4 /dev/vda /mnt && cd /mnt && pwd',
  'seq 1 20000 >numbers; md5sum numbers; date +%s >when; head -c 4000 /dev/urandom >noise',
  'sync; echo 3 >/proc/sys/vm/drop_caches; md5sum numbers noise; cat when',
  'sleep 0.7; date',
  'rm numbers; cp noise copy; cd /; umount /mnt; reboot',
  'mkdir -p /mnt; mount -t ext4 /dev/vda /mnt; cmp /mnt/noise /mnt/copy && ls /mnt; cat /mnt/when',
  'poweroff',
);

/** An empty ext4 file system; undefined, where e2fsprogs are not installed. */
export function emptyExt4(megabytes: number): MemoryBackend | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'hindsight-ext4-'));
  const image = join(directory, 'disk');
  try {
    execFileSync(
      'mke2fs',
      [
        '-q',
        '-t',
        'ext4',
        '-E',
        'hash_seed=6f9619ff-8b86-4d11-b42d-00c04fc964ff',
        '-U',
        '6f9619ff-8b86-4d11-b42d-00c04fc964ff',
        image,
        `${megabytes}M`,
      ],
      {
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
        stdio: 'pipe',
      },
    );
    const bytes = new Uint8Array(readFileSync(image));
    return new MemoryBackend(bytes, createHash('sha256').update(bytes).digest('hex'));
  } catch {
    return undefined;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Records a session on the host's clock, key by key as a person's terminal sends them; images inside. */
export async function recordSession(
  lines: readonly Typed[],
  more: MachineOptions & { readonly boot?: GuestBoot },
): Promise<RecordedSession> {
  const pieces: Uint8Array[] = [];
  const { boot, ...options } = more;
  const room = createHostRoom();
  await using vm = await Machine.create(
    {
      ...theImages(),
      append: commandLine(boot ?? {}),
      clock: 'host',
      hashEvery: HASH_EVERY,
      embed: true,
      ...options,
      record: { write: (bytes) => void pieces.push(bytes.slice()) },
    },
    room,
  );
  let console = '';
  let seen = 0;
  let next = 0;
  let keys = '';
  const type = (): void => {
    if (keys === '' && next < lines.length && lines[next].after.test(console.slice(seen))) {
      seen = console.length;
      keys = `${lines[next++].line}\r`;
      press();
    }
  };
  const press = (): void => {
    vm.write(keys.slice(0, 1));
    keys = keys.slice(1);
    if (keys !== '') room.after(1, press);
  };
  vm.on('console', (bytes) => {
    console += new TextDecoder('latin1').decode(bytes);
    type();
  });
  const { reason } = await vm.run({ instructions: PATIENCE });
  if (reason !== 'halt') throw new Error(`the session did not end; its console:\n${console}`);
  const told = { console, hash: vm.hash(), instructions: vm.instant.instructions, events: vm.recording.events.length };
  await vm.close();
  return { ...told, file: new Uint8Array(Buffer.concat(pieces)) };
}
