import { kernelAddresses } from '../linux/aliases.ts';
import type { MachineView } from '../machine/view/machine-view.ts';
import type { Resolve } from '../machine/view/page-table.ts';
import { resolver } from '../machine/view/virtual-memory.ts';
import type { Breakpoint } from '../timeline/breakpoints.ts';
import type { RamRange } from '../timeline/last-access.ts';
import type { GuestInfo } from './guest-info.ts';
import { DebugError } from './target.ts';

const PAGE = 4096n;

/** A part of memory within one page: where it lies in RAM, and the addresses that lead there. */
export interface RamPiece {
  readonly physical: bigint;
  readonly addresses: readonly bigint[];
  readonly length: bigint;
}

/**
 * Memory page by page, with the kernel's own addresses of it beside the one it is asked by.
 * @param who whose address it is, for messages @throws DebugError where it is not mapped, or no RAM
 */
export function ramPieces(
  guest: GuestInfo,
  resolve: Resolve,
  address: bigint,
  length: number,
  who: string,
): RamPiece[] {
  const kernel = guest.kernel();
  const { ram } = guest.view;
  const pieces: RamPiece[] = [];
  for (let at = address, left = BigInt(length); left > 0n; ) {
    const rest = PAGE - (at & (PAGE - 1n));
    const part = left < rest ? left : rest;
    const physical = resolve(at);
    if (physical === undefined) throw new DebugError(`0x${at.toString(16)} is not mapped at this instant${who}`);
    if (physical < ram.base || physical + part > ram.base + BigInt(ram.size))
      throw new DebugError(`0x${at.toString(16)} is not in RAM: what devices' registers get is not followed`);
    const own = kernel === undefined || kernel.mode() === 0n ? [] : kernelAddresses(kernel, physical);
    // Without translation, as while a kernel starts, addresses are physical ones.
    pieces.push({ physical, addresses: [...new Set([at, physical, ...own])], length: part });
    at += part;
    left -= part;
  }
  return pieces;
}

/** Watchpoints on all addresses of a piece, met only while they lead there. */
export const piecePoints = ({ physical, addresses, length }: RamPiece, kind: 'read' | 'write'): Breakpoint[] =>
  addresses.map((start) => ({
    kind,
    start,
    end: start + length,
    when: (view, hart) => resolver(view, hart)(start) === physical,
  }));

/** A piece as a stretch of RAM. */
export function pieceRange({ physical, length }: RamPiece, { ram }: MachineView): RamRange {
  const start = Number(physical - ram.base);
  return { start, end: start + Number(length) };
}
