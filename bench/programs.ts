/** Families of the programs in bench/guest. */
export const FAMILIES = ['integer', 'memory', 'float', 'system'] as const;

/** A guest program of the benchmark: its name in bench/guest and how much of it to do. */
export interface Program {
  readonly name: string;
  readonly kind: (typeof FAMILIES)[number];
  /** Units of work; chosen to take around 100 million instructions. */
  readonly scale: number;
}

export const PROGRAMS: readonly Program[] = [
  { name: 'sieve', kind: 'integer', scale: 10 },
  { name: 'strings', kind: 'integer', scale: 100 },
  { name: 'hash', kind: 'integer', scale: 10 },
  { name: 'sort', kind: 'integer', scale: 15 },
  { name: 'interpreter', kind: 'integer', scale: 40 },
  { name: 'recursion', kind: 'integer', scale: 15 },
  { name: 'chase', kind: 'memory', scale: 5 },
  { name: 'memory', kind: 'memory', scale: 10 },
  { name: 'nbody', kind: 'float', scale: 80 },
  { name: 'matrix', kind: 'float', scale: 20 },
  { name: 'mandelbrot', kind: 'float', scale: 30 },
  { name: 'syscalls', kind: 'system', scale: 20 },
  { name: 'pipes', kind: 'system', scale: 60 },
  { name: 'forks', kind: 'system', scale: 40 },
];
