import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inflateZlib } from '../../src/bytes/inflate.ts';
import { framesOf } from '../../src/debug/frames.ts';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { SymbolFile } from '../../src/debug/symbol-file.ts';
import { valueText } from '../../src/debug/values/format.ts';
import { readElf } from '../../src/symbols/elf.ts';
import { buildProgram, GCC, have, LIST_PROGRAM } from './programs.ts';
import { scene } from './scene.ts';

describe.runIf(have(GCC))('debug information from outside', () => {
  for (const flags of [
    ['-O2', '-gdwarf-5'],
    ['-O1', '-gdwarf-4'],
    ['-O0', '-gz=zlib'],
  ]) {
    it(`is refused or shown where it is damaged, and always ends: ${flags.join(' ')}`, () => {
      const program = buildProgram(LIST_PROGRAM, flags);
      const { target } = scene(program, { core: 'wasm', limit: 100_000 });
      const symbols = readElf(program.elfBytes, 'program').symbols.filter((s) => s.code && s.size > 0);
      const look = (bytes: Uint8Array): void => {
        const info = new GuestInfo(target);
        info.addFile(new SymbolFile(readElf(bytes, 'damaged'), 'damaged'));
        for (const { address, size } of symbols) {
          const pc = address + BigInt(Math.floor(size / 4) * 2);
          const register = (n: number): bigint => (n === 2 || n === 8 ? 0x8000_4000n : BigInt(n));
          for (const frame of framesOf(info, [{ pc, at: pc, sp: 0x8000_4000n, register }], (a, n) =>
            target.readPhysical(a, n),
          )) {
            for (const { value } of [...frame.variables(), ...frame.fileVariables()]) valueText(value);
            frame.global('nodes');
          }
        }
      };
      look(program.elfBytes);
      const { length } = program.elfBytes;
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.integer({ min: 64, max: length - 1 }), fc.nat(255)), { minLength: 1, maxLength: 6 }),
          (changes) => {
            const bytes = program.elfBytes.slice();
            for (const [at, value] of changes) bytes[at] = value;
            try {
              look(bytes);
            } catch (e) {
              if (!(e instanceof RangeError)) throw e;
            }
          },
        ),
        { seed: 13, numRuns: 150 },
      );
    }, 120_000);
  }

  it('is unpacked as zlib does, and refused when it is damaged', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 0, max: 9 }),
        fc.nat(2999),
        (bytes, level, flip) => {
          const repeated = Buffer.concat([bytes, bytes, Buffer.alloc(300, 7), bytes]);
          const packed = deflateSync(repeated, { level: level as 0 });
          expect(Buffer.compare(inflateZlib(packed, repeated.length), repeated)).toBe(0);
          packed[flip % packed.length] ^= 0x55;
          try {
            inflateZlib(packed, repeated.length);
          } catch (e) {
            expect(e).toBeInstanceOf(RangeError);
          }
        },
      ),
      { seed: 13, numRuns: 100 },
    );
  });
});
