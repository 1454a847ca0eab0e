import { type CompileResult, type CompileTask, compileTask, type RegionCompiler } from '../../src/jit/compile.ts';
import type { Random } from './random.ts';

/** A compiler as if on another thread: tasks and results are copied as messages are, and are finished at random moments, in any order. */
export function delayedCompiler(r: Random): RegionCompiler {
  const waiting: CompileTask[] = [];
  return {
    submit(task) {
      // now and then there is no thread
      if (r.chance(10)) return false;
      waiting.push(structuredClone(task));
      return true;
    },
    finished() {
      const done: CompileResult[] = [];
      while (waiting.length > 0 && r.chance(50))
        done.push(structuredClone(compileTask(waiting.splice(r.below(waiting.length), 1)[0])));
      return done;
    },
  };
}
