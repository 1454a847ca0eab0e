import { disassemble } from '../../../src/isa/disassemble.ts';
import type { Case } from './cases.ts';
import { codeAddress, type Image } from './image.ts';
import {
  CODE,
  CODE_STRIDE,
  DATA,
  DATA_SIZE,
  LOG_ENTRIES,
  LOG_WORDS,
  OUTPUT,
  OUTPUT_CSRS,
  OUTPUT_STRIDE,
  OUTPUTS,
  TABLES,
  TABLES_SIZE,
} from './layout.ts';

/** Bits of dumped CSRs that differ by design: docs/oracle-differences.md. */
const IGNORED: Partial<Record<keyof typeof OUTPUT_CSRS | 'mstatus', bigint>> = {
  menvcfg: 1n << 61n,
  mstatus: 3n << 9n,
};

/**
 * Causes as they would be if QEMU 7.2 took an AMO's access for what it is, a store (privileged ISA, "Machine Cause Register", table of
 * exception codes: 6, 7 and 15 are "Store/AMO …").
 */
function causeOf(cause: bigint, word: number): bigint {
  const amo = (word & 0x7f) === 0x2f && word >>> 27 !== 2;
  if (!amo) return cause;
  return cause === 4n ? 6n : cause === 5n ? 7n : cause === 13n ? 15n : cause;
}

export interface Difference {
  readonly index: number;
  readonly text: string;
}

const hex = (v: bigint): string => v.toString(16).padStart(16, '0');

function wordName(word: number): string {
  if (word < OUTPUT.f) return `x${word}`;
  if (word < OUTPUT.csrs) return `f${word - OUTPUT.f}`;
  if (word < OUTPUT.log) return Object.keys(OUTPUT_CSRS)[word - OUTPUT.csrs] ?? 'unused';
  const entry = Math.floor((word - OUTPUT.log) / LOG_WORDS);
  return `trap ${entry} ${['mcause', 'mepc', 'mtval', 'mstatus'][(word - OUTPUT.log) % LOG_WORDS]}`;
}

/** The instruction of a case at an address in whichever address space. */
const instruction = (c: Case, address: bigint): number => c.code[Number(address & BigInt(CODE_STRIDE - 1)) >> 2] ?? 0;

function listing(index: number, c: Case): string {
  const at = BigInt(codeAddress(index));
  return c.code
    .map((word, i) => {
      const pc = at + BigInt(4 * i);
      const first = disassemble(word, pc);
      const second = (word & 3) === 3 ? '' : `; ${disassemble(word >>> 16, pc + 2n).text}`;
      return `  ${pc.toString(16)} ${(word >>> 0).toString(16).padStart(8, '0')} ${first.text}${second}`;
    })
    .join('\n');
}

/** What two runs of an image left that is not the same, case by case, then page tables and data. */
export function differences(image: Image, qemu: Uint8Array, core: Uint8Array): Difference[] {
  const out: Difference[] = [];
  const q = new DataView(qemu.buffer, qemu.byteOffset),
    m = new DataView(core.buffer, core.byteOffset);
  image.cases.forEach((c, index) => {
    const lines: string[] = [];
    for (let word = 0; word < OUTPUT.log + LOG_ENTRIES * LOG_WORDS; word++) {
      const at = OUTPUTS + index * OUTPUT_STRIDE + 8 * word;
      const name = wordName(word);
      const key = name.startsWith('trap') ? name.split(' ')[2] : name;
      const mask = ~(IGNORED[key as keyof typeof IGNORED] ?? 0n);
      let left = q.getBigUint64(at, true);
      const right = m.getBigUint64(at, true);
      if (key === 'mcause' && left !== right) left = causeOf(left, instruction(c, q.getBigUint64(at + 8, true)));
      if (key === 'scause' && left !== right) left = causeOf(left, instruction(c, q.getBigUint64(at - 8, true)));
      // a breakpoint's trap value: its address here, 0 there (privileged ISA, "Machine Trap Value Register")
      if (key === 'mtval' && right !== left && left === 0n && q.getBigUint64(at - 16, true) === 3n)
        left = q.getBigUint64(at - 8, true);
      if (key === 'stval' && right !== left && left === 0n && q.getBigUint64(at - 8, true) === 3n)
        left = q.getBigUint64(at - 16, true);
      // an illegal instruction's bits, which QEMU leaves out of some (may be zero by the same section)
      if (key === 'mtval' && left === 0n && q.getBigUint64(at - 16, true) === 2n) left = right;
      if (key === 'stval' && left === 0n && q.getBigUint64(at - 8, true) === 2n) left = right;
      if ((left & mask) !== (right & mask)) lines.push(`  ${name}: QEMU ${hex(left)}, core ${hex(right)}`);
    }
    if (
      Buffer.compare(
        qemu.subarray(CODE + index * CODE_STRIDE, CODE + (index + 1) * CODE_STRIDE),
        core.subarray(CODE + index * CODE_STRIDE, CODE + (index + 1) * CODE_STRIDE),
      ) !== 0
    )
      lines.push('  the code itself');
    if (lines.length > 0)
      out.push({ index, text: `case ${index} (${c.kind})\n${lines.join('\n')}\n${listing(index, c)}` });
  });
  for (const [name, from, size] of [
    ['table', TABLES, TABLES_SIZE],
    ['data', DATA, DATA_SIZE],
  ] as const) {
    for (let at = from; at < from + size; at += 8) {
      const left = q.getBigUint64(at, true),
        right = m.getBigUint64(at, true);
      // an AMO is a load and then a store there: the load sets A though the store faults (allowed: "Supervisor", A and D bits)
      if (name === 'table' && left === (right | 0x40n)) continue;
      if (left !== right)
        out.push({ index: -1, text: `${name} at ${at.toString(16)}: QEMU ${hex(left)}, core ${hex(right)}` });
    }
  }
  return out;
}
