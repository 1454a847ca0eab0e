import { fail, NO_RETURN, SBI_ERROR, SBI_EXTENSION, type SbiArguments, type SbiResult, succeed } from './sbi-codes.ts';
import { hsmExtension, ipiExtension, rfenceExtension, timeExtension } from './sbi-harts.ts';
import type { SbiHost } from './sbi-host.ts';
import { dbcnExtension, srstExtension } from './sbi-system.ts';

const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;

/** Extensions that are answered with anything but "not supported". */
const IMPLEMENTED: ReadonlySet<bigint> = new Set(Object.values(SBI_EXTENSION));

/**
 * Answers an ECALL from S-mode as SBI 2.0 firmware would: reads the call from a0–a7, acts on the machine, writes error and value
 * to a0 and a1 (chapter 3). The caller has moved the pc past the ECALL already. Keeps no state and never throws for anything a
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
      return baseExtension(fid, args);
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

/** Version 2.0: major in bits 30–24, minor in bits 23–0. */
const SPECIFICATION_VERSION = 0x0200_0000n;
/** Ours; ids are assigned from 0 upwards, and none that high has been. */
const IMPLEMENTATION_ID = 0x4853n;
/** Major in bits 31–16, minor in bits 15–0. */
const IMPLEMENTATION_VERSION = 0x0001_0000n;
/** mvendorid, marchid and mimpid of the machine: 0 is "not implemented". */
const MACHINE_ID = 0n;

/** Base extension (chapter 4). */
function baseExtension(fid: bigint, [a0]: SbiArguments): SbiResult {
  switch (fid) {
    case 0n:
      return succeed(SPECIFICATION_VERSION);
    case 1n:
      return succeed(IMPLEMENTATION_ID);
    case 2n:
      return succeed(IMPLEMENTATION_VERSION);
    case 3n:
      return succeed(IMPLEMENTED.has(a0) ? 1n : 0n);
    case 4n:
    case 5n:
    case 6n:
      return succeed(MACHINE_ID);
    default:
      return fail(SBI_ERROR.notSupported);
  }
}
