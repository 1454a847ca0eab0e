import { COMPRESSED, type Compressed, type RegisterSource, type Slice } from '../src/isa/compressed.ts';
import { CSR_MASKS, CSRS, type Csr } from '../src/isa/csrs.ts';
import { EXTENSIONS, FIRST_ROW, type Instruction, PSEUDO_OPS } from '../src/isa/instruction.ts';
import { INSTRUCTION_BY_NAME, INSTRUCTIONS } from '../src/isa/instructions.ts';
import * as layout from '../src/isa/layout.ts';
import { type Expr, FUNCTIONS, type Statement } from '../src/isa/semantics.ts';
import { FUSED_PAIRS } from './fused-pairs.ts';

const HEADER = '// Generated from src/isa by build/generate-as.ts: change the tables, not this file.\n';
const constantName = (s: string): string =>
  s
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/\./g, '_')
    .toUpperCase();
export const opName = (name: string): string => `OP_${constantName(name)}`;

/** AssemblyScript constants for every number of the layout and the CSR masks. */
export function layoutSource(): string {
  const lines: string[] = [HEADER];
  const constant = (name: string, type: string, value: number | bigint): void => {
    lines.push(
      `// @ts-ignore: decorator\n@inline export const ${name}: ${type} = ${typeof value === 'bigint' ? `0x${value.toString(16)}` : value};`,
    );
  };
  const groups = {
    HART: layout.HART,
    MACHINE: layout.MACHINE,
    PAGE_FLAG: layout.PAGE_FLAG,
    EXIT: layout.EXIT,
    DEBUG: layout.DEBUG,
  } as const;
  for (const [group, fields] of Object.entries(groups)) {
    const base = group === 'MACHINE' ? layout.MACHINE_AT : 0;
    for (const [field, offset] of Object.entries(fields))
      constant(
        `${group}_${constantName(field)}`,
        group === 'EXIT' ? 'i32' : group === 'HART' || group === 'MACHINE' ? 'usize' : 'u32',
        base + offset,
      );
  }
  for (const [name, value] of Object.entries(layout)) {
    if (typeof value === 'number') constant(name, 'usize', value);
  }
  EXTENSIONS.forEach((e, i) => constant(`EXT_${constantName(e)}`, 'u32', i));
  for (const [name, value] of Object.entries(CSR_MASKS)) constant(`CSR_${name}`, 'u64', value);
  for (const [name, value] of Object.entries(PSEUDO_OPS)) constant(`OP_${name}`, 'u32', value);
  for (const row of INSTRUCTIONS) constant(opName(row.name), 'u32', row.index);
  return `${lines.join('\n')}\n`;
}

// ---------------------------------------------------------------------------------------------------------------- decoding

/** How a row's operands go into a slot, as the arguments of `emit(slot, op, length, a, b, imm)` after the op. */
function slotArguments(row: Instruction): string {
  const rd = /\brd\b/.test(row.syntax) ? 'sink(rd(w))' : 'rd(w)';
  const rm = row.rm ? ' | (rm(w) << 24)' : '';
  switch (row.format) {
    case 'R':
      return `${rd}, rs1(w), (rs2(w) << 3)${rm}`;
    case 'AMO':
      return `${rd}, rs1(w), rs2(w) << 3`;
    case 'R1':
      return `${rd}, rs1(w), 0${rm}`;
    case 'R4':
      return `${rd}, rs1(w), (rs2(w) << 3) | ((w >>> 27) << 13)${rm}`;
    case 'I':
      return `${rd}, rs1(w), <i32>w >> 20`;
    case 'S':
      return 'rs2(w), rs1(w), immS(w)';
    case 'B':
      return 'rs2(w), rs1(w), immB(w)';
    case 'U':
      return `${rd}, 0, <i32>(w & 0xfffff000)`;
    case 'J':
      return `${rd}, 0, immJ(w)`;
    case 'shift64':
      return `${rd}, rs1(w), (w >>> 20) & 63`;
    case 'shift32':
      return `${rd}, rs1(w), (w >>> 20) & 31`;
    case 'CSR':
      return `${rd}, rs1(w), w >>> 20`;
    case 'none':
      return '0, 0, 0';
  }
}

const bit = (n: number): string => `extension(${n})`;

