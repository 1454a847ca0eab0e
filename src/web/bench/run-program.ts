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
  /** Milliseconds that the fastest of so many runs took. */
  readonly best: number;
  readonly runs: number;
}

const RAM = 4 * 2 ** 20;
/** Instructions at a time. */
const SLICE = 10_000_000;
const [A0, A1] = [10, 11];

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
  do {
    // Its variables are as they were at the beginning; its code is the same, so what was translated holds.
    memory.ramBytes.fill(0, image.length);
    memory.ramBytes.set(image);
    hart.set('pc', pc);
    hart.set('x', BigInt(number), A0);
    hart.set('x', BigInt(PROGRAMS[number].scale), A1);
    hart.set32('waiting', 0);
    core.hartChanged(0);
    const before = hart.get('ticksEnd');
    const begun = now();
    while (core.run(0, SLICE) !== EXIT.WAIT);
    best = Math.min(best, now() - begun);
    instructions = Number(hart.get('ticksEnd') - before);
    value = hart.get('x', A0);
    runs++;
  } while (now() - started < atLeast);
  return { value, instructions, best, runs };
}
