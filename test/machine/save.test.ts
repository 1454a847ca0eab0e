import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/bytes/checksum.ts';
import { compress, decompress } from '../../src/bytes/compress.ts';
import { StateError } from '../../src/bytes/state-stream.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import { SnapshotFile } from '../../src/machine/state/snapshot-file.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { tinyEngine } from './fixtures.ts';

describe('saved machines', () => {
  it('go on as if nothing had been, on another core too', async () => {
    const engine = await tinyEngine({ harts: 2 });
    engine.run({ instructions: 123_457 });
    const state = saveMachine(engine);
    const hash = stateHash(engine);
    engine.run({ instructions: 300_000 });
    for (const core of ['ts', 'wasm', 'jit'] as const) {
      const other = await tinyEngine({ harts: 2 }, undefined, core);
      other.run({ instructions: 5000 });
      restoreMachine(other, state);
      expect(stateHash(other)).toBe(hash);
      other.run({ instructions: 300_000 });
      expect(stateHash(other)).toBe(stateHash(engine));
    }
    expect(new SnapshotFile(state).config.harts).toBe(2);
  });

  it('are refused when foreign, of another machine, cut or changed anywhere', async () => {
    const engine = await tinyEngine();
    engine.run({ instructions: 20_000 });
    const state = saveMachine(engine);
    const other = await tinyEngine({ harts: 2 });
    expect(() => restoreMachine(other, state)).toThrow(/harts is 1, this machine's is 2/);
    expect(() => restoreMachine(engine, new TextEncoder().encode('something else entirely'))).toThrow(StateError);
    const before = stateHash(engine);
    for (let at = 0; at < state.length; at += at < 40 ? 1 : 997) {
      const damaged = state.slice();
      damaged[at] ^= 0x10;
      expect(() => restoreMachine(engine, damaged), `byte ${at}`).toThrow(StateError);
      expect(() => restoreMachine(engine, state.subarray(0, at)), `cut at ${at}`).toThrow(StateError);
    }
    expect(stateHash(engine)).toBe(before);
  });

  it('of another version of the machine are refused by it, and can still be told about', async () => {
    const engine = await tinyEngine();
    engine.run({ instructions: 20_000 });
    const state = saveMachine(engine);
    const before = stateHash(engine);
    new DataView(state.buffer, state.byteOffset).setUint32(8, 77, true);
    expect(() => restoreMachine(engine, state)).toThrow(/of machine version 77; this program has version \d+/);
    expect(stateHash(engine)).toBe(before);
    expect(new SnapshotFile(state).config.harts).toBe(1);
  });
});

describe('compression', () => {
  it('gives back what it took', () => {
    let seed = 1;
    for (let n = 0; n < 300; n++) {
      const bytes = new Uint8Array(n < 20 ? n : n * 37);
      for (let i = 0; i < bytes.length; i++) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        bytes[i] = n % 3 === 0 ? seed >>> 24 : n % 3 === 1 ? (seed >>> 29) * 3 : i % (1 + (n % 17));
      }
      const back = new Uint8Array(bytes.length);
      const packed = compress(bytes);
      decompress(packed, back);
      expect(Buffer.compare(back, bytes)).toBe(0);
      if (n > 30)
        expect(() => decompress(packed.subarray(0, packed.length - 1), new Uint8Array(bytes.length))).toThrow(
          StateError,
        );
    }
  });

  it('refuses nonsense without harm', () => {
    let seed = 7;
    for (let n = 0; n < 2000; n++) {
      const bytes = new Uint8Array(1 + (n % 50));
      for (let i = 0; i < bytes.length; i++) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        bytes[i] = seed >>> 24;
      }
      try {
        decompress(bytes, new Uint8Array(100));
      } catch (error) {
        expect(error).toBeInstanceOf(StateError);
      }
    }
  });
});

it('CRC-32C is that of RFC 3720, B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd_794e);
});
