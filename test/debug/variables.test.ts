import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/debug/expression/evaluate.ts';
import { parseExpression } from '../../src/debug/expression/parse.ts';
import { FrameScope, namesOf } from '../../src/debug/expression/scope.ts';
import { framesOf, type ProgramFrame } from '../../src/debug/frames.ts';
import { valueText } from '../../src/debug/values/format.ts';
import { readVirtual } from '../../src/machine/view/virtual-memory.ts';
import { runGdb } from './gdb-client.ts';
import { ADDRESS, buildProgram, GCC, GDB, GXX, have, VALUES } from './programs.ts';
import { type Scene, scene, served } from './scene.ts';

const source = (name: string): string => readFileSync(join(VALUES, name), 'utf8');

/** What gdb says of a stop; see values/frames.py. */
interface Dump {
  readonly instant: number;
  readonly frames: readonly {
    readonly name: string | null;
    readonly pc: number;
    readonly line: number;
    readonly sp: bigint;
    readonly s1: bigint;
    readonly variables: readonly (readonly [string, string])[];
  }[];
  readonly values?: readonly (readonly [string, string])[];
}

const SETTINGS = [
  'set print entry-values no',
  'set width 0',
  'set height 0',
  'set charset ASCII',
  'set print demangle off',
  'set print static-members off',
];

async function gdbSays(built: Scene, elf: string, commands: readonly string[]): Promise<Dump[]> {
  const out = await served(built, (server) =>
    runGdb(elf, server.port, [...SETTINGS, `source ${join(VALUES, 'frames.py')}`, ...commands], 120_000),
  );
  const dumps = out
    .split('\n')
    .filter((line) => line.startsWith('@@'))
    .map((line) => JSON.parse(line.slice(2).replace(/"(sp|s1|pc)": (\d+)/g, '"$1": "$2"')));
  if (dumps.length === 0) throw new Error(out);
  return dumps.map((d) => ({
    ...d,
    frames: d.frames?.map((f: any) => ({ ...f, pc: Number(f.pc), sp: BigInt(f.sp), s1: BigInt(f.s1) })),
  }));
}

/** The frames of the machine as it is. */
const ours = ({ target, guestInfo }: Scene): ProgramFrame[] =>
  framesOf(guestInfo, guestInfo.backtrace(0), (a, n) => readVirtual(target, 0, a, n));

/** gdb names the value of what was optimized away with blanks of its own. */
const variablesOf = (frame: ProgramFrame): [string, string][] =>
  frame.variables().map(({ name, value }) => [name, valueText(value)]);

const sorted = (list: readonly (readonly [string, string])[]): string[] => [
  // gdb repeats some of what was optimized away.
  ...new Set(
    list
      .map(
        ([n, v]) =>
          `${n} = ${v.replace(/^<error reading variable[^(:]*[(:] ?(.*?)\)?>$/, '<error: $1>').replace(/^@0x\w+: (?=<error)/, '')}`,
      )
      .sort(),
  ),
];

async function compare(built: Scene, dumps: readonly Dump[]): Promise<number> {
  let compared = 0;
  let more = 0;
  for (const dump of dumps) {
    await built.target.mover.seek(dump.instant);
    const frames = ours(built);
    const where = (k: number): string => `instant ${dump.instant}, frame ${k} ${dump.frames[k]?.name}`;
    dump.frames.forEach((theirs, k) => {
      const own = frames[k];
      // Of C++ this is the linkage name, which has the own one in it.
      const name = own?.instance?.name?.replace(/<.*/, '').replace(/^.*::~?/, '') ?? '';
      if (!name.startsWith('operator')) expect(theirs.name ?? '', where(k)).toContain(name);
      expect(Number(own.stack.pc), where(k)).toBe(theirs.pc);
      expect(own.line?.line ?? 0, `line at ${where(k)}`).toBe(theirs.line);
      expect(own.stack.register(2), `sp at ${where(k)}`).toBe(theirs.sp);
      expect(own.stack.register(9), `s1 at ${where(k)}`).toBe(theirs.s1);
      // gdb does not follow values at entry through calls of functions by pointers.
      const gone = new Set(theirs.variables.filter(([, v]) => v === '<optimized out>').map(([n]) => n));
      const all = variablesOf(own);
      const told = all.filter(([n, v]) => gone.has(n) && v !== '<optimized out>').map(([n]) => n);
      more += told.length;
      const both = (list: Dump['frames'][number]['variables']): string[] =>
        sorted(list.filter(([n]) => !told.includes(n)));
      expect(both(all), where(k)).toEqual(both(theirs.variables));
      compared += theirs.variables.length;
    });
  }
  expect(more).toBeLessThan(compared / 20);
  return compared;
}

