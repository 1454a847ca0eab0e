import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMPRESSED } from '../../src/isa/compressed.ts';
import { CSRS } from '../../src/isa/csrs.ts';
import { ALL_EXTENSIONS, decode, extensionBit } from '../../src/isa/decode.ts';
import { assemble, assembleCompressed, type Operands } from '../../src/isa/encode.ts';
import type { Instruction } from '../../src/isa/instruction.ts';
import { INSTRUCTIONS } from '../../src/isa/instructions.ts';
import { Random } from '../core/ts/fuzz.ts';

/** Random operands that a row's fields can hold. */
function operandsFor(row: Instruction, random: Random): Operands {
  const rm = row.rm ? random.pick([0, 1, 2, 3, 4, 7]) : 0;
  const range: Partial<Record<Instruction['format'], [number, number, number]>> = {
    I: [-2048, 4096, 1],
    S: [-2048, 4096, 1],
    B: [-2048, 4096, 2],
    J: [-524288, 1048576, 2],
    U: [-524288, 1048576, 4096],
    shift64: [0, 64, 1],
    shift32: [0, 32, 1],
    CSR: [0, 4096, 1],
  };
  const [least, count, unit] = range[row.format] ?? [0, 1, 1];
  const reg = (): number => random.below(32);
  return { rd: reg(), rs1: reg(), rs2: reg(), rs3: reg(), imm: (least + random.below(count)) * unit, rm };
}

describe('32-bit encodings', () => {
  test('no two rows share a word', () => {
    for (const a of INSTRUCTIONS) {
      expect(a.match & ~a.mask, `${a.name}: match has bits outside its mask`).toBe(0);
      expect(a.match & 3, a.name).toBe(3);
      for (const b of INSTRUCTIONS) {
        if (a.index < b.index && ((a.match ^ b.match) & a.mask & b.mask) === 0)
          throw new Error(`${a.name} and ${b.name} overlap`);
      }
    }
  });

  test('decoding undoes encoding', () => {
    const random = new Random(5);
    for (const row of INSTRUCTIONS) {
      for (let i = 0; i < 40; i++) {
        const operands = operandsFor(row, random);
        const word = assemble(row, operands);
        const d = decode(word, ALL_EXTENSIONS);
        expect(d?.row.name).toBe(row.name);
        expect(d!.length).toBe(4);
        const { rd, rs1, rs2, rs3, imm, rm } = d!;
        expect(assemble(row, { rd, rs1, rs2, rs3, imm, rm })).toBe(word);
        if (!['S', 'B', 'none'].includes(row.format) && (row.mask & 0xf80) === 0) expect(rd).toBe(operands.rd);
        if (!['U', 'J', 'none'].includes(row.format) && (row.mask & 0xf8000) === 0) expect(rs1).toBe(operands.rs1);
        if (['R', 'S', 'B', 'R4', 'AMO'].includes(row.format) && (row.mask & 0x1f00000) === 0)
          expect(rs2).toBe(operands.rs2);
        if (row.format === 'R4') expect(rs3).toBe(operands.rs3);
        expect(imm).toBe(operands.imm);
        expect(rm).toBe(operands.rm);
      }
    }
  });

  test('reserved rounding modes, other bits and absent extensions are illegal', () => {
    for (const row of INSTRUCTIONS) {
      const word = assemble(row, { rd: 1, rs1: 2, rs2: 3, rs3: 4, rm: 0 });
      expect(decode(word, ALL_EXTENSIONS & ~extensionBit(row.extension)), row.name).toBeUndefined();
      if (row.rm) for (const rm of [5, 6]) expect(decode(word | (rm << 12), ALL_EXTENSIONS)).toBeUndefined();
    }
    for (const word of [0xffffffff, 0x0000007f, 0x0000006b, 0xfe00705b])
      expect(decode(word, ALL_EXTENSIONS)).toBeUndefined();
  });

  test('operands that do not fit are refused', () => {
    const addi = INSTRUCTIONS.find((r) => r.name === 'addi')!;
    expect(() => assemble(addi, { imm: 2048 })).toThrow(/addi: imm is 2048, but must be -2048 to 2047/);
    expect(() => assemble(addi, { rd: 32 })).toThrow(RangeError);
    expect(() => assemble(INSTRUCTIONS.find((r) => r.name === 'beq')!, { imm: 3 })).toThrow(/steps of 2/);
  });
});

