/** Probe scripts without a machine: what they mean, and how wrong ones are told. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attach } from '../../src/probe/attach.ts';
import { ScriptState } from '../../src/probe/compile-expression.ts';
import type { ProbeContext } from '../../src/probe/environment.ts';
import { parseFormat } from '../../src/probe/format.ts';
import { MapLimitError } from '../../src/probe/maps.ts';
import { printMap, textOutput } from '../../src/probe/output.ts';
import { compileScript } from '../../src/probe/program.ts';
import { ScriptError } from '../../src/probe/script-error.ts';

const targets = {
  symbols: ['vfs_read', 'vfs_write', 'vfs_open', 'do_exit'].map((name, i) => ({
    name,
    address: 0xffff_ffff_8000_0000n + BigInt(i * 256),
    size: 256,
    code: true,
  })),
  btf: undefined,
  syscalls: [{ name: 'openat', number: 56, parameters: [{ name: 'dfd', type: 'int' }] }],
};

/** A machine whose argument registers hold 1, 2, 3 …, and whose memory holds "text". */
const context = (probe: string, hit = 0): ProbeContext => ({
  hart: 0,
  probe,
  time: BigInt(hit * 1000),
  instructions: hit,
  x: (number) => BigInt(number - 9 + hit),
  task: 0n,
  tgid: 7,
  pid: 8,
  comm: hit % 2 === 0 ? 'even' : 'odd',
  number: () => 42n,
  bytes: (_, length) => new TextEncoder().encode('text\0more').subarray(0, length),
  stack: () => '\n    inner\n    outer',
  symbol: (address) => `symbol${address}`,
  argument: () => 0n,
});

/** Runs a script's blocks, each as often as said, BEGIN before and END after. */
function run(script: string, hits = 1, parameters: readonly string[] = []): string {
  let text = '';
  const state = new ScriptState(
    textOutput((piece) => {
      text += piece;
    }),
  );
  const environment = { btf: undefined, kernelAddress: () => undefined, mapLimit: 10, stringLimit: 64 };
  const actions = compileScript(script, parameters, targets, environment, state);
  for (const kind of ['begin', 'point', 'end'] as const) {
    for (let hit = 0; hit < (kind === 'point' ? hits : 1); hit++) {
      for (const { attachment, run } of actions) {
        if (attachment.kind === kind && !(state.exited && kind === 'point')) run(context(attachment.probe, hit));
      }
    }
  }
  for (const map of state.maps.values()) printMap(state.output, map, undefined);
  return text;
}

