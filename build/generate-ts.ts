import { FIRST_ROW, type Instruction, PSEUDO_OPS } from '../src/isa/instruction.ts';
import { INSTRUCTIONS } from '../src/isa/instructions.ts';
import { type Expr, FUNCTIONS, type Leaf, leavesOf, type Statement } from '../src/isa/semantics.ts';
import { Lowering } from './ts-lower.ts';

/**
 * Makes the run loop of the TypeScript core (src/generated/ts-core.ts) from the instruction table. Frequent rows stand in the loop's one
 * switch; the rest become functions in a table. (V8 optimises no function of more than 60 KB of bytecode.)
 */

const INDENT = '  ';
const indent = (lines: readonly string[], depth: number): string =>
  lines
    .flatMap((l) => l.split('\n'))
    .map((l) => (l === '' ? l : INDENT.repeat(depth) + l))
    .join('\n');

/** Leaves out halves that nothing uses. */
function prune(lines: readonly string[]): string[] {
  const kept: string[] = [];
  for (const line of [...lines].reverse()) {
    const name = /^const (v\d+) = /.exec(line)?.[1];
    if (name === undefined || kept.some((l) => new RegExp(`\\b${name}\\b`).test(l))) kept.push(line);
  }
  return kept.reverse();
}

/** Whether an expression needs only plain operations. */
function isPlain(e: Expr): boolean {
  switch (e.op) {
    case 'const':
    case 'leaf':
      return true;
    case 'select':
      return isPlain(e.c) && isPlain(e.a) && isPlain(e.b);
    case 'call':
      return FUNCTIONS[e.name].group === 'bits' && e.args.every(isPlain);
    default:
      return isPlain(e.a) && isPlain(e.b);
  }
}

/** Whether an expression calls a function that may raise flags. */
function callsFloating(e: Expr): boolean {
  switch (e.op) {
    case 'const':
    case 'leaf':
      return false;
    case 'select':
      return [e.c, e.a, e.b].some(callsFloating);
    case 'call':
      return FUNCTIONS[e.name].group === 'fp' || e.args.some(callsFloating);
    default:
      return callsFloating(e.a) || callsFloating(e.b);
  }
}

/** Rows whose bodies stand in the switch. */
function isHot(row: Instruction): boolean {
  const { statement: s } = row;
  switch (s.kind) {
    case 'rd':
      return !row.fp && isPlain(s.value);
    case 'load':
    case 'store':
    case 'branch':
    case 'jump':
      return true;
    default:
      return false;
  }
}

const PC: Partial<Record<Leaf, { lo: string; hi: string }>> = {
  pc: { lo: 'pc', hi: 'pageHi' },
};

const FS_ON = '(m32[h + MSTATUS] & 0x6000) !== 0';
const FS_DIRTY = 'm32[h + MSTATUS] |= 0x6000;';

/** Declarations of the operand fields that an expression uses. */
function fields(row: Instruction, expressions: readonly Expr[], writes: boolean): string[] {
  const leaves = new Set<Leaf>();
  for (const e of expressions) leavesOf(e, leaves);
  const storesA = row.format === 'S' || row.format === 'B';
  const uses = (...names: Leaf[]): boolean => names.some((n) => leaves.has(n));
  const out: string[] = [];
  if (writes || (storesA && uses('rs2', 'fs2'))) out.push('const a = (w >>> 10) & 255;');
  if (uses('rs1', 'fs1')) out.push('const b = (w >>> 18) & 255;');
  if (uses('imm', 'fs3') || (!storesA && uses('rs2', 'fs2'))) out.push('const imm = code[s + 1];');
  if (uses('pc')) out.push('const pc = (delta + s) | 0;');
  return out;
}

const NEXT = ['s = (s + (w >>> 29)) | 0;', 'continue;'];

/** Writes of a destination. */
const toInteger = (lo: string, hi: string): string[] => [`xl[a] = ${lo};`, `xh[a] = ${hi};`];
const toFloat = (lo: string, hi: string): string[] => [
  `m32[f + 2 * a] = ${lo};`,
  `m32[f + 2 * a + 1] = ${hi};`,
  FS_DIRTY,
];

type Load = Extract<Statement, { kind: 'load' }>;
type Store = Extract<Statement, { kind: 'store' }>;

/** Writes of what was loaded; `value` and `high` are its halves, zero-extended when from a narrow view. */
function deliver(s: Load, value: string, high: string): string[] {
  const put = s.to === 'rd' ? toInteger : toFloat;
  if (s.width === 64) return put(value, high);
  const extended = s.signed && s.width < 32 ? `(${value} << ${32 - s.width}) >> ${32 - s.width}` : value;
  // a word in a floating-point register is boxed (unprivileged ISA, "NaN Boxing of Narrower Values")
  return [`const v = ${extended};`, ...put('v', s.to === 'fd' ? '-1' : s.signed ? 'v >> 31' : '0')];
}

