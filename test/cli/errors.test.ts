import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hindsight } from './hindsight.ts';

let dir: string;

/** A file that is a Linux Image in name only: header and nothing more. */
function imageHeader(size: number): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, BigInt(size), true);
  bytes.set(new TextEncoder().encode('RISCV\0\0\0'), 0x30);
  bytes.set(new TextEncoder().encode('RSC\x05'), 0x38);
  return bytes;
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'hindsight-cli-'));
  writeFileSync(
    join(dir, 'text'),
    'this is no kernel, it is a line of text that is longer than a header of 64 bytes\n',
  );
  writeFileSync(join(dir, 'empty'), '');
  writeFileSync(
    join(dir, 'x86'),
    Uint8Array.from([
      0x7f,
      0x45,
      0x4c,
      0x46,
      2,
      1,
      1,
      ...new Array(9).fill(0),
      2,
      0,
      0x3e,
      0,
      ...new Array(100).fill(0),
    ]),
  );
  writeFileSync(join(dir, 'short'), imageHeader(2 ** 20).subarray(0, 60));
  writeFileSync(join(dir, 'large'), imageHeader(2 ** 30));
  writeFileSync(join(dir, 'image'), imageHeader(2 ** 16));
  writeFileSync(join(dir, 'initrd'), new Uint8Array(80 * 2 ** 20));
  writeFileSync(join(dir, 'qcow'), Buffer.from('QFI\xfb and more of it', 'latin1'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Arguments (words with @ name a file of ours), the exit status, and what the one line says. */
const CASES: readonly (readonly [string, number, RegExp])[] = [
  ['run --memm 1G', 2, /unknown option '--memm'.*Did you mean --mem\?/],
  ['repley', 2, /unknown command 'repley'.*Did you mean replay\?/],
  ['run --mem lots', 2, /memory size "lots"/],
  ['run --mem 1K --kernel @image', 2, /memory size 1K is impossible/],
  ['run --mem 64G --kernel @image', 2, /memory size 64G is impossible/],
  ['run --mem', 2, /'--mem <size>' argument missing/],
  ['run --harts 0', 2, /--harts 0: expected a whole number from 1 to 8/],
  ['run --harts nine', 2, /--harts nine/],
  ['run --core fast', 2, /--core fast: expected jit, wasm or ts/],
  ['run --isa rv64gq --kernel @image', 2, /"rv64gq"/],
  ['run --timeout never', 2, /--timeout never: expected a time/],
  ['run --clock sundial', 2, /--clock sundial: expected host or virtual/],
  ['run surplus', 2, /too many arguments/],
  ['run --kernel @absent', 1, /absent: there is no such file/],
  ['run --kernel @', 1, /a folder, where a file was expected/],
  ['run --kernel @text', 1, /text: a text file, not a RISC-V kernel/],
  ['run --kernel @empty', 1, /empty: the file is empty/],
  ['run --kernel @x86', 1, /x86: .*not a RISC-V kernel|x86: .*x86/],
  ['run --kernel @short', 1, /short: .*cut short/],
  ['run --kernel @large --mem 256M', 1, /large: .*needs 1024 MiB/],
  ['run --kernel @image --initrd @initrd --mem 64M', 1, /initrd: .*does not fit/],
  ['run --kernel @image --initrd @empty', 1, /the initrd is empty/],
  ['run --kernel @image --firmware @x86', 1, /x86: /],
  ['run --kernel @image --disk @absent', 1, /absent cannot be opened: there is no such file/],
  ['run --kernel @image --disk @qcow', 1, /qcow: a qcow2 header has 72 bytes, the file \d+/],
  ['run --kernel @image --record @absent/a.hsr', 1, /absent\/a.hsr: there is no such/],
  ['replay', 2, /missing required argument 'recording'/],
  ['replay @absent', 1, /absent: there is no such file/],
  ['replay @text', 1, /text.*no(t a)? recording/],
  ['replay @text --speed warp', 2, /--speed warp: expected max, real, or a factor/],
  ['run --embed', 2, /--embed .* --record FILE/],
  ['run --checkpoints', 2, /--checkpoints .* --record FILE/],
  ['run --past 1K', 2, /--past 1K: expected a size from 16 MiB/],
  ['run --past 0 --record @absent --checkpoints', 2, /--past 0/],
  ['info @text', 1, /text.*no(t a)? recording/],
  ['branch @text', 2, /required option '--at <instant>'/],
  ['debug', 2, /expected a recording, or --live/],
  ['debug @text --gdb here', 2, /--gdb here: expected a port/],
  ['web --port 99999', 2, /--port 99999: expected a port/],
  ['guest', 2, /Usage: hindsight guest/],
  ['guest build --mirror ftp://nowhere', 1, /mirror/i],
];

describe('every mistake is one clear line', () => {
  test.concurrent.each(CASES)('hindsight %s', async (typed, status, line) => {
    const args = typed.split(' ').map((word) => word.replace('@', `${dir}/`));
    const ended = await hindsight(args, {
      environment: { XDG_CACHE_HOME: typed.startsWith('guest build') ? dir : process.env.XDG_CACHE_HOME },
    });
    expect(ended.stderr).toMatch(line);
    expect(ended.stderr).not.toMatch(/\n\s+at |internal error/);
    if (status !== 2 || !ended.stderr.startsWith('Usage'))
      expect(ended.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(typed.startsWith('guest') ? 8 : 1);
    expect(ended.stdout).toBe('');
    expect(ended.status).toBe(status);
  });
});
