import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guest } from './guest.ts';
import { hindsight } from './hindsight.ts';

/** Two states of a disk, a second of guest time apart, both only synchronised: the disk is never unmounted. */
const COMMAND = `
modprobe -a virtio_mmio virtio_blk ext4; mkdir /d; mount -t ext4 /dev/vda /d
mkdir /d/etc; echo first >/d/etc/state; seq 1 50000 >/d/numbers; ln -s etc/state /d/link; sync; sleep 1
echo second >/d/etc/state; rm /d/numbers; sync; sleep 1`;

describe.skipIf(guest === undefined)('hindsight cp', { timeout: 90_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'hindsight-cp-'));
  const at = (name: string): string => join(dir, name);
  const cp = (instant: string, path: string, to: string) =>
    hindsight(['cp', `${at('run.hsr')}@${instant}:${path}`, to], {});

  beforeAll(async () => {
    execFileSync('mke2fs', ['-q', '-t', 'ext4', at('disk'), '16M'], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      stdio: 'pipe',
    });
    // Instants below are counted from power-on.
    const args = [
      'run',
      '--cold',
      '--record',
      at('run.hsr'),
      '--checkpoints',
      '--disk',
      at('disk'),
      '--exec',
      COMMAND,
      '-q',
    ];
    const ran = await hindsight(args, {});
    expect(ran).toMatchObject({ status: 0, stderr: '' });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('gives a file as it was at each instant', async () => {
    expect(await cp('1s', 'vda:/etc/state', '-')).toMatchObject({ status: 0, stdout: 'first\n' });
    expect(await cp('2s', 'vda:/link', '-')).toMatchObject({ status: 0, stdout: 'second\n' });
    const numbers = `${Array.from({ length: 50_000 }, (_, i) => i + 1).join('\n')}\n`;
    expect(await cp('1s', 'vda:/numbers', dir)).toMatchObject({ status: 0 });
    expect(readFileSync(at('numbers'), 'utf8')).toBe(numbers);
    const gone = await cp('2s', 'vda:/numbers', '-');
    expect(gone.status).toBe(1);
    expect(gone.stderr).toMatch(/^hindsight: vda:\/numbers as of \S+: there is no such file\n$/);
  });

  test('copies folders, and files of the initramfs', async () => {
    const { status, stderr } = await cp('2s', 'vda:/', at('all'));
    expect(status).toBe(0);
    expect(stderr).toMatch(/^hindsight: 2 files, 7 bytes, as of /m);
    expect(readFileSync(at('all/etc/state'), 'utf8')).toBe('second\n');
    expect(existsSync(at('all/numbers'))).toBe(false);
    const init = await cp('50%', '/init', '-');
    expect(init.stdout).toContain('#!/bin/sh');
    expect(init.stderr).toContain('from the initramfs as it was packed');
  });

  test('without a disk named means the root disk, also where /init was told of it after the snapshot it starts from', async () => {
    const command = 'echo typed >/root/file; sync';
    const ran = await hindsight(['run', '-q', '--disk', 'debian', '--record', at('root.hsr'), '--exec', command]);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(await hindsight(['cp', `${at('root.hsr')}@100%:/root/file`, '-'])).toMatchObject({ stdout: 'typed\n' });
  });

  test.each([
    ['no source', ['cp', 'run.hsr:/etc/passwd', '.'], 1, 'a file of the past is RECORDING@INSTANT:/PATH'],
    ['no disk', ['cp', 'RUN@50%:vdb:/x', '.'], 1, 'no disk vdb; its disks: vda'],
    ['no instant', ['cp', 'RUN@half:vda:/x', '.'], 2, 'expected instructions such as'],
    ['no file system yet', ['cp', 'RUN@0:vda:/etc', '.'], 1, 'there is no such file'],
    ['a folder to standard output', ['cp', 'RUN@2s:vda:/etc', '-'], 1, 'is no regular file'],
  ])('says what is wrong: %s', async (_name, args, status, message) => {
    const ended = await hindsight(
      args.map((arg) => arg.replace('RUN', at('run.hsr'))),
      {},
    );
    expect(ended.status).toBe(status);
    expect(ended.stderr).toContain(message);
  });
});
