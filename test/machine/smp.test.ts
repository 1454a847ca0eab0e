import { describe, expect, it } from 'vitest';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { tinyEngine } from './fixtures.ts';
import { TINY } from './tiny-guest.ts';

const ROUNDS = 4000;

/** How many of the careless additions were lost. */
async function lost(seed: number, chaos: boolean): Promise<{ lost: number; hash: string }> {
  const engine = await tinyEngine({ harts: 2, rounds: ROUNDS, seed, chaos, quantum: 20_000 });
  // Hart 0 is done first or last; look when both have counted.
  while (
    engine.ram.readU64(TINY.atomic) < BigInt(2 * ROUNDS) &&
    engine.run({ instructions: engine.instructions + 500 }) === 'limit'
  );
  return { lost: Number(engine.ram.readU64(TINY.atomic) - engine.ram.readU64(TINY.racy)), hash: stateHash(engine) };
}

describe('several harts', () => {
  it('all run, in a rotation that the seed decides', async () => {
    const engine = await tinyEngine({ harts: 8 });
    engine.run({ instructions: 2_000_000 });
    for (const hart of engine.harts) expect(hart.get('ticksEnd')).toBeGreaterThan(50_000n);
    expect(engine.harts.reduce((sum, hart) => sum + hart.get('ticksEnd'), 0n)).toBe(2_000_000n);
  });

  it('lose a race under some seed of chaos, and then every time', async () => {
    let quiet = 0;
    let loud = 0;
    let found: { seed: number; lost: number; hash: string } | undefined;
    for (let seed = 1; seed <= 8; seed++) {
      quiet += (await lost(seed, false)).lost;
      const result = await lost(seed, true);
      loud += result.lost;
      if (found === undefined && result.lost > 0) found = { seed, ...result };
    }
    expect(found).toBeDefined();
    expect(loud).toBeGreaterThan(10 * quiet);
    for (let again = 0; again < 3; again++)
      expect(await lost(found!.seed, true)).toEqual({ lost: found!.lost, hash: found!.hash });
  });
});
