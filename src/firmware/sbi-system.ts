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
  succeed,
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

/** Bytes moved by one call at most: calls may be partial, and one instruction should not take long. */
const CONSOLE_CHUNK = 64 * 1024;

/** Debug console (chapter 12). */
export function dbcnExtension(host: SbiHost, fid: bigint, args: SbiArguments): SbiResult {
  switch (fid) {
    case 0n:
      return write(host, args);
    case 1n:
      return read(host, args);
    case 2n:
      host.consoleWrite(Uint8Array.of(Number(args[0] & 0xffn)));
      return succeed();
    default:
      return fail(SBI_ERROR.notSupported);
  }
}

/** A call's stretch of memory, or undefined unless all of it is RAM. */
function memory(host: SbiHost, [count, low, high]: SbiArguments): { address: number; length: number } | undefined {
  const largest = BigInt(Number.MAX_SAFE_INTEGER);
  if (high !== 0n || low > largest || count > largest) return undefined;
  const stretch = { address: Number(low), length: Number(count) };
  return host.ram.contains(stretch.address, stretch.length) ? stretch : undefined;
}

function write(host: SbiHost, args: SbiArguments): SbiResult {
  const stretch = memory(host, args);
  if (!stretch) return fail(SBI_ERROR.invalidParam);
  const length = Math.min(stretch.length, CONSOLE_CHUNK);
  if (length > 0) host.consoleWrite(host.ram.read(stretch.address, length).slice());
  return succeed(BigInt(length));
}

function read(host: SbiHost, args: SbiArguments): SbiResult {
  const stretch = memory(host, args);
  if (!stretch) return fail(SBI_ERROR.invalidParam);
  const length = Math.min(stretch.length, CONSOLE_CHUNK);
  if (length === 0) return succeed(0n);
  const bytes = host.consoleRead(length).subarray(0, length);
  if (bytes.length > 0) host.ram.write(stretch.address, bytes);
  return succeed(BigInt(bytes.length));
}
