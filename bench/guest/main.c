/* bench NAME SCALE: runs one program between two marker lines, so that the host can take the time and count instructions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "programs.h"

static const struct { const char *name; program run; } programs[] = {
    {"sieve", sieve}, {"strings", strings}, {"hash", hash}, {"sort", sort}, {"chase", chase}, {"interpreter", interpreter},
    {"recursion", recursion}, {"memory", memory}, {"nbody", nbody}, {"matrix", matrix}, {"mandelbrot", mandelbrot},
    {"syscalls", syscalls}, {"pipes", pipes}, {"forks", forks},
};

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench NAME SCALE\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (strcmp(programs[i].name, argv[1])) continue;
        printf("bench:begin %s\n", argv[1]);
        fflush(stdout);
        unsigned long value = programs[i].run(strtoul(argv[2], 0, 10));
        printf("bench:end %s %lx\n", argv[1], value);
        return 0;
    }
    fprintf(stderr, "bench: no program %s\n", argv[1]);
    return 2;
}
