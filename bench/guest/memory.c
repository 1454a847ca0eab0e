#include <stdlib.h>
#include <string.h>
#include "programs.h"

/* Builds and searches text: formatted numbers, copies, comparisons. */
unsigned long strings(unsigned long scale)
{
    static char text[65536];
    unsigned long sum = 0;
    for (; scale--;) {
        char *p = text;
        for (unsigned i = 0; p < text + sizeof text - 32; i++) {
            unsigned n = i * 2654435761u;
            do *p++ = '0' + n % 10; while (n /= 10);
            *p++ = i % 7 ? ' ' : '\n';
        }
        *p = 0;
        for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
            *end = 0;
            sum += strlen(line) + (strstr(line, "42") != 0) + (strcmp(line, "5") < 0);
        }
    }
    return sum;
}

/* Follows a random cycle through 4 MiB. */
unsigned long chase(unsigned long scale)
{
    enum { N = 1 << 19 };
    unsigned long *next = malloc(N * sizeof *next), seed = 7, at = 0;
    for (unsigned long i = 0; i < N; i++) next[i] = i;
    for (unsigned long i = N - 1; i > 0; i--) {
        seed = seed * 6364136223846793005ul + 1442695040888963407ul;
        unsigned long j = (seed >> 33) % i, t = next[i];
        next[i] = next[j];
        next[j] = t;
    }
    for (scale *= 1000000; scale--;) at = next[at];
    free(next);
    return at;
}

/* Streams: copy, scale and sum over 8 MiB. */
unsigned long memory(unsigned long scale)
{
    enum { N = 1 << 19 };
    unsigned long *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b), sum = 0;
    for (unsigned long i = 0; i < N; i++) a[i] = i;
    while (scale--) {
        memcpy(b, a, N * sizeof *a);
        for (unsigned long i = 0; i < N; i++) a[i] = b[i] * 3 + scale;
        for (unsigned long i = 0; i < N; i++) sum += a[i];
    }
    free(a);
    free(b);
    return sum;
}
