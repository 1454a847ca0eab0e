import { fail, SBI_ERROR, type SbiArguments, type SbiResult, succeed } from './sbi-codes.ts';

/** Version 2.0: major in bits 30–24, minor in bits 23–0. */
const SPECIFICATION_VERSION = 0x0200_0000n;
/** Ours; ids are assigned from 0 upwards, and none that high has been. */
const IMPLEMENTATION_ID = 0x4853n;
/** Major in bits 31–16, minor in bits 15–0. */
const IMPLEMENTATION_VERSION = 0x0001_0000n;
/** mvendorid, marchid and mimpid of the machine: 0 is "not implemented". */
const MACHINE_ID = 0n;

/** Base extension (chapter 4). `implemented` answers `sbi_probe_extension`. */
export function baseExtension(fid: bigint, [a0]: SbiArguments, implemented: (eid: bigint) => boolean): SbiResult {
  switch (fid) {
    case 0n:
      return succeed(SPECIFICATION_VERSION);
    case 1n:
      return succeed(IMPLEMENTATION_ID);
    case 2n:
      return succeed(IMPLEMENTATION_VERSION);
    case 3n:
      return succeed(implemented(a0) ? 1n : 0n);
    case 4n:
    case 5n:
    case 6n:
      return succeed(MACHINE_ID);
    default:
      return fail(SBI_ERROR.notSupported);
  }
}
