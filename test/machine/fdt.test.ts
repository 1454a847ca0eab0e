import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cells, type FdtNode, flag, strings, words64 } from '../../src/devices/fdt-node.ts';
import {
  asCells,
  asStrings,
  type Fdt,
  FdtError,
  findNode,
  findProperty,
  readFdt,
  writeFdt,
} from '../../src/machine/board/fdt.ts';

const tree = (root: Partial<FdtNode>): Fdt => ({
  root: { name: '', properties: [], children: [], ...root },
  reservations: [],
  bootCpu: 0,
});

describe('writeFdt', () => {
  it('lays a small tree out byte by byte', () => {
    const blob = writeFdt({
      root: {
        name: '',
        properties: [{ name: 'a', value: Uint8Array.of(1) }],
        children: [{ name: 'n@1', properties: [flag('a')], children: [] }],
      },
      reservations: [{ address: 0x8000_0000n, size: 0x1000n }],
      bootCpu: 3,
    });
    const words = asCells(blob);
    const structure = 40 + 32;
    const text = structure + 14 * 4;
    expect(words.slice(0, 10)).toEqual([0xd00dfeed, text + 4, structure, text, 40, 17, 16, 3, 2, 56]);
    expect(words.slice(10, 18)).toEqual([0, 0x8000_0000, 0, 0x1000, 0, 0, 0, 0]);
    expect(words.slice(18, 32)).toEqual([1, 0, 3, 1, 0, 0x0100_0000, 1, 0x6e403100, 3, 0, 0, 2, 2, 9]);
    expect(blob.subarray(text, text + 2)).toEqual(Uint8Array.of(0x61, 0));
  });

  it('refuses two properties or two children of one name', () => {
    const twice = [flag('p'), flag('p')];
    expect(() => writeFdt(tree({ properties: twice }))).toThrow('two properties named "p"');
    const child = { name: 'c', properties: [], children: [] };
    expect(() => writeFdt(tree({ children: [child, child] }))).toThrow('two children named "c"');
  });
});

describe('values', () => {
  it('keep addresses beyond 32 bits and mark the end of each string', () => {
    expect(asCells(words64(0x12_8000_0000, 5))).toEqual([0x12, 0x8000_0000, 0, 5]);
    expect(asCells(cells(0xffff_ffff, -1))).toEqual([0xffff_ffff, 0xffff_ffff]);
    expect(strings('ab', '')).toEqual(Uint8Array.of(0x61, 0x62, 0, 0));
    expect(asStrings(strings('x', 'yz'))).toEqual(['x', 'yz']);
    expect(() => asCells(Uint8Array.of(1))).toThrow(FdtError);
  });
});

const name = fc.stringMatching(/^[a-z][a-z0-9,._+-]{0,12}$/);
const unique = <T extends { name: string }>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.uniqueArray(arbitrary, { maxLength: 4, selector: (x) => x.name });
const { node: anyNode } = fc.letrec<{ node: FdtNode }>((tie) => ({
  node: fc.record({
    name,
    properties: unique(fc.record({ name, value: fc.uint8Array({ maxLength: 9 }) })),
    children: fc.oneof({ maxDepth: 3 }, fc.constant([]), unique(tie('node'))),
  }),
}));

describe('readFdt', () => {
  it('reads back any tree that was written', () => {
    fc.assert(
      fc.property(anyNode, fc.nat(), (root, bootCpu) => {
        const written: Fdt = { root: { ...root, name: '' }, reservations: [{ address: 1n, size: 2n }], bootCpu };
        expect(readFdt(writeFdt(written))).toEqual(written);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it('finds nodes and properties by path', () => {
    const read = readFdt(
      writeFdt(
        tree({
          children: [
            {
              name: 'soc',
              properties: [],
              children: [{ name: 'x@1', properties: [{ name: 'v', value: cells(7) }], children: [] }],
            },
          ],
        }),
      ),
    );
    expect(asCells(findProperty(findNode(read, '/soc/x@1'), 'v')!)).toEqual([7]);
    expect(findNode(read, '/soc/y')).toBeUndefined();
    expect(findProperty(findNode(read, '/soc/y'), 'v')).toBeUndefined();
  });

  it('refuses every truncation with an FdtError', () => {
    const blob = writeFdt(tree({ properties: [{ name: 'p', value: cells(1, 2) }] }));
    for (let length = 0; length < blob.length; length++)
      expect(() => readFdt(blob.subarray(0, length))).toThrow(FdtError);
  });

  it('never fails with anything but an FdtError on damaged blobs', () => {
    const blob = writeFdt(
      tree({
        properties: [{ name: 'p', value: cells(1, 2) }],
        children: [{ name: 'c', properties: [flag('q')], children: [] }],
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(blob.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (edits) => {
        const damaged = blob.slice();
        for (const [at, value] of edits) damaged[at] = value;
        try {
          readFdt(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(FdtError);
        }
      }),
      { seed: 6, numRuns: 2000 },
    );
  });
});
