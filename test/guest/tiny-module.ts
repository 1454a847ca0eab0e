/** Hand-made relocatable RISC-V objects that look like kernel modules, small enough to know every byte of. */

interface Part {
  name: string;
  type: number;
  flags?: number;
  data: Uint8Array;
  link?: number;
  info?: number;
  align?: number;
  entrySize?: number;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Symbols: an unreferenced label, a referenced label, an unreferenced function, a global, and a section symbol of .BTF. */
export function tinyModule(modinfo: readonly string[], signature = ''): Uint8Array {
  const names = ['', '.Ldead', '.Lused', 'quiet_function', 'init_module', 'printk'];
  const strtab = ascii(`${names.join('\0')}\0`);
  const nameAt = (name: string): number =>
    name === '' ? 0 : names.slice(0, names.indexOf(name)).reduce((n, s) => n + s.length + 1, 0);
  const symbols: [string, number, number, number, number][] = [
    // name, info, section, value, size
    ['', 0, 0, 0, 0],
    ['.Ldead', 0, 2, 4, 0],
    ['.Lused', 0, 2, 8, 0],
    ['', 3, 4, 0, 0], // section symbol of .BTF
    ['quiet_function', 2, 2, 0, 8],
    ['init_module', 0x12, 2, 8, 8],
    ['printk', 0x10, 0, 0, 0],
  ];
  const symtab = new Uint8Array(symbols.length * 24);
  const sv = new DataView(symtab.buffer);
  symbols.forEach(([name, info, home, value, size], i) => {
    sv.setUint32(i * 24, nameAt(name), true);
    symtab[i * 24 + 4] = info;
    sv.setUint16(i * 24 + 6, home, true);
    sv.setUint32(i * 24 + 8, value, true);
    sv.setUint32(i * 24 + 16, size, true);
  });
  const rela = new Uint8Array(48);
  const rv = new DataView(rela.buffer);
  [
    [0, 2, 23],
    [4, 6, 19],
  ].forEach(([offset, symbol, type], i) => {
    // PCREL_HI20 of .Lused, CALL_PLT of printk
    rv.setUint32(i * 24, offset!, true);
    rv.setUint32(i * 24 + 8, type!, true);
    rv.setUint32(i * 24 + 12, symbol!, true);
  });
  const parts: Part[] = [
    { name: '', type: 0, data: new Uint8Array(0) },
    { name: '.modinfo', type: 1, flags: 2, data: ascii(modinfo.map((s) => `${s}\0`).join('')) },
    { name: '.text', type: 1, flags: 6, data: Uint8Array.from({ length: 16 }, (_, i) => i), align: 4 },
    { name: '.rela.text', type: 4, flags: 0x40, data: rela, link: 6, info: 2, align: 8, entrySize: 24 },
    { name: '.BTF', type: 1, data: new Uint8Array(500).fill(7) },
    { name: '.bss', type: 8, flags: 3, data: new Uint8Array(0), align: 8 },
    { name: '.symtab', type: 2, data: symtab, link: 7, info: 5, align: 8, entrySize: 24 },
    { name: '.strtab', type: 3, data: strtab },
    { name: '.shstrtab', type: 3, data: new Uint8Array(0) },
  ];
  parts[8]!.data = ascii(parts.map((p) => `${p.name}\0`).join(''));
  let at = 64;
  const offsets = parts.map((p) => {
    at = Math.ceil(at / (p.align ?? 1)) * (p.align ?? 1);
    const offset = p.type === 0 ? 0 : at;
    at += p.data.length;
    return offset;
  });
  const table = Math.ceil(at / 8) * 8;
  const out = new Uint8Array(table + parts.length * 64 + signature.length);
  const v = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  v.setUint16(16, 1, true);
  v.setUint16(18, 243, true);
  v.setUint32(20, 1, true);
  v.setUint32(40, table, true);
  v.setUint32(48, 5, true);
  v.setUint16(52, 64, true);
  v.setUint16(58, 64, true);
  v.setUint16(60, parts.length, true);
  v.setUint16(62, 8, true);
  let nameOffset = 0;
  parts.forEach((p, i) => {
    out.set(p.data, offsets[i]!);
    const h = table + i * 64;
    v.setUint32(h, nameOffset, true);
    nameOffset += p.name.length + 1;
    v.setUint32(h + 4, p.type, true);
    v.setUint32(h + 8, p.flags ?? 0, true);
    v.setUint32(h + 24, offsets[i]!, true);
    v.setUint32(h + 32, p.type === 8 ? 64 : p.data.length, true);
    v.setUint32(h + 40, p.link ?? 0, true);
    v.setUint32(h + 44, p.info ?? 0, true);
    v.setUint32(h + 48, p.align ?? (p.type === 0 ? 0 : 1), true);
    v.setUint32(h + 56, p.entrySize ?? 0, true);
  });
  out.set(ascii(signature), table + parts.length * 64);
  return out;
}
