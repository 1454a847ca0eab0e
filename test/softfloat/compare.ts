/** Says where two lists of outcomes differ, in words that let the case be repeated by hand. */
import { CASE_BYTES, NATIVE, OUTCOME_BYTES, operations, roundingModes } from './operations.ts';

const flagNames = ['NX', 'UF', 'OF', 'DZ', 'NV'];

function describeFlags(flags: number): string {
  return flagNames.filter((_, bit) => (flags >> bit) & 1).join('|') || '-';
}

/**
 * The first differences, at most `limit`, and how many there are. Of the variants for "NX already
 * set", NX itself is not compared.
 */
export function differences(
  cases: Uint8Array,
  one: Uint8Array,
  other: Uint8Array,
  names: readonly [string, string],
  limit = 10,
): { total: number; shown: string[] } {
  const input = new DataView(cases.buffer, cases.byteOffset);
  const a = new DataView(one.buffer, one.byteOffset);
  const b = new DataView(other.buffer, other.byteOffset);
  const shown: string[] = [];
  let total = 0;
  for (let i = 0, n = cases.length / CASE_BYTES; i < n; i++) {
    const at = i * OUTCOME_BYTES;
    const mode = input.getUint32(i * CASE_BYTES + 4, true);
    const assumed = mode === NATIVE ? 1 : 0;
    const flagsA = a.getUint32(at + 8, true) | assumed;
    const flagsB = b.getUint32(at + 8, true) | assumed;
    if (
      a.getUint32(at, true) === b.getUint32(at, true) &&
      a.getUint32(at + 4, true) === b.getUint32(at + 4, true) &&
      flagsA === flagsB
    )
      continue;
    if (total++ >= limit) continue;
    const { instruction, takes } = operations[input.getUint32(i * CASE_BYTES, true)]!;
    const hex = (view: DataView, offset: number) => `0x${view.getBigUint64(offset, true).toString(16)}`;
    const operands = takes.map((_, k) => hex(input, i * CASE_BYTES + 8 + 8 * k)).join(', ');
    shown.push(
      `${instruction}(${operands}) ${assumed ? 'NX set' : roundingModes[mode]}: ` +
        `${names[0]} ${hex(a, at)} ${describeFlags(flagsA)}, ${names[1]} ${hex(b, at)} ${describeFlags(flagsB)}`,
    );
  }
  return { total, shown };
}
