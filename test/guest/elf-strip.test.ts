import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSections, stringAt } from '../../src/guest/elf-sections.ts';
import { stripModule } from '../../src/guest/elf-strip.ts';
import { tinyModule } from './tiny-module.ts';
import { has, scratch, tool } from './tools.ts';

const signature = `${'x'.repeat(100)}~Module signature appended~\n`;
const original = tinyModule(['name=tiny', 'license=GPL'], signature);

function symbolNames(image: Uint8Array): string[] {
  const sections = readSections(image);
  const table = sections.find((s) => s.name === '.symtab')!;
  const names = sections[table.link]!.data;
  const view = new DataView(table.data.buffer, table.data.byteOffset);
  return Array.from({ length: table.size / 24 }, (_, i) => stringAt(names, view.getUint32(i * 24, true)));
}

/** What each relocation means: place, type and the symbol's name. */
function relocations(image: Uint8Array): string[] {
  const section = readSections(image).find((s) => s.name === '.rela.text')!;
  const names = symbolNames(image);
  const view = new DataView(section.data.buffer, section.data.byteOffset);
  return Array.from(
    { length: section.size / 24 },
    (_, i) =>
      `${view.getUint32(i * 24, true)} ${view.getUint32(i * 24 + 8, true)} ${names[view.getUint32(i * 24 + 12, true)]}`,
  );
}

describe('module stripper', () => {
  const stripped = stripModule(original);

  it('drops type information, dead labels and the signature, and keeps the rest', () => {
    expect(readSections(stripped).map((s) => s.name)).toEqual([
      '',
      '.modinfo',
      '.text',
      '.rela.text',
      '.bss',
      '.symtab',
      '.strtab',
      '.shstrtab',
    ]);
    expect(symbolNames(stripped)).toEqual(['', '.Lused', 'quiet_function', 'init_module', 'printk']);
    expect(Buffer.from(stripped).includes('signature appended')).toBe(false);
  });

  it('keeps the meaning of relocations and of section links', () => {
    expect(relocations(stripped)).toEqual(relocations(original));
    const sections = readSections(stripped);
    const rela = sections.find((s) => s.name === '.rela.text')!;
    expect(sections[rela.link]!.name).toBe('.symtab');
    expect(sections[rela.info]!.name).toBe('.text');
    const symtab = sections[rela.link]!;
    expect(symtab.info).toBe(3); // number of local symbols
    expect(sections.find((s) => s.name === '.bss')!.size).toBe(64);
  });

  it('changes nothing when done again', () => {
    expect(stripModule(stripped)).toEqual(stripped);
  });

  it('refuses what is no module', () => {
    expect(() => stripModule(new Uint8Array(200))).toThrow('not a 64-bit little-endian ELF file');
    expect(() => stripModule(original.slice(0, 700))).toThrow('leaves the file');
  });

  it.skipIf(!has('readelf'))('makes objects that readelf finds sound', () => {
    const file = join(scratch(), 'tiny.ko');
    writeFileSync(file, stripped);
    const { status, output } = tool('readelf', ['-aW', file]);
    expect(status).toBe(0);
    expect(output).not.toMatch(/warning|error|corrupt/i);
    expect(output).toMatch(/FUNC\s+GLOBAL DEFAULT\s+2 init_module/);
    expect(output).toMatch(/R_RISCV_CALL_PLT\s+\w+ printk/);
  });

  it.skipIf(!has('riscv64-linux-gnu-gcc'))('keeps an assembled object linkable to the same program', () => {
    const directory = scratch();
    const source =
      'static int twice(int x) { return x * 2; } int (*keep)(int) = twice; int main(void) { const char *s = "abc"; int n = 0; for (const char *p = s; *p; p++) n += keep(*p); return n; }\n';
    writeFileSync(join(directory, 'a.c'), source);
    expect(tool('riscv64-linux-gnu-gcc', ['-O1', '-c', 'a.c', '-o', 'a.o'], undefined, directory)).toMatchObject({
      status: 0,
    });
    const image = new Uint8Array(tool('cat', [join(directory, 'a.o')]).stdout);
    writeFileSync(join(directory, 'b.o'), stripModule(image));
    for (const name of ['a', 'b']) {
      expect(
        tool(
          'riscv64-linux-gnu-gcc',
          [
            '-static',
            '-nostdlib',
            '-Wl,-emain,-N,-Ttext=0x10000',
            '-s',
            '-Wl,--build-id=none',
            `${name}.o`,
            '-o',
            'out',
          ],
          undefined,
          directory,
        ),
      ).toMatchObject({ status: 0 });
      expect(
        tool('riscv64-linux-gnu-objcopy', ['-O', 'binary', 'out', `${name}.bin`], undefined, directory),
      ).toMatchObject({ status: 0 });
    }
    expect(tool('cmp', ['a.bin', 'b.bin'], undefined, directory)).toMatchObject({ status: 0 });
  });
});
