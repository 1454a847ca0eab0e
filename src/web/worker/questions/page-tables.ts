import type { LinuxKernel } from '../../../linux/kernel.ts';
import { currentSatp, flagText, levelsOf, mappings, walk } from '../../../machine/view/page-table.ts';
import { processAt } from './address-space.ts';
import type { LookedAt } from './looked-at.ts';

/** Virtual addresses that lead to consecutive physical ones with the same permissions. */
export interface MappedStretch {
  readonly start: bigint;
  readonly end: bigint;
  readonly physical: bigint;
  /** `rwxugad`, `-` where a flag is clear. */
  readonly flags: string;
}

/** Where addresses lead. */
export interface PageTables {
  /** `Sv48`, or `none` where addresses are physical. */
  readonly scheme: string;
  readonly root: bigint;
  /** Of the address that was asked about. */
  readonly page?: { readonly physical: bigint; readonly size: number; readonly flags: string };
  readonly stretches: readonly MappedStretch[];
  /** There are more stretches than these. */
  readonly more: boolean;
}

const MOST = 1000;
const PPN = 0xfff_ffff_ffffn;

/** The page table of a process, or without one the hart's own. */
export function pageTables(
  lookedAt: LookedAt,
  hart: number,
  process: number | undefined,
  address: bigint | undefined,
): PageTables {
  const { view } = lookedAt;
  const found = processAt(lookedAt, process);
  const satp = (found && satpOf(found.kernel, found.task.mm)) ?? currentSatp(view, hart);
  const levels = levelsOf(satp);
  const leaf = address === undefined ? undefined : walk(view, satp, address);
  const stretches: MappedStretch[] = [];
  let more = false;
  for (const { start, end, physical, flags } of mappings(view, satp)) {
    more = stretches.length === MOST;
    if (more) break;
    stretches.push({ start, end, physical, flags: flagText(flags) });
  }
  return {
    scheme: levels === 0 ? 'none' : `Sv${9 * levels + 12}`,
    root: (satp & PPN) << 12n,
    ...(leaf && {
      page: { physical: leaf.physical, size: Number(leaf.pageSize), flags: flagText(leaf.entry) },
    }),
    stretches,
    more,
  };
}

/** What satp holds while a process runs. */
function satpOf(kernel: LinuxKernel, mm: bigint): bigint | undefined {
  if (mm === 0n) return undefined;
  const root = kernel.resolve(kernel.get('mm_struct', mm, 'pgd'));
  return root === undefined ? undefined : kernel.mode() | (root >> 12n);
}
