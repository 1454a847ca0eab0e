import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guest } from './guest.ts';
import { bundled, CLI, hindsight } from './hindsight.ts';

describe.skipIf(guest === undefined)('hindsight cp with a machine that runs', { timeout: 600_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'hindsight-cp-live-'));
  const name = `test-${process.pid}`;
  const recording = join(scratch, 'run.hsr');
  let running: ChildProcess;
  let ended: Promise<unknown>;

  beforeAll(async () => {
    await bundled;
    const wait = 'echo there; until [ -f /root/done ]; do sleep 0.2; done; cat /root/in/hello';
    const flags = ['run', '-q', '--control', name, '--clock', 'host', '--record', recording, '--exec', wait];
    running = spawn(process.execPath, [CLI, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
    ended = new Promise((resolve) => running.on('exit', resolve));
    await new Promise<void>((resolve, reject) => {
      running.stdout!.once('data', () => resolve());
      running.once('exit', (status) => reject(new Error(`hindsight run ended with ${status}`)));
    });
  }, 600_000);
  afterAll(async () => {
    running.kill();
    await ended;
    rmSync(scratch, { recursive: true, force: true });
  });

  it('a folder goes in and comes out: contents, permissions and links; a name that is taken is refused', async () => {
    const folder = join(scratch, 'in');
    mkdirSync(join(folder, 'deep'), { recursive: true });
    writeFileSync(join(folder, 'hello'), 'hello, guest\n');
    writeFileSync(join(folder, 'deep', 'large'), Buffer.alloc(300_000, 7), { mode: 0o750 });
    symlinkSync('../nowhere', join(folder, 'link'));
    const into = await hindsight(['cp', folder, `${name}:/root/`]);
    expect(into).toMatchObject({ status: 0, stderr: expect.stringContaining('2 files, 300013 bytes') });
    const out = join(scratch, 'out');
    expect(await hindsight(['cp', `${name}:/root/in`, out])).toMatchObject({ status: 0 });
    expect(readFileSync(join(out, 'hello'), 'utf8')).toBe('hello, guest\n');
    expect(readFileSync(join(out, 'deep', 'large')).equals(Buffer.alloc(300_000, 7))).toBe(true);
    expect(statSync(join(out, 'deep', 'large')).mode & 0o777).toBe(0o750);
    expect(readlinkSync(join(out, 'link'))).toBe('../nowhere');
    expect((await hindsight(['cp', `${name}:/root/in/hello`, '-'])).stdout).toBe('hello, guest\n');
    const second = await hindsight(['run', '--control', name, '--exec', 'true']);
    expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining('runs already') });
  });

  it('says what is wrong', async () => {
    const missing = await hindsight(['cp', `${name}:/no/such`, scratch]);
    expect(missing).toMatchObject({ status: 1, stderr: expect.stringMatching(/\/no\/such.*no such file/) });
    const nobody = await hindsight(['cp', 'nobody-here:/etc/passwd', '-']);
    expect(nobody).toMatchObject({ status: 1, stderr: expect.stringContaining('--control nobody-here') });
    expect(await hindsight(['cp', `${name}:/a`, `${name}:/b`])).toMatchObject({ status: 2 });
    expect(await hindsight(['cp', join(scratch, 'none'), `${name}:/root/`])).toMatchObject({ status: 1 });
  });

  it('what was copied in is part of the recording', async () => {
    const done = join(scratch, 'done');
    writeFileSync(done, '');
    let text = '';
    running.stdout!.on('data', (bytes: Buffer) => (text += bytes.toString()));
    expect(await hindsight(['cp', done, `${name}:/root/done`])).toMatchObject({ status: 0 });
    expect(await ended).toBe(0);
    expect(text).toContain('hello, guest');
    expect((await hindsight(['replay', recording, '--verify'])).status).toBe(0);
  });
});
