import type { SbiHost } from './sbi-host.ts';

/** `hart_mask_base` that stands for every hart. */
const ALL_HARTS = 0xffff_ffff_ffff_ffffn;

/** The harts that a hart mask names (chapter 3, "Hart list parameter"), or undefined when one of them does not exist. */
export function hartsOf(host: SbiHost, mask: bigint, base: bigint): number[] | undefined {
  if (base === ALL_HARTS) return Array.from({ length: host.hartCount }, (_, hart) => hart);
  if (base >= BigInt(host.hartCount)) return undefined;
  if (mask >> (BigInt(host.hartCount) - base) !== 0n) return undefined;
  const harts: number[] = [];
  for (let hart = Number(base); hart < host.hartCount; hart++) {
    if ((mask >> (BigInt(hart) - base)) & 1n) harts.push(hart);
  }
  return harts;
}