describe('scripts', () => {
  test.each([
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['7 / 2', '3'],
    ['-7 / 2', '-3'],
    ['-7 % 3', '-1'],
    ['5 / 0', '0'],
    ['5 % 0', '5'],
    ['1 << 4 | 3', '19'],
    ['~0 & 0xff', '255'],
    ['3 > 2 && 0 || 1', '1'],
    ['1 == 1 ? 10 : 20', '10'],
    ['!5', '0'],
    ['0xffffffffffffffff + 1', '0'],
    ['1e6', '1000000'],
    ['5ms', '5000000'],
    ['1_000', '1000'],
    ['strncmp("abcd", "abxx", 2)', '0'],
    ['strcontains("haystack", "st")', '1'],
    ['len("four")', '4'],
    ['arg0', '1'],
    ['reg("a1")', '2'],
    ['str(arg0)', 'text'],
    ['str(arg0, 2)', 'te'],
    ['comm', 'even'],
    ['pid * 100 + tid', '708'],
    ['probe', 'kprobe:vfs_read'],
    ['func', 'vfs_read'],
    ['(1, "two", 3)', '(1, two, 3)'],
    ['(1, (2, 3)).1', '(2, 3)'],
    ['*0x1000', '42'],
    ['$1 + 1', '6'],
    ['$2', 'word'],
    ['$#', '2'],
    ['ksym(5)', 'symbol5'],
  ])('%s is %s', (expression, value) => {
    expect(run(`kprobe:vfs_read { print(${expression}); }`, 1, ['5', 'word'])).toBe(`${value}\n`);
  });

  test('statements: variables, if, while, unroll, for, break, continue, return', () => {
    expect(
      run(
        'BEGIN { $i = 0; while ($i < 10) { $i++; if ($i == 3) { continue; } if ($i > 5) { break } printf("%d ", $i); } }',
      ),
    ).toBe('1 2 4 5 ');
    expect(run('BEGIN { $x = 1; unroll (4) { $x *= 2 } print($x); return; print(0); }')).toBe('16\n');
    expect(run('BEGIN { @a["x"] = 2; @a["y"] = 1; for ($e : @a) { printf("%s=%d ", $e.0, $e.1); } clear(@a) }')).toBe(
      'y=1 x=2 ',
    );
    expect(run('BEGIN { if (0) { print(1) } else if (1) { print(2) } else { print(3) } }')).toBe('2\n');
  });

  test('predicates, several probes of a block, patterns, comments', () => {
    expect(
      run(
        '#!/usr/bin/env hindsight\n// one\nkprobe:vfs_read, kprobe:do_exit /* two */ /comm == "odd"/ { @ = count() }',
        5,
      ),
    ).toBe('@: 4\n');
    expect(run('kprobe:vfs_* { @[probe] = count() }')).toBe(
      '@[kprobe:vfs_open]: 1\n@[kprobe:vfs_read]: 1\n@[kprobe:vfs_write]: 1\n',
    );
    expect(run('kprobe:vfs_read / arg0 / 2 > 1 / { @ = count() }'.replace(' / 2', ' - 2'), 9)).toBe('@: 7\n');
  });

  test('summaries', () => {
    const script =
      'kprobe:vfs_read { @c = count(); @s = sum(arg0); @a = avg(arg0); @min = min(arg0); @max = max(arg0); @st = stats(arg0); }';
    expect(run(script, 4)).toBe('@c: 4\n@s: 10\n@a: 2\n@min: 1\n@max: 4\n@st: count 4, average 2, total 10\n');
    expect(run('kprobe:vfs_read { @[comm] = sum(arg0) } END { print(@, 1); clear(@) }', 4)).toBe('@[odd]: 6\n');
    const histogram = run('kprobe:vfs_read { @ = hist(arg0 - 1) }', 9);
    expect(histogram.match(/^\S.*?(?=\s+\|)/gm)).toEqual([
      expect.stringMatching(/^\[0\] +1$/),
      expect.stringMatching(/^\[1\] +1$/),
      expect.stringMatching(/^\[2, 4\) +2$/),
      expect.stringMatching(/^\[4, 8\) +4$/),
      expect.stringMatching(/^\[8, 16\) +1$/),
    ]);
    expect(run('kprobe:vfs_read { @ = lhist(arg0, 2, 6, 2) }', 9)).toMatch(
      /\(\.\.\., 2\) +1 .*\n\[2, 4\) +2 .*\n\[4, 6\) +2 .*\n\[6, \.\.\.\) +4 /,
    );
  });

  test('maps: keys of several parts, counting, delete, zero, limit', () => {
    expect(run('kprobe:vfs_read { @x[comm, pid]++; @n += 2; } END { delete(@x["odd", 7]); }', 3)).toBe(
      '@x[even, 7]: 2\n@n: 6\n',
    );
    expect(run('kprobe:vfs_read { @x[arg0] = 5 } END { zero(@x) }', 2)).toBe('@x[1]: 0\n@x[2]: 0\n');
    expect(() => run('kprobe:vfs_read { @[arg0] = count() }', 11)).toThrow(MapLimitError);
  });

  test('exit() ends it, END runs all the same', () => {
    expect(run('kprobe:vfs_read { @ = count(); if (arg0 == 3) { exit() } } END { print("end") }', 9)).toBe(
      'end\n@: 3\n',
    );
  });

  test('printf', () => {
    const printed = (format: string, ...values: (bigint | string)[]): string => {
      const parsed = parseFormat(format);
      return typeof parsed === 'string' ? parsed : parsed.print(values);
    };
    expect(printed('%5d|%-5d|%05d|%+d|%x|%#x|%X|%o|%c|%%|%s', 1n, 2n, 3n, 4n, 255n, 255n, 255n, 8n, 65n, 's')).toBe(
      '    1|2    |00003|+4|ff|0xff|FF|10|A|%|s',
    );
    expect(printed('%d %u %llx %p', -1n, -1n, -1n, 16n)).toBe('-1 18446744073709551615 ffffffffffffffff 0x10');
    expect(printed('%10s|%-6s|%.2s', 'right', 'left', 'cut')).toBe('     right|left  |cu');
    expect(printed('%y', 1n)).toContain('no conversion');
  });
});

