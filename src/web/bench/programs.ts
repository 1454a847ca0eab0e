/** Programs of the bench, in the order of programs/start.c: those of bench/guest that need no operating system. */
export const PROGRAMS = [
  { name: 'sieve', about: 'primes below a million', kind: 'integer', scale: 1 },
  { name: 'hash', about: 'SHA-256', kind: 'integer', scale: 1 },
  { name: 'recursion', about: 'naive Fibonacci', kind: 'integer', scale: 1 },
  { name: 'interpreter', about: 'a stack machine, by a switch', kind: 'integer', scale: 3 },
  { name: 'nbody', about: 'five bodies under gravity', kind: 'float', scale: 8 },
  { name: 'matrix', about: 'a product of matrices of doubles', kind: 'float', scale: 1 },
  { name: 'mandelbrot', about: 'escape times, in single precision', kind: 'float', scale: 1 },
] as const;
export type ProgramName = (typeof PROGRAMS)[number]['name'];
