import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConsoleLog } from '../../src/cli/console-log.ts';
import { EscapeKeys, type KeyPiece } from '../../src/cli/escape-keys.ts';
import { describeError, UsageError } from '../../src/cli/exit.ts';
import { TerminalModes } from '../../src/cli/terminal-modes.ts';
import { formatBytes, formatCount, parseDuration, parseInteger, parseListen } from '../../src/cli/values.ts';
import { PanicWatch } from '../../src/guest/panic-watch.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const text = (piece: KeyPiece): string =>
  'bytes' in piece ? String.fromCharCode(...piece.bytes) : `<${piece.action}>`;

describe('values', () => {
  test('a whole number keeps to its range', () => {
    expect(parseInteger('--harts', '8', 1, 8)).toBe(8);
    for (const typed of ['0', '9', '1.5', 'two', ''])
      expect(() => parseInteger('--harts', typed, 1, 8)).toThrow(/--harts .*from 1 to 8/);
  });
  test.each([
    ['30', 30_000],
    ['500ms', 500],
    ['5m', 300_000],
    ['0.5h', 1_800_000],
  ])('time %s', (typed, ms) => {
    expect(parseDuration('--timeout', typed)).toBe(ms);
  });
  test.each([
    [':1234', '127.0.0.1', 1234],
    ['1234', '127.0.0.1', 1234],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['[::1]:9', '::1', 9],
  ])('listen on %s', (typed, host, port) => {
    expect(parseListen('--gdb', typed)).toEqual({ host, port });
  });
  test('listen refuses no port and too large a port', () => {
    for (const typed of ['', 'here', ':70000', 'a b:1']) expect(() => parseListen('--gdb', typed)).toThrow(UsageError);
  });
  test('numbers for people', () => {
    expect([0, 999, 1500, 372_100_000, 1_780_000_000].map(formatCount)).toEqual([
      '0',
      '999',
      '1.5 k',
      '372 M',
      '1.78 G',
    ]);
    expect([5, 2048, 2 ** 20 * 1.5, 2 ** 30].map(formatBytes)).toEqual(['5 bytes', '2 KiB', '1.5 MiB', '1 GiB']);
  });
});

describe('Ctrl-A', () => {
  test('commands are taken out, in order, and Ctrl-A twice is one for the guest', () => {
    expect(new EscapeKeys().push(bytes('ls\x01hab\x01\x01c\x01x')).map(text)).toEqual([
      'ls',
      '<help>',
      'ab\x01c',
      '<quit>',
    ]);
  });
  test('a key that means nothing is dropped with its Ctrl-A', () => {
    expect(new EscapeKeys().push(bytes('a\x01zb')).map(text)).toEqual(['ab']);
  });
  test('how the bytes are cut into chunks does not matter', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(1, 0x68, 0x78, 0x5b, 0x61, 0xc3), { maxLength: 20 }),
        fc.nat(20),
        (typed, cut) => {
          const joined = (chunks: number[][]): string => {
            const keys = new EscapeKeys();
            return chunks.flatMap((chunk) => keys.push(Uint8Array.from(chunk)).map(text)).join('');
          };
          expect(joined([typed.slice(0, cut), typed.slice(cut)])).toBe(joined([typed]));
        },
      ),
    );
  });
});

describe('kernel panics', () => {
  const LAST =
    '[    0.412] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---\r\n';
  test('the last line of one is recognised, byte by byte too', () => {
    const watch = new PanicWatch();
    for (const byte of bytes(`[    0.4] Kernel panic - not syncing: x\r\n${LAST}`)) watch.push(Uint8Array.of(byte));
    expect(watch.suspected).toBe('VFS: Unable to mount root fs on unknown-block(0,0)');
  });
  test('a guest that goes on after such a text has not panicked', () => {
    const watch = new PanicWatch();
    watch.push(bytes(LAST));
    watch.push(bytes('root@hindsight:~# '));
    expect(watch.suspected).toBeUndefined();
  });
  test('the words alone are no panic', () => {
    const watch = new PanicWatch();
    watch.push(bytes('echo Kernel panic - not syncing: no\r\n'));
    expect(watch.suspected).toBeUndefined();
  });
});

describe('terminal modes', () => {
  test('only what was turned on is undone', () => {
    const modes = new TerminalModes();
    modes.push(bytes('\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?2004l text'));
    expect(modes.undo()).toBe('\x1b[?1049l\x1b[?25h\x1b[0m');
  });
  test('a sequence cut in two is understood', () => {
    const modes = new TerminalModes();
    modes.push(bytes('abc\x1b[?10'));
    modes.push(bytes('00;1006h'));
    expect(modes.undo()).toBe('\x1b[?1000l\x1b[?1006l\x1b[0m');
  });
  test('an untouched terminal is left alone', () => {
    expect(new TerminalModes().undo()).toBe('');
  });
});

describe('the log of the console', () => {
  test('knows what was printed when, without questions to the terminal', () => {
    const log = new ConsoleLog();
    log.push(10, bytes('one '));
    log.push(20, bytes('\x1b[6ntwo '));
    log.push(30, bytes('\x1b[1mthree'));
    const at = (instructions: number): string => String.fromCharCode(...log.until(instructions));
    expect([at(9), at(10), at(29), at(99)]).toEqual(['', 'one ', 'one two ', 'one two \x1b[1mthree']);
    log.forgetAfter(20);
    expect(at(99)).toBe('one two ');
  });
});

test('errors of the system are said in words', () => {
  const error = Object.assign(new Error("ENOENT: no such file or directory, open '/x'"), {
    code: 'ENOENT',
    syscall: 'open',
    path: '/x',
  });
  expect(describeError(error)).toBe('/x: there is no such file');
  expect(describeError(new Error('two\nlines'))).toBe('two lines');
});