describe('wrong scripts', () => {
  test.each<[string, string, number, number]>([
    ['kprobe:vfs_raed { }', 'the kernel has no function vfs_raed; did you mean vfs_read?', 1, 1],
    ['kprobe:vfs_read { @ = cuont() }', 'there is no function cuont(); did you mean count?', 1, 23],
    ['kprobe:vfs_read {\n  print(cmm)\n}', 'there is no builtin cmm; did you mean comm?', 2, 9],
    ['kprobe:vfs_read { print($x) }', '$x has no value yet', 1, 25],
    ['kprobe:vfs_read { @a[1] = 1; @a["s"] = 1 }', 'a string where the key of @a is an integer elsewhere', 1, 33],
    ['kprobe:vfs_read { @a = 1; @a = "s" }', '@a holds an integer elsewhere, a string here', 1, 27],
    ['kprobe:vfs_read { @a = count(); @a = 5 }', '@a holds count() elsewhere, an integer here', 1, 33],
    ['kprobe:vfs_read { printf("%d %d", 1) }', 'the format has 2 conversions, 1 values follow', 1, 19],
    ['kprobe:vfs_read { printf("%d", "s") }', 'a string where an integer was expected', 1, 32],
    ['kprobe:vfs_read { 1 + "s" }', 'cannot be combined', 1, 19],
    ['kprobe:vfs_read { print("unfinished }', 'this string has no end', 1, 25],
    ['kprobe:vfs_read { print(1)', 'where the statement before ends', 1, 27],
    ['kprobe:vfs_read { /* }', 'this comment has no end', 1, 19],
    ['kprobe:vfs_read { args.x }', 'these probes bring none by name', 1, 24],
    ['kprobe:vfs_read { ((struct file *)arg0)->f_mode }', 'no type information', 1, 21],
    ['kprobe:vfs_read { break }', 'break outside of a loop', 1, 19],
    ['kprobe:vfs_read { lhist(1, 2, 3, 4) }', 'belongs to a map', 1, 19],
    ['kprobe:vfs_read { @ = lhist(1, 5, 3, 1) }', 'expected min < max', 1, 23],
    ['kprobe:vfs_read { str() }', 'str() takes 1 to 2 arguments, 0 are given', 1, 19],
    ['kporbe:vfs_read { }', 'there is no probe kporbe; did you mean kprobe?', 1, 1],
    ['kprobe { }', 'expected kprobe:FUNCTION', 1, 1],
    ['interval:s:0 { }', 'expected interval:s:1', 1, 1],
    ['tracepoint:syscalls:sys_enter_opnat { }', 'did you mean openat?', 1, 1],
    ['watchpoint:nothing { }', 'the kernel has no symbol nothing', 1, 1],
    ['', 'a script without a probe', 1, 1],
    ['123', 'where a probe was expected', 1, 1],
    ['BEGIN { 5 = 6 }', 'only a variable ($x) or a map (@x) can be assigned to', 1, 9],
    ['BEGIN { $x = 1; $x = "s" }', '$x is an integer before, a string here', 1, 17],
    ['BEGIN { print(1 2) }', 'where ) was expected', 1, 17],
    ['BEGIN { 12abc }', 'is no number', 1, 9],
  ])('%s', (script, reason, line, column) => {
    let error: unknown;
    try {
      run(script);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ScriptError);
    expect((error as ScriptError).reason).toContain(reason);
    expect([(error as ScriptError).line, (error as ScriptError).column]).toEqual([line, column]);
  });

  test('show the place', () => {
    expect(() => run('BEGIN {\n\tprint(cmm);\n}')).toThrow(
      'script:2:8: there is no builtin cmm; did you mean comm?\n\tprint(cmm);\n\t      ~~~',
    );
  });

  test('an endless loop is ended', () => {
    expect(() => run('BEGIN { while (1) { $x = 1 } }')).toThrow('more than 1000000 turns');
  });

  test('any text is a script or a ScriptError', () => {
    const pieces = [
      'kprobe:',
      'vfs_read',
      'BEGIN',
      '{',
      '}',
      '(',
      ')',
      '@a',
      '$x',
      '1',
      '"s"',
      '=',
      '+',
      '/',
      ';',
      ',',
      '[',
      ']',
      'if',
      'while (0)',
      'count()',
      '->',
      '.',
      'x',
      '?',
      ':',
      ' ',
      '\n',
    ];
    const script = fc
      .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 30 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(script, (text) => {
        try {
          compileScript(
            text,
            [],
            targets,
            { btf: undefined, kernelAddress: () => undefined, mapLimit: 10, stringLimit: 10 },
            new ScriptState(textOutput(() => undefined)),
          );
        } catch (error) {
          if (!(error instanceof ScriptError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test('a pattern that names too much is refused', () => {
  const symbols = Array.from({ length: 12_001 }, (_, i) => ({
    name: `f${i}`,
    address: BigInt(i),
    size: 1,
    code: true,
  }));
  expect(attach({ provider: 'kprobe', parts: ['f*'], start: 0, end: 1 }, { ...targets, symbols })).toContain(
    '12001 functions match',
  );
});