/** The condition under which the TLB has a plain translation for an aligned access; t is the entry's place. */
const hit = (row: Instruction, width: number, lo: string, hi: string): string => {
  const tag = `tlb[t] === (${lo} & ${-4096 | (width / 8 - 1)}) && tlb[t + 1] === ${hi}`;
  return row.fp ? `${tag} && ${FS_ON}` : tag;
};

const place = (width: number, lo: string): string => {
  const at = `(${lo} + tlb[t + 2])`;
  return width === 16 ? `m16[${at} >>> 1]` : width === 8 ? `m8[${at} >>> 0]` : `m32[${at} >>> 2]`;
};

function hotLoad(row: Instruction, s: Load, imports: Set<string>): string[] {
  const l = new Lowering(row, imports);
  const lo = l.lo(s.address);
  const hi = l.hi(s.address);
  const fast =
    s.width === 64
      ? [`const p = (${lo} + tlb[t + 2]) >>> 2;`, ...deliver(s, 'm32[p]', 'm32[p + 1]')]
      : deliver(s, place(s.width, lo), '0');
  return [
    ...fields(row, [s.address], true),
    ...l.lines,
    `const t = (readBank + ((${lo} >>> 10) & 0x3fc)) & 0x7ffff;`,
    `if (${hit(row, s.width, lo, hi)}) {`,
    ...[...fast, ...NEXT].map((x) => INDENT + x),
    '}',
    'break;',
  ];
}

function hotStore(row: Instruction, s: Store, imports: Set<string>): string[] {
  const l = new Lowering(row, imports);
  const lo = l.lo(s.address);
  const hi = l.hi(s.address);
  const valueLo = l.lo(s.value);
  const write =
    s.width === 64
      ? [`const p = (${lo} + tlb[t + 2]) >>> 2;`, `m32[p] = ${valueLo};`, `m32[p + 1] = ${l.hi(s.value)};`]
      : [`${place(s.width, lo)} = ${valueLo};`];
  return [
    ...fields(row, [s.address, s.value], false),
    ...l.lines,
    `const t = (writeBank + ((${lo} >>> 10) & 0x3fc)) & 0x7ffff;`,
    `if (${hit(row, s.width, lo, hi)}) {`,
    ...[...write, ...NEXT].map((x) => INDENT + x),
    '}',
    'break;',
  ];
}

/** A load or store that the run loop gave up: the table's function. */
function coldAccess(row: Instruction, s: Load | Store, imports: Set<string>): string[] {
  const l = new Lowering(row, imports);
  const lo = l.lo(s.address);
  const hi = l.hi(s.address);
  const width = s.width / 8;
  const guard = row.fp ? ['const h = state.h;', `if (!(${FS_ON})) return -2;`, 'const f = h + F;'] : [];
  if (s.kind === 'store') {
    const valueLo = l.lo(s.value);
    const valueHi = s.width === 64 ? l.hi(s.value) : '0';
    return [...guard, ...l.lines, `return memory.store(${lo}, ${hi}, ${width}, ${valueLo}, ${valueHi});`];
  }
  return [
    ...guard,
    ...l.lines,
    `const ev = memory.load(${lo}, ${hi}, ${width});`,
    'if (ev >= 0) {',
    ...deliver(s, 'io[0]', 'io[1]').map((x) => INDENT + x),
    '}',
    'return ev;',
  ];
}

const CARRY = (lo: string): string => `(${lo} >>> 0 < pc >>> 0 ? 1 : 0)`;

/** Goes on inside the page, or to the code for far targets. */
const LEAP = [
  'const to = (s + imm) | 0;',
  'if (((to - start) & pageMask) === 0) {',
  '  s = to;',
  '  continue;',
  '}',
  'break far;',
];

function hotBranch(row: Instruction, s: Extract<Statement, { kind: 'branch' }>, imports: Set<string>): string[] {
  const l = new Lowering(row, imports);
  const condition = l.condition(s.condition);
  return [
    ...fields(row, [s.condition], false),
    ...l.lines,
    `if (${condition}) {`,
    '  const imm = code[s + 1];',
    ...LEAP.map((x) => INDENT + x),
    '}',
    ...NEXT,
  ];
}