function decode32Source(): string {
  const byOpcode = new Map<number, Instruction[]>();
  for (const row of INSTRUCTIONS) {
    const opcode = (row.match >>> 2) & 31;
    byOpcode.set(opcode, [...(byOpcode.get(opcode) ?? []), row]);
  }
  const cases = [...byOpcode.entries()]
    .sort(([a], [b]) => a - b)
    .map(([opcode, rows]) => {
      const tests = rows.map((row) => {
        const enabled = row.extension === 'i' ? '' : ` && ${bit(EXTENSIONS.indexOf(row.extension))}`;
        const rm = row.rm ? ' && rm(w) != 5 && rm(w) != 6' : '';
        return `      if ((w & 0x${row.mask.toString(16)}) == 0x${row.match.toString(16)}${enabled}${rm}) { emit(slot, ${opName(row.name)}, 4, ${slotArguments(row)}); return; }`;
      });
      return `    case ${opcode}: {\n${tests.join('\n')}\n      break;\n    }`;
    });
  return `export function decode32(slot: usize, w: u32): void {
  switch ((w >>> 2) & 31) {
${cases.join('\n')}
    default: break;
  }
  emit(slot, OP_ILLEGAL, 4, 0, 0, w);
}
`;
}

const register = (s: RegisterSource | undefined): string => {
  if (!s) return '0';
  if ('fixed' in s) return String(s.fixed);
  return s.bits === 5 ? `((w >>> ${s.at}) & 31)` : `(((w >>> ${s.at}) & 7) + 8)`;
};

const immediate = (slices: readonly Slice[] | undefined): string =>
  slices ? slices.map(([hi, lo, to]) => `(((w >>> ${lo}) & ${(1 << (hi - lo + 1)) - 1}) << ${to})`).join(' | ') : '0';

function compressedArguments(c: Compressed, row: Instruction): string {
  const fpDest = /\bfd\b/.test(row.syntax);
  const rd = fpDest ? register(c.rd) : `sink(${register(c.rd)})`;
  const sign = c.signBit === undefined ? '' : ` << ${31 - c.signBit} >> ${31 - c.signBit}`;
  const imm = `<i32>(${immediate(c.imm)})${sign}`;
  switch (row.format) {
    case 'R':
      return `${rd}, ${register(c.rs1)}, ${register(c.rs2)} << 3`;
    case 'S':
    case 'B':
      return `${register(c.rs2)}, ${register(c.rs1)}, ${imm}`;
    case 'none':
      return '0, 0, 0';
    default:
      return `${rd}, ${register(c.rs1)}, ${imm}`;
  }
}

function decode16Source(): string {
  const quadrants = [0, 1, 2].map((quadrant) => {
    const tests = COMPRESSED.filter((c) => (c.match & 3) === quadrant).map((c) => {
      const row = INSTRUCTION_BY_NAME.get(c.expands);
      if (!row) throw new Error(`${c.name} expands to the unknown ${c.expands}`);
      const conditions = [`(w & 0x${c.mask.toString(16)}) == 0x${c.match.toString(16)}`];
      if (c.require?.includes('rd≠0')) conditions.push('(w & 0xf80) != 0');
      if (c.require === 'imm≠0') conditions.push(`(${immediate(c.imm)}) != 0`);
      if (c.require === 'rs2≠0') conditions.push('(w & 0x7c) != 0');
      if (c.fp) conditions.push(bit(EXTENSIONS.indexOf('d')));
      return `      if (${conditions.join(' && ')}) { emit(slot, ${opName(row.name)}, 2, ${compressedArguments(c, row)}); return; }`;
    });
    return `    case ${quadrant}: {\n${tests.join('\n')}\n      break;\n    }`;
  });
  return `export function decode16(slot: usize, w: u32): void {
  if (extension(${EXTENSIONS.indexOf('c')})) switch (w & 3) {
${quadrants.join('\n')}
    default: break;
  }
  emit(slot, OP_ILLEGAL, 2, 0, 0, w);
}
`;
}

/** The decoder: instruction bits → slot. */
export function decodeSource(): string {
  return `${HEADER}import * as L from "./layout";
${importOps()}
import { emit, extension, immB, immJ, immS, rd, rm, rs1, rs2, sink } from "../slot";

${decode32Source()}
${decode16Source()}`;
}

const importOps = (): string =>
  `import { OP_ILLEGAL, ${INSTRUCTIONS.map((r) => opName(r.name)).join(', ')} } from "./layout";`;

// ------------------------------------------------------------------------------------------------------------- expressions

const INFIX: Record<string, string> = {
  add: '+',
  sub: '-',
  mul: '*',
  and: '&',
  or: '|',
  xor: '^',
  shl: '<<',
  eq: '==',
  ne: '!=',
};