describe.runIf(have(GCC) && have(GDB))('variables of every frame are what gdb says they are', () => {
  for (const flags of [
    ['-O0', '-gdwarf-5'],
    ['-O0', '-gdwarf-4'],
    ['-O2', '-gdwarf-5', '-fno-reorder-functions'],
    ['-O1', '-gdwarf-4'],
    ['-Og', '-gdwarf-5', '-fomit-frame-pointer'],
  ]) {
    it(`C, ${flags.join(' ')}`, async () => {
      const program = buildProgram(source('shapes.c'), flags);
      const built = scene(program, { core: 'wasm' });
      const dumps = await gdbSays(built, program.elf, [
        ...['break leaf', 'break twice', 'break middle', 'continue', 'dump-frames 40'],
        ...['continue', 'dump-frames 60', 'continue', 'dump-frames 30', 'continue', 'dump-frames 10'],
      ]);
      expect(dumps.length).toBe(140);
      expect(await compare(built, dumps)).toBeGreaterThan(3000);
    }, 180_000);
  }

  it.runIf(have(GXX)).each([
    ['-O0', '-gdwarf-5'],
    ['-O1', '-gdwarf-4'],
  ])(
    'C++, %s %s',
    async (...flags) => {
      const program = buildProgram(
        source('classes.cc'),
        [...flags, '-fno-exceptions', '-fno-rtti', '-std=c++17'],
        ADDRESS,
        {
          command: GXX,
          extension: 'cc',
        },
      );
      const built = scene(program, { core: 'wasm' });
      const dumps = await gdbSays(built, program.elf, [
        ...['break measure', 'break push', 'break larger', 'continue', 'dump-frames 40'],
        ...['continue', 'dump-frames 20', 'continue', 'dump-frames 20', 'continue', 'dump-frames 20'],
      ]);
      expect(await compare(built, dumps)).toBeGreaterThan(200);
    },
    180_000,
  );

  it('expressions', async () => {
    const program = buildProgram(source('shapes.c'), ['-O0']);
    const built = scene(program, { core: 'wasm' });
    const expressions = [
      ...[
        '*shape',
        'shape->in[1].name',
        'shape->at.x * 2 + 1',
        '&shape->grid[1][2]',
        'shape->grid',
        'list',
        '*list.next',
      ],
      ...[
        'list.next->next->value',
        'flags',
        '(int)flags | 4',
        'c',
        'c + 1',
        'f',
        'd / 2',
        'big % 1000',
        'hex',
        '-hex',
        '~hex',
      ],
      ...[
        '(unsigned char)hex',
        '(signed char)0x80',
        'hex >> 4',
        'big >> 3',
        'negative * 3',
        'yes && !no',
        'local > 2 ? 10 : 20',
      ],
      ...[
        'sizeof(struct shape)',
        'sizeof(*shape)',
        'sizeof list',
        '(long)&nodes[2] - (long)nodes',
        '&nodes[3] - &nodes[1]',
      ],
      ...[
        'nodes',
        'many',
        'wide',
        'greeting',
        '*greeting@5',
        'greeting[2]',
        "greeting[2] == 'l'",
        'counter++ == 0 ? 1 : 2'.slice(0, 7),
      ],
      ...[
        'RED',
        'BLUE + 1',
        '(enum color)5',
        '(enum color)9',
        '(enum flags)10',
        '(enum flags)16',
        'ratio',
        'word',
        'word.bytes[3]',
      ],
      ...[
        'shape->bits',
        'shape->bits.middle',
        'shape->bits.high + 1',
        'shape->i',
        'vla',
        'visit',
        '*visit',
        'twice',
        '&twice',
        'main',
      ],
      ...[
        '(float)1 / 3',
        '1.0 / 3',
        '10 / 4',
        '10 / 4.0',
        '7 % -3',
        '-7 / 2',
        '2147483647',
        '4294967295u + 1',
        '1 == 1',
        '5 & 3 ^ 1',
      ],
      ...[
        '1 << 31',
        '!0',
        '*(int *)&f',
        '*(unsigned *)&word',
        'many[3]@4',
        '(char)65',
        "'a' + 1",
        'third',
        'shape->in[0]',
      ],
    ];
    const dumps = await gdbSays(built, program.elf, [
      `break program.c:${
        source('shapes.c')
          .split('\n')
          .findIndex((l) => l.includes('sink += hex')) + 1
      }`,
      'continue',
      `dump-values ${expressions.join(';')}`,
    ]);
    const [{ instant, values }] = dumps;
    await built.target.mover.seek(instant);
    const { target, guestInfo } = built;
    const scope = new FrameScope(ours(built)[0], guestInfo, (id) => target.readRegister(0, id), namesOf(target, 0));
    const own = expressions.map((text): [string, string] => [
      text,
      valueText(evaluate(parseExpression(text, scope), scope)),
    ]);
    // gdb writes a pointer's type before it.
    const clean = (list: readonly (readonly [string, string])[]): string[] =>
      list.map(([text, value]) => `${text}: ${value.replace(/^\((?:[^()]|\([^()]*\))*\) (?=0x|@)/, '')}`);
    expect(clean(own)).toEqual(clean(values!));
  }, 120_000);
});
