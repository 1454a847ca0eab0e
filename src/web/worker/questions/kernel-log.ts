import { dmesg } from '../../../linux/dmesg.ts';
import type { LookedAt } from './looked-at.ts';

/** A line of the kernel's log. */
export interface KernelLogLine {
  /** Seconds since the kernel's start. */
  readonly time: number;
  /** 0 emergency … 7 debug. */
  readonly level: number;
  readonly text: string;
}

/** The kernel's log as it is here, oldest line first. Undefined before the kernel is up. */
export function kernelLog({ info }: LookedAt): readonly KernelLogLine[] | undefined {
  const kernel = info.kernel();
  if (kernel === undefined) return undefined;
  return dmesg(kernel).map(({ time, level, text }) => ({ time: Number(time) / 1e9, level, text }));
}