describe('16-bit encodings', () => {
  test('every half-word is what the first fitting row says, and re-encodes to itself', () => {
    let legal = 0;
    const wrong: string[] = [];
    for (let half = 0; half < 65536; half++) {
      if ((half & 3) === 3) continue;
      const d = decode(half, ALL_EXTENSIONS);
      if (!d) continue;
      legal++;
      const { compressed, rd, rs1, rs2, imm, length } = d;
      const again = assembleCompressed(compressed!, { rd, rs1, rs2, imm });
      if (length !== 2 || again !== half)
        wrong.push(`${compressed!.name} ${half.toString(16)} became ${again.toString(16)}`);
      if (decode(half, ALL_EXTENSIONS & ~extensionBit('c'))) wrong.push(`${half.toString(16)} decodes without C`);
    }
    expect(wrong).toEqual([]);
    expect(legal).toBeGreaterThan(40000);
    expect(decode(0, ALL_EXTENSIONS)).toBeUndefined();
  });

  test('each row is reachable', () => {
    const seen = new Set<string>();
    for (let half = 0; half < 65536; half++)
      if ((half & 3) !== 3) seen.add(decode(half, ALL_EXTENSIONS)?.compressed?.name ?? '');
    for (const row of COMPRESSED) expect(seen.has(row.name), row.name).toBe(true);
  });
});

test('no two CSRs share a number', () => {
  const seen = new Map<number, string>();
  for (const row of CSRS) {
    for (let i = 0; i < (row.count ?? 1); i++) {
      expect(seen.get(row.number + i), `${row.name} at ${row.number + i}`).toBeUndefined();
      seen.set(row.number + i, row.name);
    }
  }
});

/** The operands of a row as GNU as writes them. */
function gnuOperands(syntax: string, o: Required<Operands>): string {
  return syntax
    .replace(/\btarget\b/, `. + (${o.imm})`)
    .replace(/\bfd\b/, `f${o.rd}`)
    .replace(/\bfs1\b/, `f${o.rs1}`)
    .replace(/\bfs2\b/, `f${o.rs2}`)
    .replace(/\bfs3\b/, `f${o.rs3}`)
    .replace(/\brd\b/, `x${o.rd}`)
    .replace(/\brs1\b/, `x${o.rs1}`)
    .replace(/\brs2\b/, `x${o.rs2}`)
    .replace(/\bcsr\b/, String(o.imm))
    .replace(/\buimm\b/, String(o.rs1))
    .replace(/\bshamt\b/, String(o.imm))
    .replace(/\bimm\b/, String(o.imm));
}

