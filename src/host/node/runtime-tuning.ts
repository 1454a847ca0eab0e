import { setFlagsFromString } from 'node:v8';

/** Bytecodes a JavaScript function executes before V8 optimises it: 60 times what is usual. */
const BUDGET = 4_000_000;

/**
 * Tells the V8 of Node 20 and 21 to optimise JavaScript later. The translator's own functions are run a few hundred times while a guest
 * boots, which there costs as much to optimise, on threads that compile translated code otherwise, as all regions together. Newer V8s have a
 * compiler between. For a process of ours only: the setting is the whole process's.
 */
export function tuneRuntime(): void {
  const { v8, bun, deno } = process.versions;
  if (v8?.startsWith('11.') && bun === undefined && deno === undefined)
    setFlagsFromString(`--interrupt-budget=${BUDGET}`);
}
