/** The session channel against the agent itself, run by qemu-riscv64 on this host. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileAgent, sourceHash } from '../../build/agent.ts';
import { AGENT_BASE64, AGENT_SOURCE } from '../../src/guest/agent/binary.ts';
import { collect } from '../../src/sandbox/files.ts';
import type { GuestSession } from '../../src/sandbox/guest-session.ts';
import { type AgentProcess, attach, sha256, startAgent } from './agent-process.ts';

const kept = Uint8Array.from(Buffer.from(AGENT_BASE64, 'base64'));

test('the binary that is kept was made from the source as it is', () => {
  expect(AGENT_SOURCE).toBe(sourceHash());
});

/** Whether a process of this host runs; one that is dead, but that nobody has waited for, does not. */
function runs(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

describe.each([
  ['kept', (): Uint8Array => kept],
  ['compiled now', (): Uint8Array => compileAgent()],
])('the agent, %s,', (_, binary) => {
  let agent: AgentProcess;
  let session: GuestSession;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sandbox-'));
    agent = startAgent(binary());
    session = await attach(agent);
  });
  afterAll(() => {
    session.close();
    agent.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('runs a command: both outputs, status, environment, folder', async () => {
    const result = await session.exec('echo "$GREETING"; pwd; echo wrong >&2; exit 7', {
      cwd: folder,
      env: { GREETING: 'hello' },
    });
    expect(result).toMatchObject({ stdout: `hello\n${folder}\n`, stderr: 'wrong\n', exitCode: 7 });
    expect(result.signal).toBeUndefined();
  });

  test('passes arguments as they are', async () => {
    const words = ['a b', '', '"$x"', "'", 'ü\n'];
    const { stdout } = await session.exec(['printf', '%s\\0', ...words], { cwd: '/' });
    expect(stdout).toBe(words.map((word) => `${word}\0`).join(''));
  });

  test('says why a command cannot begin', async () => {
    await expect(session.exec(['no-such-program'], { cwd: '/' })).rejects.toMatchObject({
      name: 'GuestError',
      code: 'ENOENT',
    });
    await expect(session.exec(['/etc/passwd'], { cwd: '/' })).rejects.toMatchObject({ code: 'EACCES' });
    await expect(session.exec('true', { cwd: join(folder, 'nowhere') })).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(session.exec(['a\0b'])).rejects.toThrow('holds a NUL');
    await expect(session.exec([])).rejects.toThrow('empty command');
    await expect(session.exec(['echo', 'x'.repeat(40_000)])).rejects.toThrow('at most 32768 fit');
  });

  test('carries a megabyte of random bytes in and out', async () => {
    const bytes = randomBytes(1_000_000);
    const result = await session.exec('tee /dev/stderr', { cwd: '/', stdin: bytes });
    expect(sha256(result.stdoutBytes)).toBe(sha256(bytes));
    expect(sha256(result.stderrBytes)).toBe(sha256(bytes));
  });

  test('runs thirty commands at once', async () => {
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        session.exec(`read x; sleep 0.${i % 10}; echo $x ${i}; exit ${i}`, { cwd: '/', stdin: `in${i}\n` }),
      ),
    );
    expect(all.map(({ stdout, exitCode }) => [stdout, exitCode])).toEqual(all.map((_, i) => [`in${i} ${i}\n`, i]));
  });

  test('tells of signals, and sends them to the whole process group', async () => {
    const killed = await session.exec('kill -TERM $$', { cwd: '/' });
    expect(killed).toMatchObject({ exitCode: 143, signal: 'SIGTERM' });
    const command = session.spawn('sleep 100 & sleep 100; echo never', { cwd: '/' });
    command.kill('SIGKILL');
    expect(await command.exit).toEqual({ exitCode: 137, signal: 'SIGKILL' });
    expect(() => command.kill('SIGNONE')).toThrow('is no signal');
  });

  test('kills what takes longer than it was given, and what is aborted', async () => {
    let printed = '';
    const late = session.exec('sleep 100 & echo $!; sleep 100', {
      cwd: '/',
      timeout: 500,
      onStdout: (bytes) => {
        printed += new TextDecoder().decode(bytes);
      },
    });
    await expect(late).rejects.toMatchObject({ name: 'CommandTimeoutError', stdout: expect.stringMatching(/^\d+\n$/) });
    await expect.poll(() => runs(Number(printed)), { timeout: 30_000 }).toBe(false);
    const stop = new AbortController();
    const aborted = session.exec('echo x; sleep 100', { cwd: '/', signal: stop.signal, onStdout: () => stop.abort() });
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('keeps no more output than was asked for', async () => {
    await expect(session.exec('yes', { cwd: '/', maxOutput: 100_000 })).rejects.toThrow(
      'printed more than 100000 bytes',
    );
  });

  test('lets a program wait whose output nobody reads, and other commands run', async () => {
    const endless = session.spawn('yes', { cwd: '/' });
    expect((await session.exec('echo still here', { cwd: '/' })).stdout).toBe('still here\n');
    const first = await endless.stdout.next();
    expect(first.value?.length).toBeGreaterThan(0);
    endless.kill('SIGKILL');
    const rest = await collect(endless.stdout);
    // the window that was granted, and what one read more was granted for it
    expect(rest.length).toBeLessThan(1_000_000);
  });

  test('does not wait for what a command left behind', async () => {
    const { stdout } = await session.exec('sleep 100 & echo $!', { cwd: '/' });
    expect(runs(Number(stdout))).toBe(true);
    process.kill(Number(stdout));
  });

  test('gives a terminal', async () => {
    const result = await session.exec('stty size; tty; cat; echo $TERM', {
      cwd: '/',
      terminal: { columns: 100, rows: 30 },
      stdin: 'typed\n',
    });
    expect(result.stdout).toMatch(
      /typed\r\n(?:.*\r\n)*30 100\r\n\/dev\/pts\/\d+\r\n(?:typed\r\n)?xterm-256color\r\n$|30 100/,
    );
    const command = session.spawn('read x; stty size', { cwd: '/', terminal: { columns: 80, rows: 24 } });
    command.resize(132, 50);
    await command.write('\n');
    command.end();
    expect(new TextDecoder().decode(await collect(command.stdout))).toContain('50 132');
  });

  test('reads, writes, lists, renames and removes files', async () => {
    const { files } = session;
    const path = join(folder, 'a/b');
    await files.mkdir(path, { mode: 0o750 });
    expect(await files.stat(path)).toMatchObject({ kind: 'directory', mode: 0o750 });
    const bytes = randomBytes(300_000);
    await files.write(join(path, 'data ü'), bytes, { mode: 0o640 });
    expect(sha256(await files.read(join(path, 'data ü')))).toBe(sha256(bytes));
    await files.write(join(path, 'empty'), '');
    expect(await files.readText(join(path, 'empty'))).toBe('');
    await session.exec(['ln', '-s', 'data ü', join(path, 'link')], { cwd: '/' });
    expect((await files.list(path)).map(({ name, kind, size, target }) => [name, kind, size, target])).toEqual([
      ['data ü', 'file', 300_000, undefined],
      ['empty', 'file', 0, undefined],
      ['link', 'symbolic link', 7, 'data ü'],
    ]);
    await files.rename(join(path, 'data ü'), join(folder, 'moved'));
    expect((await files.stat(join(folder, 'moved'))).size).toBe(300_000);
    const archive = await files.pack(path);
    await files.unpack(join(folder, 'copy'), archive);
    expect((await files.list(join(folder, 'copy'))).map(({ name }) => name)).toEqual(['empty', 'link']);
    await files.remove(join(folder, 'a'));
    await expect(files.stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(files.read(folder)).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(files.write('/proc/nothing', 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(files.unpack(join(folder, 'bad'), randomBytes(2000))).rejects.toThrow(/unpack .*tar/);
  });

  test('begins again for another host: what ran goes on without one', async () => {
    const old = session.spawn('sleep 0.3; echo done > late', { cwd: folder });
    session = await attach(agent);
    const { stdout } = await session.exec('while [ ! -s late ]; do sleep 0.05; done; cat late', { cwd: folder });
    expect(stdout).toBe('done\n');
    void old;
  });
});