function hasGnu(): boolean {
  try {
    execFileSync('riscv64-linux-gnu-as', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasGnu())('against GNU as', () => {
  const optional = ['zicsr', 'zifencei', 'zba', 'zbb', 'zbc', 'zbs', 'zicond', 'zicbom', 'zicboz', 'zawrs', 'svinval'];
  /** Those that this version of as knows. */
  const known = optional.filter((name) => {
    try {
      execFileSync('riscv64-linux-gnu-as', [`-march=rv64imafdc_${name}`, '-o', '/dev/null', '/dev/null'], {
        stdio: 'ignore',
      });
      return true;
    } catch {
      return false;
    }
  });
  const ARCH = ['rv64imafdc', ...known].join('_');

  /** Assembles lines. @param c whether compressed instructions may be written */
  function gnu(lines: readonly string[], c: boolean): Buffer {
    const dir = mkdtempSync(join(tmpdir(), 'hindsight-as-'));
    try {
      writeFileSync(join(dir, 'a.s'), `.option ${c ? 'rvc' : 'norvc'}\n${lines.join('\n')}\n`);
      execFileSync('riscv64-linux-gnu-as', [`-march=${ARCH}`, '-mno-relax', '-o', join(dir, 'a.o'), join(dir, 'a.s')], {
        stdio: 'pipe',
      });
      execFileSync('riscv64-linux-gnu-objcopy', ['-O', 'binary', '-j', '.text', join(dir, 'a.o'), join(dir, 'a.bin')]);
      return readFileSync(join(dir, 'a.bin'));
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  /** Rows whose assembly needs more than the table's syntax. */
  const SPECIAL: Record<string, (o: Required<Operands>) => string> = {
    lui: (o) => `lui x${o.rd}, ${(o.imm >>> 12) & 0xfffff}`,
    auipc: (o) => `auipc x${o.rd}, ${(o.imm >>> 12) & 0xfffff}`,
  };

  test('every row', () => {
    const random = new Random(9);
    const lines: string[] = [];
    const words: number[] = [];
    const names: string[] = [];
    for (const row of INSTRUCTIONS) {
      // fence's operands have a syntax of their own
      if (row.name === 'fence' || (optional.includes(row.extension) && !known.includes(row.extension))) continue;
      for (let i = 0; i < 5; i++) {
        let o = { rd: 0, rs1: 0, rs2: 0, rs3: 0, imm: 0, rm: 0, ...operandsFor(row, random) };
        if (row.format === 'CSR') o = { ...o, imm: random.pick(CSRS).number };
        if (row.name === 'fence.i') o = { ...o, rd: 0, rs1: 0, imm: 0 };
        const word = assemble(row, o);
        const takesRm = row.rm && !/^fcvt\.d\.(w|wu|s)$/.test(row.name);
        const RM = ['rne', 'rtz', 'rdn', 'rup', 'rmm', '', '', 'dyn'];
        const rm = takesRm ? `, ${RM[o.rm]}` : '';
        lines.push(SPECIAL[row.name]?.(o) ?? `${row.name} ${gnuOperands(row.syntax, o)}${rm}`);
        // without an operand for it, as writes its own rounding mode
        words.push(row.rm && !takesRm ? (word & ~0x7000) >>> 0 : word);
        names.push(row.name);
      }
    }
    const bytes = gnu(lines, false);
    expect(bytes.length).toBe(4 * words.length);
    words.forEach((word, i) => {
      const theirs = bytes.readUInt32LE(4 * i);
      const plain = /^fcvt\.d\.(w|wu|s)$/.test(names[i]) ? (theirs & ~0x7000) >>> 0 : theirs;
      expect(plain.toString(16), lines[i]).toBe(word.toString(16));
    });
  });

  test('compressed rows expand to what as says', () => {
    const random = new Random(11);
    const lines: string[] = [];
    const halves: number[] = [];
    while (halves.length < 3000) {
      const half = random.next() & 0xffff;
      const d = (half & 3) === 3 ? undefined : decode(half, ALL_EXTENSIONS);
      if (!d?.compressed) continue;
      const { compressed: c } = d;
      // hints: as refuses to write them
      if (/^c\.(nop|addi|li|lui|slli|mv|add|srli|srai)$/.test(c.name) && ((half & 0xf80) === 0 || d.imm === 0))
        continue;
      let text = c.syntax
        .replace(/\btarget\b/, `. + (${d.imm})`)
        .replace(/\bfd\b/, `f${d.rd}`)
        .replace(/\bfs2\b/, `f${d.rs2}`);
      text = text
        .replace(/\brd\b/, `x${d.rd}`)
        .replace(/\brs1\b/, `x${d.rs1}`)
        .replace(/\brs2\b/, `x${d.rs2}`);
      text = text.replace(/\bimm\b/, String(c.name === 'c.lui' ? (d.imm >> 12) & 0xfffff : d.imm));
      lines.push(`${c.name} ${text}`);
      halves.push(half);
    }
    const bytes = gnu(lines, true);
    halves.forEach((half, i) => expect(bytes.readUInt16LE(2 * i).toString(16), lines[i]).toBe(half.toString(16)));
  });
});
