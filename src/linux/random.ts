import type { LinuxKernel } from './kernel.ts';

/** Bytes to be written to guest RAM. */
export interface RamBytes {
  /** Physical. */
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

/** Random bytes that {@link reseedGenerator} takes. */
export const RESEED_LENGTH = 64;
const KEY = 32;

/**
 * What has to be written so that the kernel's random number generator goes on with numbers of its own from the next one on: a new base key, under a new
 * number that makes every processor take a new key, and a new state of the pool that later keys come from. As Linux 5.18 and later have it
 * (drivers/char/random.c: `base_crng` begins with the key and its generation; `input_pool` with the chain value of BLAKE2s, RFC 7693).
 * @param random {@link RESEED_LENGTH} bytes @returns undefined where the kernel has no such generator
 */
export function reseedGenerator(kernel: LinuxKernel, random: Uint8Array): readonly RamBytes[] | undefined {
  const at = (name: string): bigint | undefined => {
    const symbol = kernel.symbols.find(name);
    return symbol && kernel.resolve(symbol.address);
  };
  const [key, pool] = [at('base_crng'), at('input_pool')];
  if (random.length !== RESEED_LENGTH || key === undefined || pool === undefined) return undefined;
  const bytes = new Uint8Array(KEY + 8);
  bytes.set(random.subarray(0, KEY));
  const generation = kernel.value(kernel.address('base_crng') + BigInt(KEY), 8);
  // The greatest number says that there is no key.
  new DataView(bytes.buffer).setBigUint64(KEY, generation >= 2n ** 64n - 2n ? 1n : generation + 1n, true);
  return [
    { address: key, bytes },
    { address: pool, bytes: random.slice(KEY) },
  ];
}
