import { setFlagsFromString } from 'node:v8';

/** Bytecodes a JavaScript function executes before V8 optimises it: 60 times what is usual. */
const BUDGET = 4_000_000;

/**
 * Sets V8 up for translated code, in a process of ours only: the settings are the whole process's.
 *
 * Functions are compiled with their module, on the thread that translates, not at their first call on the guest's. Its optimising compiler copies no
 * loop bodies: a region's loops mostly end at its exits, so that copies are larger and no faster. In Node 20 and
 * 21 it optimises JavaScript later: the translator's own functions are run a few hundred times while a guest boots, which there costs as much to
 * optimise, on threads that compile translated code otherwise, as all regions together. Newer V8s have a compiler between.
 */
export function tuneRuntime(): void {
  const { v8, bun, deno } = process.versions;
  if (v8 === undefined || bun !== undefined || deno !== undefined) return;
  setFlagsFromString('--no-wasm-lazy-compilation');
  setFlagsFromString('--no-wasm-loop-peeling');
  setFlagsFromString('--no-wasm-loop-unrolling');
  if (v8.startsWith('11.')) setFlagsFromString(`--interrupt-budget=${BUDGET}`);
}
