import type { LinuxKernel } from '../linux/kernel.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Mover } from '../timeline/mover.ts';

/**
 * Goes on to where a kernel has relocated itself, so that the pointers in its own tables are right: its first function in C that runs at its
 * final address. Where translation of addresses is on, as after a snapshot, that was before.
 */
export async function reachKernel(mover: Mover, kernel: LinuxKernel, options: MoveOptions = {}): Promise<void> {
  const start = kernel.symbols.find('start_kernel')?.address;
  if (start !== undefined && kernel.mode() === 0n) await mover.continue({ execute: start }, options);
}
