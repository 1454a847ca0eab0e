import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineTable } from '../../src/symbols/dwarf-lines.ts';
import { readElf, readSystemMap } from '../../src/symbols/elf.ts';
import { SymbolTable } from '../../src/symbols/table.ts';
import { ADDRESS, buildProgram, GCC, GDB, have, LIST_PROGRAM } from './programs.ts';

describe.runIf(have(GCC) && have(GDB))('symbols and lines of an ELF file', () => {
  for (const dwarf of ['-gdwarf-4', '-gdwarf-5']) {
    it(`agree with binutils and gdb, ${dwarf}`, () => {
      const program = buildProgram(LIST_PROGRAM, ['-O2', dwarf]);
      const elf = readElf(program.elfBytes, 'program');
      const named = new Map(elf.symbols.map((s) => [s.name, s.address]));
      const nm = execFileSync('riscv64-linux-gnu-nm', [program.elf], { encoding: 'utf8' })
        .trim()
        .split('\n')
        .map((l) => l.split(' '));
      for (const [address, type, name] of nm)
        if (/[tTdDbBrR]/.test(type) && !/^[$.]/.test(name)) expect(named.get(name), name).toBe(BigInt(`0x${address}`));
      expect(elf.base).toBeLessThanOrEqual(BigInt(ADDRESS));

      const lines = new LineTable({
        line: elf.section('.debug_line')!,
        str: elf.section('.debug_str'),
        lineStr: elf.section('.debug_line_str'),
      });
      const main = elf.symbols.find((s) => s.name === 'main')!;
      const addresses = Array.from(
        { length: main.size / 2 },
        (_, i) => `0x${(main.address + BigInt(2 * i)).toString(16)}`,
      );
      // binutils know nothing of entries that begin no statement; gdb does.
      const asked = addresses.flatMap((a) => ['-ex', `info line *${a}`]);
      const theirs = execFileSync(GDB, ['-nx', '-batch', ...asked, program.elf], { encoding: 'utf8' })
        .trim()
        .split('\n');
      let told = 0;
      addresses.forEach((a, i) => {
        const m = /^Line (\d+) of "([^"]+)"/.exec(theirs[i]);
        if (!m) return;
        told++;
        expect(lines.at(BigInt(a)), a).toMatchObject({ file: expect.stringContaining(m[2]), line: Number(m[1]) });
      });
      expect(told).toBeGreaterThan(20);
      expect(lines.at(1n)).toBeUndefined();
      expect(
        lines.address('program.c', LIST_PROGRAM.split('\n').findIndex((l) => l.includes('head = nodes')) + 1),
      ).toBeDefined();
    });
  }

  it('are refused when the file is damaged, never looped over', () => {
    const { elfBytes } = buildProgram(LIST_PROGRAM);
    const look = (bytes: Uint8Array): void => {
      const elf = readElf(bytes, 'damaged');
      const line = elf.section('.debug_line');
      if (line) new LineTable({ line, str: elf.section('.debug_str'), lineStr: elf.section('.debug_line_str') });
    };
    fc.assert(
      fc.property(
        fc.nat(elfBytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(elfBytes.length),
        (at, flip, length) => {
          const bytes = elfBytes.slice();
          bytes[at] ^= flip;
          for (const b of [bytes, bytes.subarray(0, length)]) {
            try {
              look(b);
            } catch (e) {
              expect(e).toBeInstanceOf(RangeError);
            }
          }
        },
      ),
      { seed: 5, numRuns: 300 },
    );
    expect(() => readElf(Uint8Array.of(1, 2, 3), 'x.bin')).toThrow('x.bin: is no ELF file');
  });
});

describe('symbol tables', () => {
  it('find from both sides', () => {
    const table = new SymbolTable([
      { address: 0x10n, size: 8, name: 'a', code: true },
      { address: 0x20n, size: 0, name: '.L1', code: false },
      { address: 0x20n, size: 0, name: 'b', code: true },
    ]);
    expect(table.near(0x13n)).toEqual({ name: 'a', start: 0x10n, offset: 3, within: true });
    expect(table.near(0x18n)).toBeUndefined();
    expect(table.near(0x0fn)).toBeUndefined();
    expect(table.near(0x24n)).toMatchObject({ name: 'b', offset: 4 });
    expect(table.find('b')?.address).toBe(0x20n);
  });

  it('reads System.map and says which line is none', () => {
    expect(readSystemMap('ffffffff80000000 T _start\n', 'map')[0]).toEqual({
      address: 0xffff_ffff_8000_0000n,
      size: 0,
      name: '_start',
      code: true,
    });
    expect(() => readSystemMap('ffffffff80000000 T _start\nrubbish', 'map')).toThrow('map: line 2');
  });
});
