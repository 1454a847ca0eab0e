/*
 * Programs of bench/guest without an operating system: a hart in M-mode begins at start with the program's number in a0 and its scale in a1, and waits
 * for an interrupt that never comes when the program has ended, its value in a0.
 */
#include <stddef.h>
#include "../../../../bench/guest/programs.h"

/* In the order of PROGRAMS in programs.ts. */
static const program programs[] = {sieve, hash, recursion, interpreter, nbody, matrix, mandelbrot};

__attribute__((naked, section(".start"))) void start(void)
{
    __asm__("la sp, stack_end\n"
            "li t0, 0x6000\n" /* mstatus.FS: floating point is on */
            "csrs mstatus, t0\n"
            "call run\n"
            "1: wfi\n"
            "j 1b\n");
}

unsigned long run(unsigned long number, unsigned long scale) { return programs[number](scale); }

double sqrt(double x)
{
    __asm__("fsqrt.d %0, %0" : "+f"(x));
    return x;
}

/* What the compiler calls by itself. */
void *memset(void *to, int value, size_t n)
{
    for (unsigned char *p = to; n--;) *p++ = value;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    const unsigned char *q = from;
    for (unsigned char *p = to; n--;) *p++ = *q++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((unsigned char *)to < (const unsigned char *)from) return memcpy(to, from, n);
    for (; n--;) ((unsigned char *)to)[n] = ((const unsigned char *)from)[n];
    return to;
}
