import { chapter, type Row } from '../instruction.ts';

const chapters = {
  s: chapter('f', 'Unprivileged ISA, "F" Extension for Single-Precision Floating-Point'),
  d: chapter('d', 'Unprivileged ISA, "D" Extension for Double-Precision Floating-Point'),
} as const;

/** The rows that F and D share; fmt is bits 26:25. */
function precision(p: 's' | 'd'): Row[] {
  const row = chapters[p];
  const fmt = p === 's' ? 0 : 1;
  const t = p === 's' ? 'f32' : 'f64';
  const opfp = 0x53 | (fmt << 25);
  const f7 = (funct7: number): number => (funct7 << 25) | opfp;
  const get = (r: string): string => (p === 's' ? `unbox32(${r})` : r);
  const put = (e: string): string => (p === 's' ? `fd = box32(${e})` : `fd = ${e}`);
  const sign = p === 's' ? '0x80000000' : '0x8000000000000000';
  const rest = p === 's' ? '0x7fffffff' : '0x7fffffffffffffff';
  const minus = (e: string): string => `(${e} ^ ${sign})`;
  const a = get('fs1'),
    b = get('fs2'),
    c = get('fs3');
  const fff = 'fd, fs1, fs2';
  const rm = { rm: true } as const;
  const wide = p === 's' ? 0x2000 : 0x3000;
  const R1 = 0xfff0007f; // one source register, rounding mode free
  const R1f3 = 0xfff0707f;
  const fma = (name: string, opcode: number, e: string): Row =>
    row(`${name}.${p}`, 'R4', opcode | (fmt << 25), 'fd, fs1, fs2, fs3', put(e), rm);
  const from = (name: string, rs2: number, e: string): Row =>
    row(name, 'R1', f7(0x60) | (rs2 << 20), 'rd, fs1', `rd = ${e}`, { rm: true, mask: R1 });
  const to = (name: string, rs2: number, e: string): Row =>
    row(name, 'R1', f7(0x68) | (rs2 << 20), 'fd, rs1', put(e), { rm: true, mask: R1 });
  return [
    row(
      p === 's' ? 'flw' : 'fld',
      'I',
      0x07 | wide,
      'fd, imm(rs1)',
      p === 's' ? 'fd = load32u(rs1 + imm)' : 'fd = load64(rs1 + imm)',
    ),
    row(
      p === 's' ? 'fsw' : 'fsd',
      'S',
      0x27 | wide,
      'fs2, imm(rs1)',
      p === 's' ? 'store32(rs1 + imm, fs2)' : 'store64(rs1 + imm, fs2)',
    ),
    fma('fmadd', 0x43, `${t}_fma(${a}, ${b}, ${c}, rm)`),
    fma('fmsub', 0x47, `${t}_fma(${a}, ${b}, ${minus(c)}, rm)`),
    fma('fnmsub', 0x4b, `${t}_fma(${minus(a)}, ${b}, ${c}, rm)`),
    fma('fnmadd', 0x4f, `${t}_fma(${minus(a)}, ${b}, ${minus(c)}, rm)`),
    row(`fadd.${p}`, 'R', f7(0x00), fff, put(`${t}_add(${a}, ${b}, rm)`), rm),
    row(`fsub.${p}`, 'R', f7(0x04), fff, put(`${t}_sub(${a}, ${b}, rm)`), rm),
    row(`fmul.${p}`, 'R', f7(0x08), fff, put(`${t}_mul(${a}, ${b}, rm)`), rm),
    row(`fdiv.${p}`, 'R', f7(0x0c), fff, put(`${t}_div(${a}, ${b}, rm)`), rm),
    row(`fsqrt.${p}`, 'R1', f7(0x2c), 'fd, fs1', put(`${t}_sqrt(${a}, rm)`), { rm: true, mask: R1 }),
    row(`fsgnj.${p}`, 'R', f7(0x10), fff, put(`(${a} & ${rest}) | (${b} & ${sign})`)),
    row(`fsgnjn.${p}`, 'R', f7(0x10) | 0x1000, fff, put(`(${a} & ${rest}) | (${minus(b)} & ${sign})`)),
    row(`fsgnjx.${p}`, 'R', f7(0x10) | 0x2000, fff, put(`${a} ^ (${b} & ${sign})`)),
    row(`fmin.${p}`, 'R', f7(0x14), fff, put(`${t}_min(${a}, ${b})`)),
    row(`fmax.${p}`, 'R', f7(0x14) | 0x1000, fff, put(`${t}_max(${a}, ${b})`)),
    row(`fle.${p}`, 'R', f7(0x50), 'rd, fs1, fs2', `rd = ${t}_le(${a}, ${b})`),
    row(`flt.${p}`, 'R', f7(0x50) | 0x1000, 'rd, fs1, fs2', `rd = ${t}_lt(${a}, ${b})`),
    row(`feq.${p}`, 'R', f7(0x50) | 0x2000, 'rd, fs1, fs2', `rd = ${t}_eq(${a}, ${b})`),
    row(`fclass.${p}`, 'R1', f7(0x70) | 0x1000, 'rd, fs1', `rd = ${t}_class(${a})`, { mask: R1f3 }),
    from(`fcvt.w.${p}`, 0, `${t}_to_i32(${a}, rm)`),
    from(`fcvt.wu.${p}`, 1, `${t}_to_u32(${a}, rm)`),
    from(`fcvt.l.${p}`, 2, `${t}_to_i64(${a}, rm)`),
    from(`fcvt.lu.${p}`, 3, `${t}_to_u64(${a}, rm)`),
    to(`fcvt.${p}.w`, 0, `i32_to_${t}(rs1, rm)`),
    to(`fcvt.${p}.wu`, 1, `u32_to_${t}(rs1, rm)`),
    to(`fcvt.${p}.l`, 2, `i64_to_${t}(rs1, rm)`),
    to(`fcvt.${p}.lu`, 3, `u64_to_${t}(rs1, rm)`),
    p === 's'
      ? row('fmv.x.w', 'R1', f7(0x70), 'rd, fs1', 'rd = sext32(fs1)', { mask: R1f3 })
      : row('fmv.x.d', 'R1', f7(0x70), 'rd, fs1', 'rd = fs1', { mask: R1f3 }),
    p === 's'
      ? row('fmv.w.x', 'R1', f7(0x78), 'fd, rs1', 'fd = box32(rs1)', { mask: R1f3 })
      : row('fmv.d.x', 'R1', f7(0x78), 'fd, rs1', 'fd = rs1', { mask: R1f3 }),
  ];
}

export const FLOAT_ROWS: readonly Row[] = [
  ...precision('s'),
  ...precision('d'),
  chapters.d('fcvt.s.d', 'R1', 0x40100053, 'fd, fs1', 'fd = box32(f64_to_f32(fs1, rm))', {
    rm: true,
    mask: 0xfff0007f,
  }),
  chapters.d('fcvt.d.s', 'R1', 0x42000053, 'fd, fs1', 'fd = f32_to_f64(unbox32(fs1))', { rm: true, mask: 0xfff0007f }),
];
