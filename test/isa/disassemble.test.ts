import { describe, expect, it } from 'vitest';
import { ALL_EXTENSIONS, decode } from '../../src/isa/decode.ts';
import { disassemble, disassembleRange } from '../../src/isa/disassemble.ts';
import { INSTRUCTIONS } from '../../src/isa/instructions.ts';
import { CSR_NAMES } from '../../src/isa/names.ts';
import { haveObjdump, libraryText, normal, objdump } from './disassemble-oracle.ts';

/** A seeded generator of 32-bit words. */
function words(seed: number): () => number {
  let s = seed;
  return () => {
    s = (s + 0x9e37_79b9) >>> 0;
    let z = Math.imul(s ^ (s >>> 16), 0x85eb_ca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}

const pick = <T>(from: readonly T[], random: number): T => from[random % from.length];

/** Random words of every row, leaving out fields where the GNU tools see other instructions or name CSRs we lack. */
function sample(perRow: number): number[] {
  const random = words(1);
  const csrs = [...CSR_NAMES.keys()].filter((n) => n < 0xb03 || n > 0xb1f);
  const out: number[] = [];
  for (const row of INSTRUCTIONS) {
    if (row.extension === 'zicond') continue;
    for (let i = 0; i < perRow; i++) {
      let word = random();
      if (i % 3 === 0) word &= ~0xf80;
      if (i % 4 === 0) word &= ~0xf8000;
      if (i % 5 === 0) word &= ~0x01f0_0000;
      if (i % 7 === 0) word &= 0x000f_ffff;
      if (row.format === 'CSR') word = (word & 0xf_ffff) | (pick(csrs, random()) << 20);
      if (row.name === 'fence') word = pick([0x0ff, 0x833, 0x033, 0x021, 0x0f0 | 8], random()) << 20;
      if (row.name === 'fence.i') word = 0;
      if (row.rm) word = (word & ~0x7000) | (pick([0, 1, 2, 3, 4, 7], random()) << 12);
      if (/^fcvt\.d\.(wu?|s)$/.test(row.name)) word &= ~0x7000;
      out.push(((word & ~row.mask) | row.match) >>> 0);
    }
  }
  return out;
}

/** Differences, at most a handful, as `word: ours / theirs`. */
function differences(code: Uint8Array, skip: RegExp): string[] {
  const out: string[] = [];
  let compared = 0;
  for (const line of objdump(code)) {
    if (skip.test(line.text)) continue;
    compared++;
    const { text } = disassemble(line.word, BigInt(line.address));
    if (normal(text) !== normal(line.text) && out.length < 10)
      out.push(`${line.word.toString(16)}: ${text} / ${line.text}`);
  }
  expect(compared).toBeGreaterThan(1000);
  return out;
}

describe.runIf(haveObjdump)('against GNU objdump', () => {
  it('agrees on random operands of every row', () => {
    const all = sample(60);
    const code = new Uint8Array(all.length * 4);
    const view = new DataView(code.buffer);
    all.forEach((word, i) => view.setUint32(i * 4, word, true));
    expect(differences(code, /^unimp$|^fsflagsi zero/)).toEqual([]);
  }, 60_000);

  it('agrees on every compressed encoding', () => {
    const halves = Array.from({ length: 65_536 }, (_, i) => i).filter((h) => (h & 3) !== 3);
    const code = new Uint8Array(halves.length * 2);
    const view = new DataView(code.buffer);
    halves.forEach((half, i) => view.setUint16(i * 2, half, true));
    // Hints are the machine's no-ops, to which the GNU tools give names of their own; c.addi16sp with 0 is reserved.
    expect(differences(code, /^c\.|^add sp,sp,0$/)).toEqual([]);
  }, 60_000);

  it('agrees on the text of a real C library', () => {
    expect(differences(libraryText().subarray(0, 0x6_0000), /unknown|unimp/)).toEqual([]);
  }, 60_000);
});

describe('disassembly', () => {
  it('writes the usual pseudo-instructions', () => {
    const text = (word: number): string => disassemble(word, 0x1000n).text;
    expect(
      [0x00000013, 0x00008067, 0x4501, 0x0ff57513, 0xfff54513, 0x0005051b, 0xc0102573, 0x40a00533].map(text),
    ).toEqual(['nop', 'ret', 'li a0,0', 'zext.b a0,a0', 'not a0,a0', 'sext.w a0,a0', 'rdtime a0', 'neg a0,a0']);
    expect(disassemble(0x00150513, 0n, { pseudo: false }).text).toBe('addi a0,a0,1');
  });

  it('names targets', () => {
    const d = disassemble(0x008000ef, 0xffff_ffff_8000_0000n, {
      symbol: (a) => (a === 0xffff_ffff_8000_0008n ? 'start_kernel' : undefined),
    });
    expect(d.text).toBe('jal ffffffff80000008 <start_kernel>');
    expect(d.target).toBe(0xffff_ffff_8000_0008n);
  });

  it('shows what is no instruction as data, also when its extension is off', () => {
    expect(disassemble(0xffff_ffff, 0n).text).toBe('.4byte 0xffffffff');
    expect(disassemble(0, 0n).text).toBe('unimp');
    expect(disassemble(0x0ee5_50b3, 0n, { extensions: 1 }).text).toBe('.4byte 0xee550b3');
  });

  it('stops at bytes that are cut off', () => {
    const list = disassembleRange(Uint8Array.of(0x01, 0x45, 0x13, 0x05, 0x15, 0x00, 0x13, 0x05), 0x100n);
    expect(list.map((l) => [l.address, l.text])).toEqual([
      [0x100n, 'li a0,0'],
      [0x102n, 'addi a0,a0,1'],
    ]);
  });

  it('knows a spelling for every row', () => {
    for (const row of INSTRUCTIONS) {
      expect(decode(row.match, ALL_EXTENSIONS)?.row.name, row.name).toBe(row.name);
      expect(disassemble(row.match, 0n, { pseudo: false }).mnemonic, row.name).toBe(row.name);
    }
  });
});
