import {
  fail,
  HART_STATE,
  NO_RETURN,
  SBI_ERROR,
  type SbiArguments,
  type SbiResult,
  succeed,
  u32,
} from './sbi-codes.ts';
import type { SbiHost } from './sbi-host.ts';

/** `hart_mask_base` that stands for every hart. */
const ALL_HARTS = 0xffff_ffff_ffff_ffffn;

/** The harts that a hart mask names (chapter 3, "Hart list parameter"), or undefined when one of them does not exist. */
function hartsOf(host: SbiHost, mask: bigint, base: bigint): number[] | undefined {
  if (base === ALL_HARTS) return Array.from({ length: host.hartCount }, (_, hart) => hart);
  if (base >= BigInt(host.hartCount)) return undefined;
  if (mask >> (BigInt(host.hartCount) - base) !== 0n) return undefined;
  const harts: number[] = [];
  for (let hart = Number(base); hart < host.hartCount; hart++) {
    if ((mask >> (BigInt(hart) - base)) & 1n) harts.push(hart);
  }
  return harts;
}

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

/** The two suspend types without a platform's own meaning (table "HSM Hart Suspend Types"). */
const SUSPEND = { retentive: 0, nonRetentive: 0x8000_0000 } as const;
const A0 = 10;
const A1 = 11;

/** Hart state management (chapter 9). */
export function hsmExtension(
  host: SbiHost,
  hart: number,
  fid: bigint,
  args: SbiArguments,
): SbiResult | typeof NO_RETURN {
  switch (fid) {
    case 0n:
      return start(host, args);
    case 1n:
      host.stopHart(hart);
      return NO_RETURN;
    case 2n:
      return exists(host, args[0]) ? succeed(BigInt(host.hartState(Number(args[0])))) : fail(SBI_ERROR.invalidParam);
    case 3n:
      return suspend(host, hart, args);
    default:
      return fail(SBI_ERROR.notSupported);
  }
}

const exists = (host: SbiHost, hart: bigint): boolean => hart < BigInt(host.hartCount);

function start(host: SbiHost, [target, address, opaque]: SbiArguments): SbiResult {
  if (!exists(host, target)) return fail(SBI_ERROR.invalidParam);
  if (host.hartState(Number(target)) !== HART_STATE.stopped) return fail(SBI_ERROR.alreadyAvailable);
  if (!isEntryPoint(host, address)) return fail(SBI_ERROR.invalidAddress);
  host.startHart(Number(target), Number(address), opaque);
  return succeed();
}

function suspend(host: SbiHost, hart: number, [type, address, opaque]: SbiArguments): SbiResult | typeof NO_RETURN {
  switch (u32(type)) {
    case SUSPEND.retentive:
      // The call returns success when the hart resumes, so its registers say so before it sleeps.
      host.setReg(hart, A0, 0n);
      host.setReg(hart, A1, 0n);
      host.suspendHart(hart);
      return NO_RETURN;
    case SUSPEND.nonRetentive:
      if (!isEntryPoint(host, address)) return fail(SBI_ERROR.invalidAddress);
      host.suspendHart(hart, { address: Number(address), opaque });
      return NO_RETURN;
    default:
      return fail(SBI_ERROR.invalidParam);
  }
}

/** Whether a supervisor may be sent to `address`: an instruction's, in RAM. */
function isEntryPoint(host: SbiHost, address: bigint): boolean {
  return address % 2n === 0n && address <= BigInt(Number.MAX_SAFE_INTEGER) && host.ram.contains(Number(address), 2);
}
