import { describe, expect, it } from 'vitest';
import { hashBytes, hashText, hashWords } from '../../src/bytes/hash.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { timeWarp } from '../../src/record/inputs.ts';
import { LiveDoor } from '../../src/record/live-door.ts';
import { fixedSources } from '../../src/record/sources.ts';
import { tinyEngine } from './fixtures.ts';
import { TINY } from './tiny-guest.ts';

describe('the hash', () => {
  it('is the same everywhere: golden values', () => {
    expect(hashText(hashBytes(new Uint8Array(0)))).toMatchInlineSnapshot(`"0ea5a550131fe04d"`);
    expect(hashText(hashBytes(new TextEncoder().encode('Hindsight')))).toMatchInlineSnapshot(`"5b4fdd2bb803fd28"`);
    const page = { low: 0, high: 0 };
    hashWords(
      Uint32Array.from({ length: 1024 }, (_, i) => Math.imul(i, 0x9e37_79b9)),
      0,
      1024,
      page,
    );
    expect(hashText(page)).toMatchInlineSnapshot(`"dc263cd8d7021a6e"`);
  });

  it('sees every bit of a page', () => {
    const words = new Uint32Array(1024);
    const seen = new Set<string>();
    for (let bit = 0; bit < 32 * 1024; bit += 7) {
      words[bit >>> 5] = (1 << (bit & 31)) >>> 0;
      const hash = { low: 0, high: 0 };
      hashWords(words, 0, 1024, hash);
      seen.add(hashText(hash));
      words[bit >>> 5] = 0;
    }
    expect(seen.size).toBe(Math.ceil((32 * 1024) / 7));
  });

  it('kept up to date equals computed from scratch', async () => {
    const engine = await tinyEngine({ harts: 2 });
    for (let at = 10_000; at <= 200_000; at += 10_000) {
      engine.run({ instructions: at });
      stateHash(engine);
    }
    const fresh = await tinyEngine({ harts: 2 });
    restoreMachine(fresh, saveMachine(engine));
    expect(stateHash(fresh)).toBe(stateHash(engine));
  });

  it('differs when RAM, a register, a device or time does', async () => {
    const door = new LiveDoor(fixedSources(0));
    const engine = await tinyEngine({}, door);
    engine.run({ instructions: 10_000 });
    const seen = new Set([stateHash(engine)]);
    engine.ram.writeU8(TINY.scratch + 0x5000, 0x5a);
    seen.add(stateHash(engine));
    engine.harts[0].set('x', 0x1234n, 27);
    seen.add(stateHash(engine));
    void door.give(engine.board.uart, Uint8Array.of(1));
    engine.admit();
    seen.add(stateHash(engine));
    door.command(timeWarp(1));
    engine.admit();
    seen.add(stateHash(engine));
    expect(seen.size).toBe(5);
  });
});
