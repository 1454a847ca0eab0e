/** A collision-free multiplicative hash of jump targets: slot = (offset × multiplier mod 2^32) >>> shift. */
export interface Hash {
  readonly multiplier: number;
  readonly shift: number;
  /** Index of the target of each slot, −1: none. */
  readonly slots: readonly number[];
}

/** Finds a hash for the offsets, none of which occurs twice. Where none is found in a few tries, targets that collide are left out. */
export function findHash(offsets: readonly number[]): Hash {
  let bits = Math.max(1, Math.ceil(Math.log2(offsets.length)) + 1);
  let best: { hash: Hash; placed: number } | undefined;
  for (let round = 0; round < 3; round++, bits++) {
    // odd multipliers in the golden ratio's neighbourhood spread well; which is taken depends on the offsets alone
    for (let i = 0; i < 24; i++) {
      const multiplier = (0x9e3779b1 + i * 0x3c6ef372) | 1;
      const shift = 32 - bits;
      const slots = new Array<number>(1 << bits).fill(-1);
      let placed = 0;
      offsets.forEach((o, k) => {
        const slot = Math.imul(o, multiplier) >>> shift;
        if (slots[slot] >= 0) return;
        slots[slot] = k;
        placed++;
      });
      if (!best || placed > best.placed) best = { hash: { multiplier, shift, slots }, placed };
      if (placed === offsets.length) return best.hash;
    }
  }
  return best!.hash;
}
