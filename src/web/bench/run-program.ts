import { fromBase64 } from '../../bytes/base64.ts';
import { EXIT } from '../../isa/layout.ts';
import type { CoreKind } from '../../machine/engine/cores.ts';
import { rig } from '../../machine/engine/rig.ts';
import { PROGRAMS_BASE64 } from './programs/binary.ts';
import { PROGRAMS, type ProgramName } from './programs.ts';

/** How fast a core ran a program. */
export interface Measured {
  /** What the program computed, and how many instructions that took: equal on all cores. */
  readonly value: bigint;
  readonly instructions: number;
  /** Milliseconds that a run took, where they went fastest. */
  readonly best: number;
  readonly runs: number;
}

const RAM = 4 * 2 ** 20;
/** Instructions at a time. */
const SLICE = 10_000_000;
const [A0, A1] = [10, 11];
/** Milliseconds that are timed at least. */
const SHORTEST = 20;

/**
 * Runs a program on a core, over and over, for some time; what the core translated stays.
 * @param now milliseconds @param atLeast milliseconds of runs; one run at least
 */
export function runProgram(kind: CoreKind, name: ProgramName, now: () => number, atLeast: number): Measured {
  const number = PROGRAMS.findIndex((program) => program.name === name);
  const image = fromBase64(PROGRAMS_BASE64)!;
  const { memory, hart, core } = rig(kind, image, RAM);
  const pc = hart.get('pc');
  const started = now();
  let [best, runs, instructions, value] = [Infinity, 0, 0, 0n];
  const run = (): void => {
    // Its variables are as they were at the beginning; its code is the same, so what was translated holds.
    memory.ramBytes.fill(0, image.length);
    memory.ramBytes.set(image);
    hart.set('pc', pc);
    hart.set('x', BigInt(number), A0);
    hart.set('x', BigInt(PROGRAMS[number].scale), A1);
    hart.set32('waiting', 0);
    core.hartChanged(0);
    const before = hart.get('ticksEnd');
    while (core.run(0, SLICE) !== EXIT.WAIT);
    instructions = Number(hart.get('ticksEnd') - before);
    value = hart.get('x', A0);
    runs++;
  };
  do {
    const [begun, before] = [now(), runs];
    let took: number;
    // Pages have clocks of a tenth of a millisecond, or of one: short runs are timed several at once.
    do {
      run();
      took = now() - begun;
    } while (took < SHORTEST && now() - started < atLeast);
    best = Math.min(best, took / (runs - before));
  } while (now() - started < atLeast);
  return { value, instructions, best, runs };
}
