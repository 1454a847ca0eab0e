import { addressMeant } from '../../../debug/expression/scope.ts';
import { readThrough } from '../../../machine/view/page-table.ts';
import { addressSpace } from './address-space.ts';
import type { LookedAt } from './looked-at.ts';

/** A stretch of memory. */
export interface MemoryBytes {
  readonly from: bigint;
  readonly bytes: Uint8Array;
  /** For each byte whether anything is mapped there: 1 or 0. */
  readonly mapped: Uint8Array;
  /** `name+0x10` of the address that the focus is on. */
  readonly place?: string;
}

const PAGE = 4096n;

/** Memory from an address on, as a process or without one a hart sees it. @param focused an address to name */
export function memory(
  lookedAt: LookedAt,
  hart: number,
  process: number | undefined,
  from: bigint,
  length: number,
  focused: bigint | undefined,
): MemoryBytes {
  const resolve = addressSpace(lookedAt, hart, process);
  const [bytes, mapped] = [new Uint8Array(length), new Uint8Array(length)];
  for (let done = 0; done < length; ) {
    const at = BigInt.asUintN(64, from + BigInt(done));
    const inPage = Math.min(length - done, Number(PAGE - (at % PAGE)));
    const read = readThrough(lookedAt.view, resolve, at, inPage);
    bytes.set(read, done);
    mapped.fill(1, done, done + read.length);
    done += inPage;
  }
  const place = focused === undefined ? undefined : lookedAt.info.name(focused);
  return { from, bytes, mapped, ...(place !== undefined && { place }) };
}

/** The address that a text means for a hart: a number, a register, a symbol, an expression over them. @throws DebugError when it is none */
export const addressOf = ({ view, info }: LookedAt, hart: number, text: string): bigint =>
  addressMeant(text, info, view, hart);