/** An expression as AssemblyScript of type u64; `leaf` names the operands. */
function expression(e: Expr, leaf: (name: string) => string): string {
  const x = (a: Expr): string => expression(a, leaf);
  const s = (a: Expr): string => `<i64>(${x(a)})`;
  switch (e.op) {
    case 'const':
      return `<u64>0x${BigInt.asUintN(64, e.value).toString(16)}`;
    case 'leaf':
      return leaf(e.name);
    case 'add':
    case 'sub':
    case 'mul':
    case 'and':
    case 'or':
    case 'xor':
      return `(${x(e.a)} ${INFIX[e.op]} ${x(e.b)})`;
    case 'shl':
      return `(${x(e.a)} << (${x(e.b)} & 63))`;
    case 'shr_u':
      return `(${x(e.a)} >> (${x(e.b)} & 63))`;
    case 'shr_s':
      return `<u64>(${s(e.a)} >> <i64>(${x(e.b)} & 63))`;
    case 'select':
      return `select<u64>(${x(e.a)}, ${x(e.b)}, ${condition(e.c, leaf)})`;
    case 'call':
      return call(e.name, e.args, leaf);
    default:
      return `<u64>(${condition(e, leaf)})`;
  }
}

/** An expression as a condition (bool). */
function condition(e: Expr, leaf: (name: string) => string): string {
  const x = (a: Expr): string => expression(a, leaf);
  switch (e.op) {
    case 'eq':
    case 'ne':
      return `${x(e.a)} ${INFIX[e.op]} ${x(e.b)}`;
    case 'lt_u':
      return `${x(e.a)} < ${x(e.b)}`;
    case 'ge_u':
      return `${x(e.a)} >= ${x(e.b)}`;
    case 'lt_s':
      return `<i64>(${x(e.a)}) < <i64>(${x(e.b)})`;
    case 'ge_s':
      return `<i64>(${x(e.a)}) >= <i64>(${x(e.b)})`;
    default:
      return `(${x(e)}) != 0`;
  }
}

function call(name: string, args: readonly Expr[], leaf: (name: string) => string): string {
  const a = args.map((e) => expression(e, leaf));
  const info = FUNCTIONS[name];
  switch (name) {
    case 'sext8':
      return `<u64><i64><i8>(${a[0]})`;
    case 'sext16':
      return `<u64><i64><i16>(${a[0]})`;
    case 'sext32':
      return `<u64><i64><i32>(${a[0]})`;
    case 'zext8':
      return `<u64><u8>(${a[0]})`;
    case 'zext16':
      return `<u64><u16>(${a[0]})`;
    case 'zext32':
      return `<u64><u32>(${a[0]})`;
    case 'clz':
    case 'ctz':
    case 'popcnt':
      return `${name}<u64>(${a[0]})`;
    case 'clz32':
    case 'ctz32':
    case 'popcnt32':
      return `<u64>${name.slice(0, -2)}<u32>(<u32>(${a[0]}))`;
    case 'rotl':
    case 'rotr':
      return `${name}<u64>(${a[0]}, ${a[1]})`;
    case 'rotl32':
    case 'rotr32':
      return `<u64><i64><i32>${name.slice(0, -2)}<u32>(<u32>(${a[0]}), <u32>(${a[1]}))`;
  }
  if (info?.fp) {
    const { args: kinds, result } = info.fp;
    const values = kinds.map((k, i) => (k === 'f32' ? `<u32>(${a[i]})` : a[i]));
    const exact = `${name}(${[...values, ...(info.fp.rm ? ['rm'] : [])].join(', ')})`;
    const fast = /_(add|sub|mul|div|sqrt|fma)$/.test(name)
      ? `(nx && rm == 0 ? ${name}_nx(${values.join(', ')}) : ${exact})`
      : exact;
    return result === 'f32' ? `<u64>${fast}` : fast;
  }
  return `${name}(${a.join(', ')})`;
}

// ------------------------------------------------------------------------------------------------------------- fused pairs

const FIRST_FUSED = FIRST_ROW + INSTRUCTIONS.length;
const FUSED = FUSED_PAIRS.map(
  (pair) =>
    pair.split(' ').map((name) => {
      const row = INSTRUCTION_BY_NAME.get(name);
      if (!row) throw new Error(`fused pair "${pair}": no instruction ${name}`);
      return row;
    }) as [Instruction, Instruction],
);
if (FIRST_FUSED + FUSED.length > 1024) throw new Error('an op of a slot has 10 bits');

/** Which op executes a pair, and which op a fused one begins with. */
export function fusedSource(): string {
  const firsts = [...new Set(FUSED.map(([first]) => first))];
  const cases = firsts.map((first) => {
    const seconds = FUSED.flatMap(([a, b], i) =>
      a === first ? [`case ${opName(b.name)}: return ${FIRST_FUSED + i};`] : [],
    );
    return `    case ${opName(first.name)}: switch (firstOf(second)) { ${seconds.join(' ')} default: return 0; }`;
  });
  const used = [...new Set(FUSED.flat().map((r) => opName(r.name)))];
  return `${HEADER}import { ${used.join(', ')} } from "./layout";

/** The op that executes \`first\` and then \`second\`, or 0. */
export function fusedOp(first: u32, second: u32): u32 {
  switch (first) {
${cases.join('\n')}
    default: return 0;
  }
}

/** The row whose operands a slot with this op holds. */
export function firstOf(op: u32): u32 {
  switch (op) {
${FUSED.map(([first], i) => `    case ${FIRST_FUSED + i}: return ${opName(first.name)};`).join('\n')}
    default: return op;
  }
}
`;
}

