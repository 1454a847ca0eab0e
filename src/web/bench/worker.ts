/** The bench's worker: runs programs, so that the page stays free. */
import { expose } from 'comlink';
import type { CoreKind } from '../../machine/engine/cores.ts';
import type { ProgramName } from './programs.ts';
import { type Measured, runProgram } from './run-program.ts';

/** The worker, for comlink. */
export interface BenchWorker {
  /** @param atLeast milliseconds */
  run(kind: CoreKind, name: ProgramName, atLeast: number): Measured;
}

const worker: BenchWorker = { run: (kind, name, atLeast) => runProgram(kind, name, () => performance.now(), atLeast) };
expose(worker);
