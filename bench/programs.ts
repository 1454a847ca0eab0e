/** Families of the programs in bench/guest. */
export const FAMILIES = ['integer', 'memory', 'float', 'system'] as const;

/** A guest program of the benchmark: its name in bench/guest and how much of it to do. */
export interface Program {
  readonly name: string;
  readonly kind: (typeof FAMILIES)[number];
  /**
   * Units of work; chosen so that QEMU takes a second or so: the time of one thread is read in steps of a few milliseconds, and what takes less
   * measures how soon code is translated. System calls take what they did, because their time is not code's.
   */
  readonly scale: number;
}

export const PROGRAMS: readonly Program[] = [
  { name: 'sieve', kind: 'integer', scale: 100 },
  { name: 'strings', kind: 'integer', scale: 1500 },
  { name: 'hash', kind: 'integer', scale: 150 },
  { name: 'sort', kind: 'integer', scale: 100 },
  { name: 'interpreter', kind: 'integer', scale: 500 },
  { name: 'recursion', kind: 'integer', scale: 250 },
  { name: 'chase', kind: 'memory', scale: 5 },
  { name: 'memory', kind: 'memory', scale: 80 },
  { name: 'nbody', kind: 'float', scale: 600 },
  { name: 'matrix', kind: 'float', scale: 140 },
  { name: 'mandelbrot', kind: 'float', scale: 50 },
  { name: 'syscalls', kind: 'system', scale: 60 },
  { name: 'pipes', kind: 'system', scale: 60 },
  { name: 'forks', kind: 'system', scale: 40 },
];
