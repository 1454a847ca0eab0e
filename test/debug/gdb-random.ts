import type { DebugTarget } from '../../src/debug/target.ts';
import { INTEGER_REGISTERS } from '../../src/isa/names.ts';
import { PC, X } from '../../src/machine/view/machine-view.ts';
import { runGdb } from './gdb-client.ts';
import { type Built, buildProgram, LIST_PROGRAM } from './programs.ts';
import { scene, served } from './scene.ts';

/** Commands of one sequence. */
const LENGTH = 6;

/** A stream of numbers below n. */
function stream(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % n;
  };
}

/** Prints where the machine is, in one piece: gdb's messages come by two streams. */
const TELL =
  "python tell = lambda: print('@@' + gdb.execute('monitor when', to_string=True) + gdb.execute('info registers', to_string=True) + '==')";

/** One sequence: somewhere to begin, then moves with points that come and go. Each move is followed by where it led. */
function sequence(random: (n: number) => number, end: number): string[] {
  const out = ['delete', `monitor seek ${random(end)}`, 'maintenance flush register-cache'];
  for (let i = 0; i < LENGTH; i++) {
    const move = [
      'stepi',
      `stepi ${1 + random(40)}`,
      'reverse-stepi',
      `reverse-stepi ${1 + random(40)}`,
      'continue',
      'reverse-continue',
      'step',
      'reverse-step',
      'next',
      'reverse-next',
      'finish',
      'reverse-finish',
    ][random(12)];
    const point = [
      'break tidy',
      'break total',
      'tbreak main',
      `break tidy if i == ${random(60)}`,
      'watch sum',
      `watch nodes[${random(60)}].value`,
      'rwatch head',
      'delete',
      'delete',
    ][random(9)];
    out.push(point, move, 'python tell()');
  }
  return out;
}

/** How a machine stood after a move, as gdb told. */
interface Told {
  readonly instant: number;
  readonly registers: ReadonlyMap<string, bigint>;
}

function readTold(out: string): Told[] {
  return [...out.matchAll(/@@([^@]*?)==/g)].flatMap(([, text]): Told[] => {
    const instant = /instant (\d+) of/.exec(text);
    const registers = new Map([...text.matchAll(/^(\w+) +(0x[0-9a-f]+)\b/gm)].map((m) => [m[1], BigInt(m[2])]));
    return instant && registers.size > 30 ? [{ instant: Number(instant[1]), registers }] : [];
  });
}

async function compare(told: readonly Told[], straight: DebugTarget): Promise<void> {
  for (const { instant, registers } of told) {
    await straight.mover.seek(instant);
    for (let n = 1; n < 33; n++) {
      const name = n === 32 ? 'pc' : INTEGER_REGISTERS[n];
      const mine = straight.readRegister(0, n === 32 ? PC : X(n))!;
      const theirs = registers.get(name === 's0' ? 'fp' : name);
      if (theirs !== mine)
        throw new Error(
          `at instant ${instant} gdb has ${name} = 0x${theirs?.toString(16)}, the straight run 0x${mine.toString(16)}`,
        );
    }
  }
}

/** Runs random sequences through the real gdb, some to a process. @returns how many moves were compared with a straight run */
export async function randomSequences(
  count: number,
  seed: number,
  progress: (done: number) => void = () => undefined,
): Promise<number> {
  const program: Built = buildProgram(LIST_PROGRAM);
  const debugged = scene(program, { core: 'wasm', spacing: 5000 });
  const straight = scene(program, { core: 'wasm', spacing: 5000 }).target;
  const random = stream(seed);
  let compared = 0;
  await served(debugged, async ({ port }) => {
    for (let done = 0; done < count; ) {
      const some = Math.min(25, count - done);
      const commands = [
        TELL,
        ...Array.from({ length: some }, () => sequence(random, debugged.base.reached.instructions)).flat(),
      ];
      const out = await runGdb(program.elf, port, commands, 240_000, true);
      const told = readTold(out);
      if (told.length < some * LENGTH)
        throw new Error(`gdb told ${told.length} of ${some * LENGTH} places: ${out.slice(-2000)}`);
      await compare(told, straight);
      compared += told.length;
      done += some;
      progress(done);
    }
  });
  return compared;
}
