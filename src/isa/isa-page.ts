import { COMPRESSED } from './compressed.ts';
import { CSRS } from './csrs.ts';
import { EXTENSIONS, type Instruction } from './instruction.ts';
import { INSTRUCTION_BY_NAME, INSTRUCTIONS } from './instructions.ts';
import { PSEUDO_INSTRUCTIONS } from './pseudo.ts';

const code = (text: string): string => (text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``);
const bits = (n: number, digits: number): string => `0x${(n >>> 0).toString(16).padStart(digits, '0')}`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((r) => `| ${r.join(' | ')} |`),
  ].join('\n');
}

function chapter(reference: string, rows: readonly Instruction[]): string {
  return `### ${reference}\n\n${table(
    ['Instruction', 'Operands', 'Extension', 'Match', 'Mask', 'Meaning'],
    rows.map((r) => [
      code(r.name),
      code(r.syntax),
      r.extension,
      code(bits(r.match, 8)),
      code(bits(r.mask, 8)),
      code(r.semantics),
    ]),
  )}`;
}

/** The architecture as a page of Markdown (docs/isa.md), made from the tables. */
export function isaPage(): string {
  const chapters = new Map<string, Instruction[]>();
  for (const row of INSTRUCTIONS) chapters.set(row.reference, [...(chapters.get(row.reference) ?? []), row]);
  const compressed = COMPRESSED.map((c) => [
    code(c.name),
    code(c.syntax),
    code(bits(c.match, 4)),
    code(bits(c.mask, 4)),
    code(c.expands),
    [c.require ?? '', c.fp ? INSTRUCTION_BY_NAME.get(c.expands)!.extension : ''].filter((t) => t !== '').join(', '),
  ]);
  const csrs = CSRS.map((c) => {
    const last = c.count === undefined ? '' : `–${bits(c.number + c.count - 1, 3)}`;
    const kind =
      c.constant !== undefined
        ? `reads ${c.constant}`
        : c.write !== undefined
          ? `writable ${bits64(c.write)}`
          : 'special';
    return [
      code(c.count === undefined ? c.name : `${c.name}${c.first ?? 0}…`),
      `${bits(c.number, 3)}${last}`,
      c.extension ?? '',
      kind,
      c.reference,
    ];
  });
  return `# The instruction set

Made from the tables in \`src/isa\` by \`src/isa/isa-page.ts\`: do not edit. The language of the meanings is in \`src/isa/semantics.ts\`, the choices the
specifications leave are in [core-semantics.md](core-semantics.md).

Extensions: ${EXTENSIONS.join(', ')}. ${INSTRUCTIONS.length} instructions, ${COMPRESSED.length} compressed forms, ${PSEUDO_INSTRUCTIONS.length} pseudo-instructions.

## Instructions

${[...chapters].map(([reference, rows]) => chapter(reference, rows)).join('\n\n')}

## Compressed instructions

In decoding order; the last column is what must hold besides the match.

${table(['Instruction', 'Operands', 'Match', 'Mask', 'Stands for', 'Requires'], compressed)}

## Pseudo-instructions

What the disassembler writes for instructions whose operands have particular values.

${table(
  ['Written', 'Operands', 'Instruction'],
  PSEUDO_INSTRUCTIONS.map((p) => [code(p.name), code(p.syntax), code(p.row)]),
)}

## Control and status registers

${table(['CSR', 'Number', 'Extension', 'Bits', 'Reference'], csrs)}
`;
}

const bits64 = (v: bigint): string => `0x${v.toString(16)}`;