// ------------------------------------------------------------------------------------------------------------- interpreter

const usesFp = (e: Expr): boolean => {
  switch (e.op) {
    case 'const':
    case 'leaf':
      return false;
    case 'select':
      return usesFp(e.c) || usesFp(e.a) || usesFp(e.b);
    case 'call':
      return FUNCTIONS[e.name]?.group === 'fp' || e.args.some(usesFp);
    default:
      return usesFp(e.a) || usesFp(e.b);
  }
};

/** Names of operands in a case: each a load from the registers, as written once. */
function leaves(row: Instruction): (name: string) => string {
  const masked = row.rm || row.format === 'R4';
  const rs2 = masked ? '(IMM & 0x7f8)' : 'IMM';
  const inA = row.format === 'S' || row.format === 'B';
  const table: Record<string, string> = {
    rs1: 'load<u64>(h + B, HART_X)',
    rs2: inA ? 'load<u64>(h + A, HART_X)' : `load<u64>(h + ${rs2}, HART_X)`,
    fs1: 'load<u64>(h + B, HART_F)',
    fs2: inA ? 'load<u64>(h + A, HART_F)' : `load<u64>(h + ${rs2}, HART_F)`,
    fs3: 'load<u64>(h + ((IMM >>> 10) & 0x7f8), HART_F)',
    imm: '<u64>load<i32>(ip, 4)',
    pc: '(vpage + ((ip - pageIp) >> 2))',
    link: '(vpage + ((ip - pageIp + LENGTH) >> 2))',
    old: 'old',
    rm: 'rm',
  };
  return (name) =>
    table[name]
      .replaceAll('IMM', 'load<u32>(ip, 4)')
      .replaceAll(/\bA\b/g, '((w >>> 13) & 0x7f8)')
      .replaceAll(/\bB\b/g, '((w >>> 21) & 0x7f8)')
      .replaceAll('LENGTH', '((w >>> 10) & 0x18)');
}

const NEXT = 'ip += (w >>> 10) & 0x18; continue;';
/** After a store that may have changed the translation of the page being executed. */
const REFETCH = 'if (refetch) { act = ACT_REFETCH; break; }';
const writeRd = (v: string): string => `store<u64>(h + ((w >>> 13) & 0x7f8), ${v}, HART_X);`;
const writeFd = (v: string): string => `store<u64>(h + ((w >>> 13) & 0x7f8), ${v}, HART_F);`;
/** What of an address has to equal a TLB entry's tag: the page, and that the access is aligned. @param width of the access in bits */
const tagMask = (width: number): string => `0x${(0xfffffffffffff000n | BigInt(width / 8 - 1)).toString(16)}`;

/** A taken branch. @param limit within what distance from pageIp slots are of this page @param hot what is done at a jump back that made its target hot; nothing counts without */
const takenBranch = (limit: string, hot: string | undefined): string[] => [
  '  const to = ip + (load<u32>(ip, 4) << 2);',
  hot === undefined
    ? `  if (to - pageIp < ${limit}) { ip = to; continue; }`
    : `  if (to - pageIp < ${limit}) { if (to <= ip && countJump(to)) { ip = to; ${hot} } ip = to; continue; }`,
  '  pc = vpage + ((ip - pageIp) >> 2) + <u64>load<i32>(ip, 4);',
  '  act = ACT_JUMP; break;',
];

/** A jump to `target`. @param limit bytes of the page that slots are at hand for @param hot as in {@link takenBranch} */
const jumpTo = (limit: string, hot: string | undefined): string[] => [
  `if ((target ^ vpage) < ${limit}) { ip = pageIp + ((<u32>target & 0xfff) << 2); ${hot === undefined ? '' : `if (countJump(ip)) { ${hot} }`} continue; }`,
  'pc = target; act = ACT_JUMP; break;',
];

/** Leaves the inner loop at `ip`, which has become hot. */
const HOT = 'pc = vpage + ((ip - pageIp) >> 2); act = ACT_HOT; break;';
const SYNC = 'store<i32>(MACHINE_LEFT, left + rest); store<u64>(h, vpage + ((ip - pageIp) >> 2), HART_PC);';

function loadType(width: number, signed: boolean): string {
  return `${signed ? 'i' : 'u'}${width}`;
}

