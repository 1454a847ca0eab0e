import type { Question } from './door.ts';

/** Where answers to devices' questions come from. */
export interface Sources {
  /** Nanoseconds since 1970. */
  clock(): bigint;
  entropy(length: number): Uint8Array;
}

/** The answer of `sources` to a question. */
export function answer(sources: Sources, question: Question, length: number): Uint8Array {
  if (question === 'entropy') return sources.entropy(length);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, sources.clock()), true);
  return bytes;
}

/**
 * Sources without a host, for machines that are to be the same every time: a wall clock that starts at a fixed date and a seeded
 * stream of bytes (xorshift32; nothing to build keys on).
 */
export function fixedSources(seed: number, epoch = 1_767_225_600n * 1_000_000_000n): Sources {
  let state = (seed ^ 0x6c07_8965) >>> 0 || 1;
  return {
    clock: () => epoch,
    entropy(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        bytes[i] = (state >>> 8) & 0xff;
      }
      return bytes;
    },
  };
}
