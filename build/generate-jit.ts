import { FUNCTIONS } from '../src/isa/semantics.ts';
import { CSR_DONE, LEAVE } from '../src/jit/abi.ts';
import * as area from '../src/jit/area.ts';
import { FLOAT_FUNCTIONS } from '../src/jit/float.ts';

const HEADER = '// Generated from src/jit by build/generate-jit.ts: change the tables, not this file.\n';
const constantName = (s: string): string => s.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();

/** AssemblyScript constants of the translator's area and calling convention. */
export function jitLayoutSource(): string {
  const lines = [HEADER];
  const constant = (name: string, type: string, value: number): void => {
    lines.push(`// @ts-ignore: decorator\n@inline export const ${name}: ${type} = ${value};`);
  };
  for (const [name, value] of Object.entries(area)) if (typeof value === 'number') constant(name, 'u32', value);
  for (const [name, value] of Object.entries(LEAVE)) constant(`LEAVE_${name}`, 'i32', value);
  for (const [name, value] of Object.entries(CSR_DONE)) constant(`CSR_DONE_${name}`, 'u32', value);
  for (const [group, fields] of Object.entries({
    ENTRY: area.ENTRY,
    JUMP: area.JUMP,
    REQUEST: area.REQUEST,
    COUNT: area.COUNT,
  })) {
    for (const [field, offset] of Object.entries(fields)) constant(`${group}_${constantName(field)}`, 'usize', offset);
  }
  return `${lines.join('\n')}\n`;
}

/** One function over all floating-point functions, by number. */
export function jitFloatSource(): string {
  const cases = FLOAT_FUNCTIONS.map((name, i) => {
    const { args, rm, result } = FUNCTIONS[name].fp!;
    const operands = args.map((k, n) => (k === 'f32' ? `<u32>${'abc'[n]}` : 'abc'[n]));
    const call = `${name}(${[...operands, ...(rm ? ['rm'] : [])].join(', ')})`;
    return `    case ${i}: return ${result === 'f32' ? `<u64>${call}` : call};`;
  });
  return `${HEADER}import { ${FLOAT_FUNCTIONS.join(', ')} } from "../softfloat";

/** @returns the result's bits, not boxed; flags accumulate in the softfloat's fflags. */
export function floatByNumber(n: u32, a: u64, b: u64, c: u64, rm: u32): u64 {
  switch (n) {
${cases.join('\n')}
    default: return 0;
  }
}
`;
}
