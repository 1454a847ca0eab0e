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
import { isEntryPoint, type SbiHost } from './sbi-host.ts';

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