function hotJump(row: Instruction, s: Extract<Statement, { kind: 'jump' }>, imports: Set<string>): string[] {
  const l = new Lowering(row, imports, PC);
  const relative = !leavesOf(s.target).has('rs1');
  const lo = relative ? 'imm' : l.lo(s.target);
  const hi = relative ? '' : l.hi(s.target);
  return [
    ...fields(row, [s.target, { op: 'leaf', name: 'pc' }], true),
    ...(relative ? [] : [...l.lines, `targetLo = ${lo};`, `targetHi = ${hi};`]),
    // a target that traps leaves rd as it is; relative to an aligned pc the offset tells
    `if ((${relative ? 'imm' : 'targetLo'} & alignMask) === 0) {`,
    '  const linkLo = (pc + (w >>> 29)) | 0;',
    '  xl[a] = linkLo;',
    `  xh[a] = (pageHi + ${CARRY('linkLo')}) | 0;`,
    '}',
    ...(relative ? LEAP : ['break jump;']),
  ];
}

function hotBody(row: Instruction, imports: Set<string>): string[] {
  const { statement: s } = row;
  switch (s.kind) {
    case 'rd': {
      const l = new Lowering(row, imports, PC);
      const lo = l.lo(s.value);
      const hi = l.hi(s.value);
      return [...fields(row, [s.value], true), ...l.lines, ...toInteger(lo, hi), ...NEXT];
    }
    case 'load':
      return hotLoad(row, s, imports);
    case 'store':
      return hotStore(row, s, imports);
    case 'branch':
      return hotBranch(row, s, imports);
    case 'jump':
      return hotJump(row, s, imports);
    default:
      throw new Error(`${row.name}: not a row for the switch`);
  }
}

/** Body of a table function for `rd =` and `fd =`. */
function coldValue(row: Instruction, s: Extract<Statement, { kind: 'rd' | 'fd' }>, imports: Set<string>): string[] {
  const l = new Lowering(row, imports, { rm: { lo: 'rm', hi: '0' } });
  const lo = l.lo(s.value);
  const hi = l.hi(s.value);
  const raises = callsFloating(s.value);
  return [
    ...(row.fp ? ['const h = state.h;', `if (!(${FS_ON})) return -2;`, 'const f = h + F;'] : []),
    ...(row.rm ? ['let rm = (imm >>> 16) & 7;', 'if (rm === 7) rm = m32[h + FRM];', 'if (rm > 4) return -2;'] : []),
    ...l.lines,
    ...(s.kind === 'rd' ? toInteger(lo, hi) : toFloat(lo, hi)),
    ...(s.kind === 'rd' && raises ? [FS_DIRTY] : []),
    'return 0;',
  ];
}

function coldAmo(row: Instruction, s: Extract<Statement, { kind: 'amo' }>, imports: Set<string>): string[] {
  const width = s.width / 8;
  const l = new Lowering(row, imports, { old: { lo: 'oldLo', hi: 'oldHi' } });
  const lo = l.lo(s.value);
  const hi = s.width === 64 ? l.hi(s.value) : '0';
  return [
    `const offset = memory.atomic(xl[b], xh[b], ${width}, 1, 6);`,
    'if (offset < 0) return memory.refused;',
    'const at = (RAM_AT + offset) >>> 2;',
    'const oldLo = m32[at];',
    `const oldHi = ${s.width === 64 ? 'm32[at + 1]' : 'oldLo >> 31'};`,
    ...l.lines,
    `memory.writeRam(offset, ${width}, ${lo}, ${hi});`,
    ...toInteger('oldLo', 'oldHi'),
    'return memory.done();',
  ];
}

function coldEntry(row: Instruction, imports: Set<string>): string {
  const { statement: s } = row;
  if (s.kind === 'call') return `ops[${row.index}] = named.${s.name}; // ${row.name}`;
  let body: string[];
  if (s.kind === 'rd' || s.kind === 'fd') body = coldValue(row, s, imports);
  else if (s.kind === 'amo') body = coldAmo(row, s, imports);
  else if (s.kind === 'load' || s.kind === 'store') body = coldAccess(row, s, imports);
  else throw new Error(`${row.name}: not a row for the table`);
  const text = body.join('\n');
  const name = (n: string): string => (new RegExp(`\\b${n}\\b`).test(text) ? n : `_${n}`);
  return `ops[${row.index}] = (${name('a')}, ${name('b')}, ${name('imm')}) => { // ${row.name}\n${indent(prune(body), 1)}\n};`;
}

