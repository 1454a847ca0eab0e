import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Programs of the family `real`, as bench/real/programs.sh names them. */
export const REAL_PROGRAMS = [
  'python-start',
  'python-json',
  'python-structures',
  'python-regexp',
  'python-recursion',
  'python-text',
  'sqlite',
  'gcc',
  'make',
  'sort',
  'grep',
  'sed',
  'awk',
  'gzip',
  'shell',
] as const;

/** The guest's shell command that runs the programs, each twice. */
export function realCommand(root: string, programs: readonly string[]): string {
  return `PROGRAMS='${programs.join(' ')}'\n${readFileSync(join(root, 'bench/real/programs.sh'), 'utf8')}`;
}
