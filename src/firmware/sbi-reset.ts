import {
  fail,
  NO_RETURN,
  RESET,
  RESET_REASON,
  type ResetKind,
  type ResetReason,
  SBI_ERROR,
  type SbiArguments,
  type SbiResult,
  u32,
} from './sbi-codes.ts';
import type { SbiHost } from './sbi-host.ts';

const KINDS: readonly number[] = Object.values(RESET);
const REASONS: readonly number[] = Object.values(RESET_REASON);

/** System reset (chapter 10). Kinds and reasons that are reserved or a platform's own are refused. */
export function srstExtension(host: SbiHost, fid: bigint, args: SbiArguments): SbiResult | typeof NO_RETURN {
  if (fid !== 0n) return fail(SBI_ERROR.notSupported);
  const kind = u32(args[0]);
  const reason = u32(args[1]);
  if (!KINDS.includes(kind) || !REASONS.includes(reason)) return fail(SBI_ERROR.invalidParam);
  host.reset(kind as ResetKind, reason as ResetReason);
  return NO_RETURN;
}
