import { fail, HART_STATE, SBI_ERROR, type SbiArguments, type SbiResult, succeed } from './sbi-codes.ts';
import { hartsOf } from './sbi-hart-mask.ts';
import type { SbiHost } from './sbi-host.ts';

/** Timer extension (chapter 6). */
export function timeExtension(host: SbiHost, hart: number, fid: bigint, [stimeValue]: SbiArguments): SbiResult {
  if (fid !== 0n) return fail(SBI_ERROR.notSupported);
  host.setTimer(hart, stimeValue);
  return succeed();
}

/** Inter-processor interrupts (chapter 7). A stopped hart has no supervisor to interrupt and is passed over. */
export function ipiExtension(host: SbiHost, fid: bigint, [mask, base]: SbiArguments): SbiResult {
  if (fid !== 0n) return fail(SBI_ERROR.notSupported);
  const harts = hartsOf(host, mask, base);
  if (!harts) return fail(SBI_ERROR.invalidParam);
  for (const hart of harts) {
    if (host.hartState(hart) !== HART_STATE.stopped) host.setSoftware(hart, true);
  }
  return succeed();
}

/** Functions of the remote-fence extension up to this one concern supervisors; the rest is for the hypervisor extension, absent here. */
const LAST_SUPERVISOR_FENCE = 2n;

/**
 * Remote fences (chapter 8). There is nothing to do: every access behaves as if the page table had been walked for it, and every
 * fetch sees the stores before it, on all harts.
 */
export function rfenceExtension(host: SbiHost, fid: bigint, [mask, base]: SbiArguments): SbiResult {
  if (fid > LAST_SUPERVISOR_FENCE) return fail(SBI_ERROR.notSupported);
  return hartsOf(host, mask, base) ? succeed() : fail(SBI_ERROR.invalidParam);
}
