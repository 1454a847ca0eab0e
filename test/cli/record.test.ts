import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { EVENT } from '../../src/record/door.ts';
import { FORMAT_VERSION, MACHINE_VERSION, type RecordingHeader } from '../../src/record/format.ts';
import { readRecording } from '../../src/record/reader.ts';
import { RecordingWriter } from '../../src/record/writer.ts';
import { guest } from './guest.ts';
import { type Ended, hindsight } from './hindsight.ts';

const COMMAND = 'date -u +%Y; head -c 8 /dev/urandom | md5sum; sleep 3; echo done';

describe.skipIf(guest === undefined)('recordings on the command line', { timeout: 90_000 }, () => {
  let dir: string;
  let kernel: string;
  let shown: string;
  const at = (name: string): string => join(dir, name);
  /** Without the user's cache, so that only what is named is found. */
  const alone = (args: readonly string[]): Promise<Ended> =>
    hindsight(args, { environment: { XDG_CACHE_HOME: at('no-cache') } });

  /** Writes a recording again with other contents, and sound checks. */
  async function rewrite(
    from: string,
    to: string,
    change: { header?: Partial<RecordingHeader>; late?: boolean },
  ): Promise<void> {
    const { header, events, end, endTime } = await readRecording(readFileSync(from));
    const pieces: Uint8Array[] = [];
    const writer = new RecordingWriter(
      { write: (bytes) => void pieces.push(bytes.slice()) },
      { ...header, ...change.header },
    );
    for (const event of events) {
      const moved =
        change.late && event.kind === EVENT.ANSWER
          ? { ...event, at: { ...event.at, instructions: event.at.instructions + 1 }, time: event.time + 1 }
          : event;
      writer.event(moved);
    }
    writer.reached(end, endTime);
    writer.close();
    writeFileSync(to, Buffer.concat(pieces));
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-record-'));
    kernel = at('my-kernel');
    copyFileSync(guest!.kernel, kernel);
    writeFileSync(at('disk'), Buffer.alloc(1 << 20, 'disk'));
    const append = commandLine({ exec: COMMAND, stdin: 'none' });
    const machine = [
      'run',
      '--kernel',
      kernel,
      '--initrd',
      guest!.initrd,
      '--append',
      append,
      '--disk',
      at('disk'),
      '--quiet',
      '--no-stdin',
    ];
    const run = await hindsight([...machine, '--record', at('plain.hsr')]);
    expect(run.stderr).toBe('');
    shown = run.stdout;
    expect(shown).toContain('done');
    const inside = await hindsight([...machine, '--record', at('inside.hsr'), '--embed', '--checkpoints']);
    expect(inside.stdout).toBe(shown);
  }, 240_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('a recording is small, replays, and says what it holds', async () => {
    const { length } = readFileSync(at('plain.hsr'));
    // A kilobyte, and a little for each quarter of a second that the host took.
    expect(length).toBeLessThan(4000);
    const replay = await hindsight(['replay', at('plain.hsr'), '--verify']);
    expect(replay.stdout).toBe(shown);
    expect(replay.stderr).toMatch(/[2-9] state hashes compared, all equal/);
    expect(replay.status).toBe(0);
    const info = JSON.parse((await hindsight(['info', at('plain.hsr'), '--json'])).stdout) as Record<string, unknown>;
    expect(info).toMatchObject({ complete: true, events: 1, checkpoints: 0, embedded: [] });
    expect(info.images).toMatchObject([
      { role: 'kernel', file: kernel },
      { role: 'initrd' },
      { role: 'disk', file: at('disk') },
    ]);
  });

  test('with its images and checkpoints inside it opens anywhere, at its end at once', async () => {
    const info = await alone(['info', at('inside.hsr')]);
    expect(info.stdout).toMatch(/^checkpoints +[1-9]/m);
    expect(info.stdout).toMatch(/^kernel .*inside/m);
    const all = JSON.parse((await alone(['replay', at('inside.hsr'), '--until', '100%', '--json'])).stdout) as {
      instructions: number;
      hash: string;
      wallSeconds: number;
    };
    const plain = JSON.parse(
      (await hindsight(['replay', at('plain.hsr'), '--json', '--core', 'wasm'])).stdout,
    ) as typeof all;
    expect({ hash: all.hash, instructions: all.instructions }).toEqual({
      hash: plain.hash,
      instructions: plain.instructions,
    });
    expect(all.wallSeconds).toBeLessThan(plain.wallSeconds / 2);
  });

  test('a command too long for the kernel is in the recording, which replays without --embed', async () => {
    const command = `${'echo a long command; '.repeat(100)}true`;
    const ran = await hindsight(['run', '-q', '--cold', '--record', at('long.hsr'), '--exec', command]);
    expect(ran).toMatchObject({ status: 0, stdout: 'a long command\n'.repeat(100) });
    expect(await hindsight(['replay', at('long.hsr'), '--verify', '--json'])).toMatchObject({ status: 0, stderr: '' });
  });

  test('images are found by hash in folders; a missing or changed one is named', async () => {
    const moved = at('elsewhere');
    copyFileSync(kernel, moved);
    rmSync(kernel);
    try {
      const missing = await alone(['replay', at('plain.hsr'), '--until', '1%']);
      expect(missing.stderr).toMatch(
        /^hindsight: \S*my-kernel \(\d+ bytes\) is not here: needed is the file with SHA-256 [0-9a-f]{64}; name its folder with --image DIR\n$/,
      );
      expect(missing.status).toBe(1);
      const found = await alone([
        'replay',
        at('plain.hsr'),
        '--until',
        '1%',
        '--image',
        dir,
        '--image',
        join(guest!.initrd, '..'),
        '--quiet',
      ]);
      expect(found.stderr).toBe('');
      expect(found.status).toBe(0);
    } finally {
      copyFileSync(moved, kernel);
    }
    for (const [file, name] of [
      [kernel, 'my-kernel'],
      [at('disk'), 'disk'],
    ] as const) {
      const bytes = readFileSync(file);
      writeFileSync(file, Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)]));
      rmSync(moved, { force: true });
      const changed = await alone(['replay', at('plain.hsr'), '--image', join(guest!.initrd, '..', 'nothing')]);
      expect(changed.stderr).toMatch(
        new RegExp(
          `^hindsight: \\S*${name} is no longer what was recorded: needed is the file with SHA-256 [0-9a-f]{64}`,
        ),
      );
      expect(changed.status).toBe(1);
      writeFileSync(file, bytes);
    }
  });

  test('a replay that goes another way says where: instant, hart, pc, symbol, field, expected, found; exit status 3', async () => {
    await rewrite(at('plain.hsr'), at('bent.hsr'), { late: true });
    const { status, stderr } = await hindsight(['replay', at('bent.hsr'), '--quiet']);
    expect(stderr).toMatch(
      /^hindsight: replay diverged at instant \d+(\.\d+)?, hart 0, pc 0xffffffff[0-9a-f]{8} <\w+\+0x[0-9a-f]+>: question: expected 8 bytes of clock for rtc at \d+, found 8 bytes of clock for rtc at \d+\n$/,
    );
    expect(status).toBe(3);
  });

  test('other versions are refused by name', async () => {
    for (const [header, commands, text] of [
      [
        { format: FORMAT_VERSION + 1 },
        ['replay', 'info'],
        `format version ${FORMAT_VERSION + 1}; this program reads versions 2 and 3`,
      ],
      // What it holds can be looked at.
      [
        { machine: MACHINE_VERSION + 1 },
        ['replay'],
        `machine version ${MACHINE_VERSION + 1}; this program has version ${MACHINE_VERSION}`,
      ],
    ] as const) {
      await rewrite(at('plain.hsr'), at('other.hsr'), { header });
      for (const command of commands) {
        const { status, stderr } = await hindsight([command, at('other.hsr')]);
        expect(stderr).toContain(text);
        expect(stderr).toMatch(/^hindsight: \S*other\.hsr: [^\n]*\n$/);
        expect(status).toBe(1);
      }
    }
  });

  test('a branch names its parent and leaves it alone; --speed and --until pace and end a replay', async () => {
    const before = readFileSync(at('inside.hsr'));
    const branch = await alone([
      'branch',
      at('inside.hsr'),
      '--at',
      '0.5s',
      '--record',
      at('branch.hsr'),
      '--embed',
      '--quiet',
    ]);
    expect(branch.status).toBe(0);
    expect(readFileSync(at('inside.hsr')).equals(before)).toBe(true);
    const parent = (await readRecording(before)).header.id;
    const { header } = await readRecording(readFileSync(at('branch.hsr')));
    expect(header.parent?.id).toBe(parent);
    expect((await alone(['info', at('branch.hsr')])).stdout).toContain(
      `branched from ${parent} at ${header.parent!.at.instructions}`,
    );
    expect((await alone(['replay', at('branch.hsr'), '--verify', '--quiet'])).status).toBe(0);
    const refused = await alone(['branch', at('inside.hsr'), '--at', '50%', '--record', at('inside.hsr')]);
    expect(refused.stderr).toMatch(/inside\.hsr: is the recording itself/);
    expect(refused.status).toBe(2);

    const slow = JSON.parse(
      (await alone(['replay', at('inside.hsr'), '--until', '0.2s', '--speed', '0.2', '--json'])).stdout,
    ) as { guestSeconds: number; wallSeconds: number };
    expect(slow.guestSeconds).toBeCloseTo(0.2, 2);
    expect(slow.wallSeconds).toBeGreaterThan(0.9);
  });
});
