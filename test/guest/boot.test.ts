/**
 * The guest of the user's cache under QEMU.
 */
import { spawn } from 'node:child_process';
import { constants, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandLine, type GuestBoot, USERSPACE_MARKER } from '../../src/guest/cmdline.ts';
import { ExecOutput, StdinEncoder } from '../../src/guest/exec-stream.ts';
import { theDisk, theGuest } from '../e2e/guest.ts';
import { has, scratch, tool } from './tools.ts';

const { found: guest } = await theGuest();
const { found: disk } = await theDisk();

/** Boots, types `input` once the command has begun, and returns console and command output. */
function boot(
  words: GuestBoot,
  input: Uint8Array,
  ...more: string[]
): Promise<{ console: string; output: Buffer; status: number | undefined }> {
  return new Promise((resolve, reject) => {
    const args = [
      '-M',
      'virt',
      '-m',
      '512M',
      '-display',
      'none',
      '-serial',
      'stdio',
      '-monitor',
      'none',
      '-no-reboot',
      '-kernel',
      guest!.kernel,
      '-initrd',
      guest!.initrd,
      '-append',
      commandLine(words),
      ...more,
    ];
    const machine = spawn('qemu-system-riscv64', args, { stdio: ['pipe', 'pipe', 'inherit'], timeout: 50_000 });
    const result = new ExecOutput();
    const output: Uint8Array[] = [];
    let text = '';
    let typed = false;
    machine.stdin.on('error', () => undefined);
    machine.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      output.push(result.push(chunk));
      if (typed || !result.begun) return;
      typed = true;
      const encoder = new StdinEncoder();
      machine.stdin.write(encoder.encode(input));
      machine.stdin.write(encoder.end());
    });
    machine.on('error', reject);
    machine.on('close', () => resolve({ console: text, output: Buffer.concat(output), status: result.status }));
  });
}

describe.skipIf(guest === undefined || !has('qemu-system-riscv64'))('the guest', () => {
  it('runs a command on exact input and output, and passes its status on', async () => {
    const bytes = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
    const { console, output, status } = await boot({ exec: 'cat; exit 7' }, bytes);
    expect(console).toContain(USERSPACE_MARKER);
    expect(output.equals(bytes)).toBe(true);
    expect(status).toBe(7);
  });

  it('says which disk is missing', async () => {
    const { output, status } = await boot({ exec: 'true', root: '/dev/vdq' }, new Uint8Array(0));
    expect(output.toString()).toBe('hindsight: root=/dev/vdq: there is no such disk\n');
    expect(status).toBe(125);
  });

  it.skipIf(disk === undefined)(
    'works on the root disk with python, gcc and sqlite3, and leaves it clean',
    async () => {
      const copy = join(scratch(), 'root.ext4');
      copyFileSync(disk!.disk, copy, constants.COPYFILE_FICLONE);
      const command =
        'python3 -c "print(6*7)" && cd /tmp && echo "int main(void){return 5;}" >a.c && gcc a.c && ./a.out; echo $?; sqlite3 /root/db "create table t(a); insert into t values (8); select a from t"; pwd';
      const { output, status } = await boot(
        { exec: command, root: '/dev/vda', stdin: 'none' },
        new Uint8Array(0),
        '-drive',
        `file=${copy},format=raw,if=none,id=d`,
        '-device',
        'virtio-blk-device,drive=d',
      );
      expect(output.toString()).toBe('42\n5\n8\n/tmp\n');
      expect(status).toBe(0);
      if (has('e2fsck')) expect(tool('e2fsck', ['-fn', copy])).toMatchObject({ status: 0 });
    },
  );
});
