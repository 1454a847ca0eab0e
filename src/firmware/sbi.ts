import { baseExtension } from './sbi-base.ts';
import { fail, NO_RETURN, SBI_ERROR, SBI_EXTENSION, type SbiArguments, type SbiResult } from './sbi-codes.ts';
import { dbcnExtension } from './sbi-console.ts';
import type { SbiHost } from './sbi-host.ts';
import { hsmExtension } from './sbi-hsm.ts';
import { ipiExtension, rfenceExtension, timeExtension } from './sbi-interrupts.ts';
import { srstExtension } from './sbi-reset.ts';

const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;

const IMPLEMENTED: ReadonlySet<bigint> = new Set(Object.values(SBI_EXTENSION));

/** Whether an extension id is answered with anything but "not supported". */
export const isImplemented = (eid: bigint): boolean => IMPLEMENTED.has(eid);

/**
 * Answers an ECALL from S-mode as SBI 2.0 firmware would: reads the call from a0–a7, acts on the machine, writes error and value
 * to a0 and a1 (chapter 3). The caller has moved the pc behind the ECALL before. Keeps no state and never throws for anything a
 * guest may pass. Unknown extensions and functions, the legacy ones among them, give −2.
 */
export function handleSbiCall(host: SbiHost, hart: number): void {
  const argument = (i: number): bigint => host.getReg(hart, A0 + i);
  const args: SbiArguments = [argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)];
  const result = dispatch(host, hart, host.getReg(hart, A7), host.getReg(hart, A6), args);
  if (result === NO_RETURN) return;
  host.setReg(hart, A0, BigInt.asUintN(64, BigInt(result.error)));
  host.setReg(hart, A1, result.value);
}

function dispatch(
  host: SbiHost,
  hart: number,
  eid: bigint,
  fid: bigint,
  args: SbiArguments,
): SbiResult | typeof NO_RETURN {
  switch (eid) {
    case SBI_EXTENSION.base:
      return baseExtension(fid, args, isImplemented);
    case SBI_EXTENSION.time:
      return timeExtension(host, hart, fid, args);
    case SBI_EXTENSION.ipi:
      return ipiExtension(host, fid, args);
    case SBI_EXTENSION.rfence:
      return rfenceExtension(host, fid, args);
    case SBI_EXTENSION.hsm:
      return hsmExtension(host, hart, fid, args);
    case SBI_EXTENSION.srst:
      return srstExtension(host, fid, args);
    case SBI_EXTENSION.dbcn:
      return dbcnExtension(host, fid, args);
    default:
      return fail(SBI_ERROR.notSupported);
  }
}