/** The code of a row's case. */
function body(row: Instruction, jit: boolean): string {
  const leaf = leaves(row);
  const s: Statement = row.statement;
  const lines: string[] = [];
  const fpGuard = row.fp ? 'if ((load<u32>(h, HART_MSTATUS) & 0x6000) == 0) { illegal(); break; }' : '';
  if (fpGuard) lines.push(fpGuard);
  if (row.rm) {
    lines.push(
      'let rm = load<u32>(ip, 4) >>> 24;',
      'if (rm == 7) { rm = load<u32>(h, HART_FRM); if (rm > 4) { illegal(); break; } }',
    );
  }
  const value = s.kind === 'rd' || s.kind === 'fd' ? s.value : undefined;
  const fp = value !== undefined && usesFp(value);
  if (fp && /_(add|sub|mul|div|sqrt|fma)\(/.test(row.semantics))
    lines.push('const nx = load<u32>(h, HART_FFLAGS) & 1;');
  const dirtyFs = 'store<u32>(h, load<u32>(h, HART_MSTATUS) | 0x6000, HART_MSTATUS);';
  const mergeFlags = 'if (fflags) { store<u32>(h, load<u32>(h, HART_FFLAGS) | fflags, HART_FFLAGS); setFlags(0); }';
  switch (s.kind) {
    case 'rd':
      lines.push(writeRd(expression(s.value, leaf)));
      if (fp) lines.push(mergeFlags, dirtyFs);
      lines.push(NEXT);
      break;
    case 'fd':
      lines.push(writeFd(expression(s.value, leaf)));
      if (fp) lines.push(mergeFlags);
      lines.push(dirtyFs, NEXT);
      break;
    case 'load': {
      const type = loadType(s.width, s.signed);
      const narrow = s.width === 64 ? 'v' : `<u64>${s.signed ? '<i64>' : ''}<${type}>v`;
      const box = s.to === 'fd' && s.width === 32 ? ' | 0xffffffff00000000' : '';
      const write = s.to === 'rd' ? writeRd : writeFd;
      const dirty = s.to === 'fd' ? dirtyFs : '';
      lines.push(
        `const va = ${expression(s.address, leaf)};`,
        'const e = dataBank + (<u32>(va >> 8) & TLB_INDEX_MASK);',
        `if (load<u64>(e) == (va & ${tagMask(s.width)})) {`,
        `  ${write(`<u64>load<${type}>(<u32>va + load<u32>(e, 8))${box}`)} ${dirty}`,
        '} else {',
        `  ${SYNC}`,
        `  const v = loadSlow(h, va, ${s.width / 8});`,
        '  if (trapped()) break;',
        `  ${write(narrow + box)} ${dirty}`,
        '  if (load<u32>(MACHINE_ATTENTION)) { act = ACT_LEAVE; break; }',
        // what it touched may be the next instruction
        `  ${NEXT}`,
        '}',
        NEXT,
      );
      break;
    }
    case 'store': {
      const type = `u${s.width}`;
      lines.push(
        `const va = ${expression(s.address, leaf)};`,
        'const e = dataBank + (<u32>(va >> 8) & TLB_INDEX_MASK);',
        `const v = ${expression(s.value, leaf)};`,
        `if (load<u64>(e, TLB_WRITE) == (va & ${tagMask(s.width)})) {`,
        `  store<${type}>(<u32>va + load<u32>(e, TLB_WRITE + 8), <${type}>v);`,
        '} else {',
        `  ${SYNC}`,
        `  storeSlow(h, va, ${s.width / 8}, v);`,
        '  if (trapped()) break;',
        '  if (load<u32>(MACHINE_ATTENTION)) { act = ACT_LEAVE; break; }',
        `  ${REFETCH}`,
        // what it touched may be the next instruction
        `  ${NEXT}`,
        '}',
        NEXT,
      );
      break;
    }
    case 'branch':
      lines.push(`if (${condition(s.condition, leaf)}) {`, ...takenBranch('limit', jit ? HOT : undefined), '}', NEXT);
      break;
    case 'jump':
      lines.push(
        `const target = ${expression(s.target, leaf)};`,
        'if (<u32>target & alignment) { misalignedJump(target); break; }',
        writeRd(leaf('link')),
        ...jumpTo('limitBytes', jit ? HOT : undefined),
      );
      break;
    case 'amo': {
      const bytes = s.width / 8;
      const type = s.width === 32 ? 'i32' : 'i64';
      lines.push(
        `const va = ${leaf('rs1')};`,
        SYNC,
        `const at = amoAddress(h, va, ${bytes});`,
        'if (trapped()) break;',
        `const old = <u64><i64>load<${type}>(at);`,
        `writeRam(at - RAM_AT, ${bytes}, ${expression(s.value, leaf)});`,
        writeRd('old'),
        REFETCH,
        NEXT,
      );
      break;
    }
    case 'call':
      lines.push(irregular(s.name, leaf));
  }
  if (s.kind === 'branch') {
    // with IALIGN 32 a taken branch to a half-word address traps on the branch
    lines.splice(
      row.fp ? 1 : 0,
      0,
      `if (alignment && (load<u32>(ip, 4) & 2) && ${condition(s.condition, leaf)}) { misalignedJump(${leaf('pc')} + ${leaf('imm')}); break; }`,
    );
  }
  return lines.map((l) => `        ${l}`).join('\n');
}

const CSR_OPS: Record<string, string> = {
  csrrw: '0, REG',
  csrrs: '1, REG',
  csrrc: '2, REG',
  csrrwi: '0, UIMM',
  csrrsi: '1, UIMM',
  csrrci: '2, UIMM',
};

function irregular(name: string, leaf: (n: string) => string): string {
  const csr = CSR_OPS[name];
  if (csr) {
    const [kind, from] = csr.split(', ');
    const operand = from === 'REG' ? leaf('rs1') : '<u64>(w >>> 24)';
    return `${SYNC}
        const value = csrOperation(h, load<u32>(ip, 4), ${kind}, ${operand}, (w >>> 24) != 0);
        if (trapped()) break;
        ${writeRd('value')}
        if (csrQuiet) { ${NEXT} }
        act = ACT_LEAVE; break;`;
  }
  const sync = (text: string): string => `${SYNC}\n        ${text}`;
  switch (name) {
    case 'fence':
    case 'sfence_inval':
      return name === 'fence' ? NEXT : `if (load<u32>(h, HART_PRV) == 0) { illegal(); break; }\n        ${NEXT}`;
    case 'sfence_vma':
      return `if (!fenceAllowed(h)) { illegal(); break; }\n        ${NEXT}`;
    case 'ecall':
      return sync('if (ecall(h)) { act = ACT_SBI; } break;');
    case 'ebreak':
      return sync('setTrap(3, load<u64>(h, HART_PC)); break;');
    case 'mret':
    case 'sret':
      return sync(`if (!${name}(h)) { illegal(); break; } pc = load<u64>(h, HART_PC); act = ACT_RETURN; break;`);
    case 'wfi':
      return sync('if (!waitAllowed(h)) { illegal(); break; } act = ACT_WAIT; break;');
    case 'wrs_nto':
      return `if (!waitAllowed(h) && load<u32>(h, HART_PRV) != 0) { illegal(); break; }\n        if (load<u32>(h, HART_PRV) == 0 && (load<u64>(h, HART_MSTATUS) & 0x200000)) { illegal(); break; }\n        ${NEXT}`;
    case 'wrs_sto':
      return NEXT;
    case 'lr_w':
    case 'lr_d':
      return sync(
        `const v = loadReserved(h, ${leaf('rs1')}, ${name === 'lr_w' ? 4 : 8}); if (trapped()) break; ${writeRd('v')} ${NEXT}`,
      );
    case 'sc_w':
    case 'sc_d':
      return sync(
        `const v = storeConditional(h, ${leaf('rs1')}, ${name === 'sc_w' ? 4 : 8}, ${leaf('rs2')}); if (trapped()) break; ${writeRd('v')} ${REFETCH} ${NEXT}`,
      );
    case 'cbo_inval':
    case 'cbo_clean':
    case 'cbo_flush':
      return sync(
        `if (!cacheAllowed(h, ${name === 'cbo_inval' ? '0x30' : '0x40'})) { illegal(); break; } cacheBlock(h, ${leaf('rs1')}); if (trapped()) break; ${NEXT}`,
      );
    case 'cbo_zero':
      return sync(
        `if (!cacheAllowed(h, 0x80)) { illegal(); break; } zeroBlock(h, ${leaf('rs1')}); if (trapped()) break; ${REFETCH} ${NEXT}`,
      );
  }
  throw new Error(`no body for "call ${name}"`);
}

/** The interpreter: the loop of `run` with one case per row; of a fused pair it executes the first. @param jit with counting of jumps and calls of translated code */
export function interpreterSource(template: string, jit: boolean): string {
  const cases = INSTRUCTIONS.map((row) => {
    const pairs = FUSED.flatMap(([first], i) => (first === row ? [`case ${FIRST_FUSED + i}: `] : []));
    return `      ${pairs.join('')}case ${opName(row.name)}: { // ${row.semantics}\n${body(row, jit)}\n      }`;
  });
  return (
    HEADER +
    template
      .replace('/*JIT*/ false', String(jit))
      .replace('./PLAIN"', jit ? './plain-jit"' : './plain"')
      .replace('/*OPS*/', INSTRUCTIONS.map((r) => opName(r.name)).join(', '))
      .replace('      /*CASES*/', cases.join('\n'))
  );
}

// -------------------------------------------------------------------------------------------------------------- plain loop

/** Functions of integers that AssemblyScript compiles to instructions, or inlines. */
const INLINE = new Set(
  'sext8 sext16 sext32 zext8 zext16 zext32 clz ctz popcnt clz32 ctz32 popcnt32 rotl rotr rotl32 rotr32 div divu divuw divw rem remu remuw remw mulhu'.split(
    ' ',
  ),
);

const onlyInline = (e: Expr): boolean => {
  switch (e.op) {
    case 'const':
    case 'leaf':
      return true;
    case 'select':
      return onlyInline(e.c) && onlyInline(e.a) && onlyInline(e.b);
    case 'call':
      return INLINE.has(e.name) && e.args.every(onlyInline);
    default:
      return onlyInline(e.a) && onlyInline(e.b);
  }
};

/** Whether the plain loop has the instruction: where the TLB serves it, it calls nothing. */
function isPlain({ statement: s, rm }: Instruction): boolean {
  switch (s.kind) {
    case 'rd':
    case 'fd':
      return !rm && onlyInline(s.value);
    case 'call':
      return s.name === 'fence';
    case 'amo':
      return false;
    default:
      return true;
  }
}

/** Names of operands in a case of the plain loop: registers' numbers are bytes of the slot. */
function plainLeaves(row: Instruction): (name: string) => string {
  const a = '(<u32>load<u8>(ip, 2) << 3)';
  const b = '(<u32>load<u8>(ip, 3) << 3)';
  const rs2 = row.format === 'S' || row.format === 'B' ? a : 'load<u32>(ip, 4)';
  const table: Record<string, string> = {
    rs1: `load<u64>(h + ${b}, HART_X)`,
    rs2: `load<u64>(h + ${rs2}, HART_X)`,
    fs1: `load<u64>(h + ${b}, HART_F)`,
    fs2: `load<u64>(h + ${rs2}, HART_F)`,
    imm: '<u64>load<i32>(ip, 4)',
    pc: '(vpage + ((ip - pageIp) >> 2))',
    link: '(vpage + ((ip - pageIp + ((w >>> 10) & 0x18)) >> 2))',
  };
  return (name) => table[name];
}

/** As {@link HOT}, in the plain loop. */
const PLAIN_HOT = 'act = ACT_HOT; break;';

/** On to the second instruction of a fused pair, unless the ticks are used up between the two. */
const NEXT_OF_PAIR = 'ip += (w >>> 10) & 0x18; left--; if (left < 0) break; w = load<u32>(ip);';

/** The code of a plain row's case: what it leaves by `break` has not happened. @param next what follows when it has executed and pc moves on */
function plainBody(row: Instruction, jit: boolean, next = NEXT): string {
  const leaf = plainLeaves(row);
  const s: Statement = row.statement;
  const lines: string[] = [];
  const write = (to: 'rd' | 'fd', value: string): string =>
    `store<u64>(h + (<u32>load<u8>(ip, 2) << 3), ${value}, HART_${to === 'rd' ? 'X' : 'F'});`;
  if (row.fp) lines.push('if ((load<u32>(h, HART_MSTATUS) & 0x6000) == 0) break;');
  const dirtyFs = 'store<u32>(h, load<u32>(h, HART_MSTATUS) | 0x6000, HART_MSTATUS);';
  switch (s.kind) {
    case 'rd':
    case 'fd':
      lines.push(write(s.kind, expression(s.value, leaf)));
      if (s.kind === 'fd') lines.push(dirtyFs);
      lines.push(next);
      break;
    case 'load': {
      const type = loadType(s.width, s.signed);
      const box = s.to === 'fd' && s.width === 32 ? ' | 0xffffffff00000000' : '';
      lines.push(
        `const va = ${expression(s.address, leaf)};`,
        'const e = dataBank + (<u32>(va >> 8) & TLB_INDEX_MASK);',
        `if (load<u64>(e) != (va & ${tagMask(s.width)})) break;`,
        write(s.to, `<u64>load<${type}>(<u32>va + load<u32>(e, 8))${box}`),
      );
      if (s.to === 'fd') lines.push(dirtyFs);
      lines.push(next);
      break;
    }
    case 'store':
      lines.push(
        `const va = ${expression(s.address, leaf)};`,
        'const e = dataBank + (<u32>(va >> 8) & TLB_INDEX_MASK);',
        `if (load<u64>(e, TLB_WRITE) != (va & ${tagMask(s.width)})) break;`,
        `store<u${s.width}>(<u32>va + load<u32>(e, TLB_WRITE + 8), <u${s.width}>${expression(s.value, leaf)});`,
        next,
      );
      break;
    case 'branch':
      lines.push(
        `if (${condition(s.condition, leaf)}) {`,
        ...takenBranch('0x4000', jit ? PLAIN_HOT : undefined),
        '}',
        NEXT,
      );
      break;
    case 'jump':
      lines.push(
        `const target = ${expression(s.target, leaf)};`,
        write('rd', leaf('link')),
        ...jumpTo('0x1000', jit ? PLAIN_HOT : undefined),
      );
      break;
    case 'call':
      lines.push(next);
  }
  return lines.map((l) => `        ${l}`).join('\n');
}

/** The plain loop: one case per plain row, and one per fused pair. @param jit with counting of jumps */
export function plainSource(template: string, jit: boolean): string {
  const cases = INSTRUCTIONS.filter(isPlain).map(
    (row) => `      case ${opName(row.name)}: { // ${row.semantics}\n${plainBody(row, jit)}\n      }`,
  );
  FUSED.forEach(([first, second], i) => {
    cases.push(
      `      case ${FIRST_FUSED + i}: { // ${first.name}, ${second.name}\n        {\n${plainBody(first, jit, NEXT_OF_PAIR)}\n        }\n${plainBody(second, jit)}\n      }`,
    );
  });
  return (
    HEADER +
    template
      .replace('/*JIT*/ false', String(jit))
      .replace(
        '/*OPS*/',
        INSTRUCTIONS.filter(isPlain)
          .map((r) => opName(r.name))
          .join(', '),
      )
      .replace('      /*CASES*/', cases.join('\n'))
  );
}

// --------------------------------------------------------------------------------------------------------------------- CSRs

function csrCase(csr: Csr, kind: 'read' | 'write'): string {
  const labels = Array.from({ length: csr.count ?? 1 }, (_, i) => `case 0x${(csr.number + i).toString(16)}:`).join(' ');
  const extension = csr.extension ? `if (!extension(${EXTENSIONS.indexOf(csr.extension)})) return false; ` : '';
  const type = csr.width === 4 ? 'u32' : 'u64';
  const field = csr.field ? `HART_${constantName(csr.field)}` : '';
  let action: string;
  if (csr.helper) {
    const helper = csr.helper[0].toUpperCase() + csr.helper.slice(1);
    action = `return ${kind}${helper}(h, n${kind === 'write' ? ', value' : ''});`;
  } else if (csr.constant !== undefined)
    action = kind === 'read' ? `csrValue = 0x${csr.constant.toString(16)}; return true;` : 'return true;';
  else if (kind === 'read') action = `csrValue = load<${type}>(h, ${field}); return true;`;
  else {
    const write = csr.write ?? 0n;
    const full = write === 0xffff_ffff_ffff_ffffn || (csr.width === 4 && write === 0xffff_ffffn);
    const mask = `0x${write.toString(16)}`;
    action = full
      ? `store<${type}>(h, <${type}>value, ${field}); return true;`
      : `store<${type}>(h, <${type}>((load<${type}>(h, ${field}) & ~<u64>${mask}) | (value & ${mask})), ${field}); return true;`;
  }
  return `    ${labels} { ${extension}${action} }`;
}

/** Reading and writing CSRs by number, regular rows inline, irregular ones through their helpers in assembly/csr.ts. */
export function csrSource(): string {
  const helpers = [
    ...new Set(
      CSRS.filter((c) => c.helper).map((c) => (c.helper as string)[0].toUpperCase() + (c.helper as string).slice(1)),
    ),
  ];
  const writable = new Set(
    CSRS.filter((c) => c.helper && c.number >>> 10 !== 3).map(
      (c) => (c.helper as string)[0].toUpperCase() + (c.helper as string).slice(1),
    ),
  );
  const fields = [...new Set(CSRS.filter((c) => c.field).map((c) => `HART_${constantName(c.field as string)}`))];
  return `${HEADER}import { ${fields.join(', ')} } from "./layout";
import { extension } from "../slot";
import { ${helpers.map((h) => `read${h}`).join(', ')}, ${[...writable].map((h) => `write${h}`).join(', ')} } from "../csr";

/** What the last successful read gave. */
export let csrValue: u64 = 0;
export function setCsrValue(value: u64): bool { csrValue = value; return true; }

/** @returns false when there is no such CSR here. */
export function readRow(h: usize, n: u32): bool {
  switch (n) {
${CSRS.map((c) => csrCase(c, 'read')).join('\n')}
    default: return false;
  }
}

/** Privilege and read-only numbers are the caller's to check. @returns false when there is no such CSR here. */
export function writeRow(h: usize, n: u32, value: u64): bool {
  switch (n) {
${CSRS.filter((c) => c.number >>> 10 !== 3)
  .map((c) => csrCase(c, 'write'))
  .join('\n')}
    default: return false;
  }
}
`;
}
