import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createHostRoom } from '../../src/host/room.ts';
import type { CoreKind } from '../../src/machine/engine/cores.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { replayInChromium } from '../browser/replay.ts';
import { describeGuest } from './guest.ts';
import type { Replayed } from './replay-main.ts';
import { findRuntime, RUNTIMES, type RuntimeName } from './runtimes.ts';
import { emptyExt4, HASH_EVERY, type RecordedSession, recordSession, SESSION } from './session.ts';

const run = promisify(execFile);
/** How far the TypeScript core follows. */
const TS_END = 3 * HASH_EVERY;
const scratch = mkdtempSync(join(tmpdir(), 'hindsight-session-'));
const script = join(scratch, 'main.mjs');
const recording = join(scratch, 'session.hsr');

describeGuest('a recorded session: typing, files on ext4, clock, entropy, sleeps, a reboot', () => {
  let session: RecordedSession | undefined;
  let expected: Replayed;

  async function there(command: readonly string[], core: CoreKind, until: readonly string[] = []): Promise<Replayed> {
    const [program, ...before] = command;
    const { stdout } = await run(program, [...before, script, recording, core, ...until], { timeout: 280_000 });
    return JSON.parse(stdout) as Replayed;
  }

  beforeAll(async () => {
    const entryPoints = [new URL('replay-main.ts', import.meta.url).pathname];
    await build({
      entryPoints,
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'error',
    });
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it('is recorded, and replays on the translator', async (context) => {
    const backend = emptyExt4(16);
    if (backend === undefined) return context.skip('mke2fs is not installed (Debian: e2fsprogs)');
    session = await recordSession(SESSION, {
      disks: [{ file: 'disk', backend }],
      memory: '128M',
      boot: { modules: ['virtio_mmio', 'virtio_blk', 'ext4'] },
    });
    const [first, second] = session.console.split(/reboot: Restarting system/);
    expect(first).toMatch(/^\/mnt\r$/m);
    expect(first.match(/^[0-9a-f]{32} {2}numbers\r$/gm)).toHaveLength(2);
    expect(second).toMatch(/^copy +lost\+found +noise +when\r\n\d{10}\r$/m);
    expect(session.events).toBeGreaterThan(300);
    writeFileSync(recording, session.file);
    const { timeline, recording: read } = await openTimeline(session.file, {}, createHostRoom(), { core: 'jit' });
    const compared = await timeline.verify();
    expect(compared).toBe(read.hashes.length);
    expect(compared).toBeGreaterThan(15);
    expect(timeline.hash()).toBe(session.hash);
    expected = { compared, hash: session.hash };
  });

  it('replays on the wasm core with every hash equal', async (context) => {
    if (session === undefined) return context.skip('there is no session');
    expect(await there([process.execPath], 'wasm')).toEqual(expected);
  });

  it('replays on the ts core, as far as it is followed', async (context) => {
    if (session === undefined) return context.skip('there is no session');
    // All of it takes half a minute on a quiet machine: HINDSIGHT_LONG=1.
    if (process.env.HINDSIGHT_LONG === '1') expect(await there([process.execPath], 'ts')).toEqual(expected);
    else expect(await there([process.execPath], 'ts', [`${TS_END}`])).toMatchObject({ compared: TS_END / HASH_EVERY });
  });

  for (const name of Object.keys(RUNTIMES) as RuntimeName[]) {
    it(`replays in the newest ${name}`, async (context) => {
      if (session === undefined) return context.skip('there is no session');
      const { command, reason } = await findRuntime(name);
      if (command === undefined) return context.skip(reason);
      expect(await there(command, 'jit')).toEqual(expected);
    });
  }

  it('replays in a Worker in Chromium', async (context) => {
    if (session === undefined) return context.skip('there is no session');
    const told = await replayInChromium(session.file, 'jit');
    if (told === undefined) return context.skip('Chromium is not installed');
    expect(told).toEqual(expected);
  });
});
