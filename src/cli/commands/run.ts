import type { RunFlags } from '../run-flags.ts';
import { runMachine } from './run-machine.ts';

/** `hindsight run`. */
export async function run(flags: RunFlags): Promise<number> {
  if (flags.name !== undefined) return (await import('./run-named.ts')).runNamed(flags.name, flags);
  return runMachine(flags);
}