const RELOAD = [
  'left = io[4];',
  's = io[5];',
  'start = io[6];',
  'delta = io[7];',
  'pageHi = io[9];',
  'readBank = io[10];',
  'writeBank = io[11];',
  'executeBank = io[12];',
];
const handleEvent = (event: string, length: string): string[] => [
  `exit = boundary.handleEvent(${event}, ${length});`,
  'if (exit >= 0) return exit as Exit;',
  ...RELOAD,
  'continue;',
];

/** The whole of src/generated/ts-core.ts. */
export function generateTsCore(): string {
  const imports = new Set<string>();
  const hot = INSTRUCTIONS.filter(isHot);
  const cold = INSTRUCTIONS.filter(
    (row) => !isHot(row) || row.statement.kind === 'load' || row.statement.kind === 'store',
  );
  const cases = hot.map((row) => `case ${row.index}: { // ${row.name}\n${indent(prune(hotBody(row, imports)), 1)}\n}`);
  const table = cold.map((row) => coldEntry(row, imports));
  const text = `// Generated by build/generate-ts.ts from src/isa. Do not edit.
import type { Exit } from '../isa/layout.ts';
import { RAM_AT } from '../isa/layout.ts';
import type { Loop, LoopParts } from '../core/ts/loop.ts';
import type { Operation } from '../core/ts/operations.ts';
import { io, trap, xh, xl } from '../core/ts/registers.ts';
import { H } from '../core/ts/state.ts';
import { ${[...imports].sort().join(', ')} } from '../core/ts/integer.ts';

/** Makes the loop that executes instructions. */
export function createLoop(parts: LoopParts): Loop {
  const { state, memory, boundary, decoded, tlb, named, softfloat: fp } = parts;
  const { m32, m16, m8 } = state;
  const { code } = decoded;
  const F = H.f;
  const MSTATUS = H.mstatus;
  const FFLAGS = H.fflags;
  const FRM = H.frm;
  const ops: Operation[] = new Array<Operation>(${FIRST_ROW + INSTRUCTIONS.length}).fill(() => -2);
  ops[${PSEUDO_OPS.CROSSING}] = (_a, _b, imm) => boundary.cross(imm);
${indent(table, 1)}

  return function loop(): Exit {
    const h = state.h;
    const f = h + F;
    const alignMask = state.hasCompressed ? 0 : 2;
    const pageMask = -4096 | alignMask;
    let ev = 0;
    let exit = 0;
    let targetLo = 0;
    let targetHi = 0;
    let ${RELOAD.map((l) => l.replace(';', '')).join(', ')};
    for (;;) {
      if (left === 0) {
        io[4] = 0;
        io[5] = s;
${indent(handleEvent('8', '0'), 4)}
      }
      left = (left - 1) | 0;
      const w = code[s];
      jump: {
        far: {
          switch (w & 0x3ff) {
${indent(cases, 6)}
            case ${PSEUDO_OPS.DECODE}: {
              decoded.fill(s);
              left = (left + 1) | 0;
              continue;
            }
            case ${PSEUDO_OPS.PAGE_END}: {
              left = (left + 1) | 0;
              targetLo = (delta + s) | 0;
              targetHi = (pageHi + (targetLo >>> 0 < io[8] >>> 0 ? 1 : 0)) | 0;
              break jump;
            }
          }
          io[4] = left;
          io[5] = s;
          ev = ops[w & 0x3ff]((w >>> 10) & 255, (w >>> 18) & 255, code[s + 1]);
          if (ev === 0) {
            s = (s + (w >>> 29)) | 0;
            continue;
          }
${indent(handleEvent('ev', 'w >>> 29'), 5)}
        }
        const imm = code[s + 1];
        const pc = (delta + s) | 0;
        targetLo = (pc + imm) | 0;
        targetHi = (pageHi + (imm >> 31) + (targetLo >>> 0 < pc >>> 0 ? 1 : 0)) | 0;
      }
      const t = (executeBank + ((targetLo >>> 10) & 0x3fc)) & 0x7ffff;
      if (tlb[t] === (targetLo & -4096) && tlb[t + 1] === targetHi && (targetLo & alignMask) === 0) {
        start = tlb[t + 2];
        s = (start + (targetLo & 0xfff)) | 0;
        delta = (targetLo - s) | 0;
        pageHi = targetHi;
        io[6] = start;
        io[7] = delta;
        io[8] = targetLo & -4096;
        io[9] = pageHi;
        continue;
      }
      io[4] = left;
      io[5] = s;
      if ((targetLo & alignMask) !== 0) ev = trap(0, targetLo, targetHi);
      else {
        io[2] = targetLo;
        io[3] = targetHi;
        ev = 7;
      }
${indent(handleEvent('ev', '0'), 3)}
    }
  };
}
`;
  return text;
}
