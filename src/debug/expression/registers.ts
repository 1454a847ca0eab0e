import { CSR_NAMES, FLOAT_REGISTERS, INTEGER_REGISTERS } from '../../isa/names.ts';
import { CSR, F, PC, PRV, type RegisterId, X } from '../../machine/view/machine-view.ts';

const NAMES: ReadonlyMap<string, RegisterId> = new Map<string, RegisterId>([
  ...INTEGER_REGISTERS.map((n, i) => [n, X(i)] as const),
  ...INTEGER_REGISTERS.map((_, i) => [`x${i}`, X(i)] as const),
  ['fp', X(8)],
  ...FLOAT_REGISTERS.map((n, i) => [n, F(i)] as const),
  ...[...CSR_NAMES].map(([n, name]) => [name, CSR(n)] as const),
  ['pc', PC],
  ['prv', PRV],
]);

/** The register of a name, with or without `$`. */
export const registerNamed = (name: string): RegisterId | undefined => NAMES.get(name.replace(/^\$/, ''));

/** Names of registers that begin with a text. */
export const registersWith = (prefix: string): string[] => [...NAMES.keys()].filter((n) => n.startsWith(prefix));
