import { TRANSLATION_SCRIPT } from '../../generated/translation-worker.ts';
import type { CompileResult, CompileTask, RegionCompiler } from '../../jit/compile.ts';

const SERVE = 'onmessage = ({ data }) => postMessage(translation.compileTask(data));';

/** Compiles for one machine, in a worker of its own. Where a policy allows none, it takes nothing. */
export function browserRegionCompiler(): RegionCompiler {
  let worker: Worker | undefined;
  let failed = false;
  let results: CompileResult[] = [];
  const start = (): void => {
    const url = URL.createObjectURL(new Blob([TRANSLATION_SCRIPT, SERVE], { type: 'text/javascript' }));
    try {
      worker = new Worker(url, { name: 'translator' });
      worker.onmessage = ({ data }: MessageEvent<CompileResult>) => void results.push(data);
      worker.onerror = () => {
        failed = true;
        worker?.terminate();
      };
    } catch {
      failed = true;
    } finally {
      URL.revokeObjectURL(url);
    }
  };
  return {
    submit(task: CompileTask): boolean {
      if (!worker && !failed) start();
      if (!worker || failed) return false;
      worker.postMessage(task, [task.pages.data.buffer]);
      return true;
    },
    finished(): readonly CompileResult[] {
      const done = results;
      results = [];
      return done;
    },
  };
}
