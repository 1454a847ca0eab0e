/* One benchmark: does `scale` units of work and returns a value that depends on all of it. */
typedef unsigned long (*program)(unsigned long scale);

unsigned long sieve(unsigned long scale);
unsigned long strings(unsigned long scale);
unsigned long hash(unsigned long scale);
unsigned long sort(unsigned long scale);
unsigned long chase(unsigned long scale);
unsigned long interpreter(unsigned long scale);
unsigned long recursion(unsigned long scale);
unsigned long memory(unsigned long scale);
unsigned long nbody(unsigned long scale);
unsigned long matrix(unsigned long scale);
unsigned long mandelbrot(unsigned long scale);
unsigned long syscalls(unsigned long scale);
unsigned long pipes(unsigned long scale);
unsigned long forks(unsigned long scale);
