#include <stdlib.h>
#include <string.h>
#include "programs.h"

/* Primes below 1,000,000, `scale` times. */
unsigned long sieve(unsigned long scale)
{
    enum { N = 1000000 };
    static unsigned char composite[N];
    unsigned long sum = 0;
    while (scale--) {
        memset(composite, 0, N);
        for (unsigned i = 2; i * i < N; i++)
            if (!composite[i])
                for (unsigned j = i * i; j < N; j += i) composite[j] = 1;
        for (unsigned i = 2; i < N; i++) sum += composite[i] ? 0 : i;
    }
    return sum;
}

static unsigned rotr(unsigned x, int n) { return x >> n | x << (32 - n); }

/* SHA-256 compressions of a changing block. */
unsigned long hash(unsigned long scale)
{
    static unsigned k[64];
    unsigned h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned w[64];
    for (unsigned i = 0; i < 64; i++) k[i] = i * 2654435761u ^ 0x428a2f98;
    for (scale *= 1000; scale--;) {
        for (unsigned i = 0; i < 16; i++) w[i] = h[i & 7] + i;
        for (unsigned i = 16; i < 64; i++) {
            unsigned a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] + (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
        }
        unsigned v[8];
        memcpy(v, h, sizeof v);
        for (unsigned i = 0; i < 64; i++) {
            unsigned t1 = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            unsigned t2 = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (unsigned i = 0; i < 8; i++) h[i] += v[i];
    }
    return h[0] ^ h[7];
}

static int ascending(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

/* qsort of 20,000 numbers. */
unsigned long sort(unsigned long scale)
{
    enum { N = 20000 };
    static unsigned values[N];
    unsigned long seed = 1, sum = 0;
    while (scale--) {
        for (int i = 0; i < N; i++) values[i] = (seed = seed * 6364136223846793005ul + 1442695040888963407ul) >> 33;
        qsort(values, N, sizeof *values, ascending);
        sum += values[N / 2];
    }
    return sum;
}

static unsigned long fib(unsigned long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

/* Naive Fibonacci. */
unsigned long recursion(unsigned long scale)
{
    unsigned long sum = 0;
    while (scale--) sum += fib(27 + (scale & 1));
    return sum;
}

/* A small stack machine, dispatched by a switch, counting primes by trial division. */
unsigned long interpreter(unsigned long scale)
{
    enum { PUSH, LOAD, STORE, ADD, MOD, LESS, MUL, JUMPZ, JUMP, HALT };
    short p[64];
    int at = 0;
#define E(x) p[at++] = (x)
    E(PUSH); E(2); E(STORE); E(0);
    int outer = at;
    E(LOAD); E(0); E(PUSH); E(1200); E(LESS); E(JUMPZ); int done = at++;
    E(PUSH); E(2); E(STORE); E(1);
    int inner = at;
    E(LOAD); E(1); E(LOAD); E(1); E(MUL); E(LOAD); E(0); E(PUSH); E(1); E(ADD); E(LESS); E(JUMPZ); int prime = at++;
    E(LOAD); E(0); E(LOAD); E(1); E(MOD); E(JUMPZ); int next1 = at++;
    E(LOAD); E(1); E(PUSH); E(1); E(ADD); E(STORE); E(1); E(JUMP); E(inner);
    p[prime] = at;
    E(LOAD); E(2); E(PUSH); E(1); E(ADD); E(STORE); E(2);
    p[next1] = at;
    E(LOAD); E(0); E(PUSH); E(1); E(ADD); E(STORE); E(0); E(JUMP); E(outer);
    p[done] = at;
    E(HALT);
#undef E
    unsigned long sum = 0;
    while (scale--) {
        long var[3] = {0, 0, 0}, stack[8], *top = stack;
        for (int pc = 0;;) {
            switch (p[pc++]) {
            case PUSH: *top++ = p[pc++]; continue;
            case LOAD: *top++ = var[p[pc++]]; continue;
            case STORE: var[p[pc++]] = *--top; continue;
            case ADD: top--; top[-1] += *top; continue;
            case MUL: top--; top[-1] *= *top; continue;
            case MOD: top--; top[-1] %= *top; continue;
            case LESS: top--; top[-1] = top[-1] < *top; continue;
            case JUMPZ: pc = *--top ? pc + 1 : p[pc]; continue;
            case JUMP: pc = p[pc]; continue;
            case HALT: break;
            }
            break;
        }
        sum += var[2];
    }
    return sum;
}
