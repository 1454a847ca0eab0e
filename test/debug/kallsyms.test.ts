/** The kernel's symbol table in the two layouts that kernels' builds have written, made here as scripts/kallsyms.c makes them. */
import { describe, expect, it } from 'vitest';
import { readKallsyms } from '../../src/linux/kallsyms.ts';

const IMAGE_START = 0x1000;
const NAMES = Array.from({ length: 700 }, (_, i) => ({ name: `Tsymbol_${i}${'x'.repeat(i % 150)}`, offset: 16 * i }));

/** @param align what each table begins at a multiple of @param base where offsets count from; undefined: each from its own place */
function image({ align, base }: { align: 4 | 8; base: bigint | undefined }): Uint8Array {
  const bytes: number[] = new Array(IMAGE_START).fill(0xaa);
  const pad = () => {
    while (bytes.length % align !== 0) bytes.push(0);
  };
  const put = (value: number, size: number) => {
    for (let i = 0; i < size; i++) bytes.push(Math.floor(value / 256 ** i) & 255);
  };
  pad();
  put(NAMES.length, 4);
  pad();
  const first = bytes.length;
  const markers: number[] = [];
  NAMES.forEach(({ name }, i) => {
    if (i % 256 === 0) markers.push(bytes.length - first);
    if (name.length < 128) bytes.push(name.length);
    else bytes.push((name.length & 127) | 128, name.length >> 7);
    // Every character is its own token.
    for (const c of name) bytes.push(c.charCodeAt(0));
  });
  pad();
  for (const m of markers) put(m, 4);
  pad();
  const tokens = bytes.length;
  const index: number[] = [];
  for (let n = 0; n < 256; n++) {
    index.push(bytes.length - tokens);
    // The kernel's build gives bytes that no name has to longer tokens.
    for (const c of n >= 0x20 && n < 0x7f ? String.fromCharCode(n) : `~${n}`) bytes.push(c.charCodeAt(0));
    bytes.push(0);
  }
  pad();
  for (const at of index) put(at, 2);
  pad();
  for (const { offset } of NAMES) put((base === undefined ? offset - bytes.length : offset) >>> 0, 4);
  pad();
  if (base !== undefined) put(Number(base & 0xffff_ffffn), 4);
  if (base !== undefined) put(Number(base >> 32n), 4);
  while (bytes.length % 4096 !== 0) bytes.push(0x55);
  return Uint8Array.from(bytes);
}

describe.each([
  { of: 'Linux 6.12', align: 8, base: 0xffff_ffff_8000_0000n },
  { of: 'Linux 7.2', align: 4, base: undefined },
] as const)('the symbol table of $of', (layout) => {
  it('is found and read', () => {
    const table = readKallsyms(image(layout));
    expect(table?.base).toBe(layout.base);
    expect(table?.symbols).toEqual(
      NAMES.map(({ name, offset }) => ({ offset: BigInt(offset), type: 'T', name: name.slice(1) })),
    );
  });

  it('is no table where it is cut or damaged', () => {
    const whole = image(layout);
    expect(readKallsyms(whole.subarray(0, IMAGE_START + 40_000))).toBeUndefined();
    const damaged = whole.slice();
    damaged.fill(0xff, IMAGE_START + 8, IMAGE_START + 300);
    expect(readKallsyms(damaged)).toBeUndefined();
  });
});
