#include <math.h>
#include <string.h>
#include "programs.h"

static unsigned long bits(double x)
{
    unsigned long r;
    memcpy(&r, &x, sizeof r);
    return r;
}

/* Five bodies under gravity, 1,000 steps a unit. */
unsigned long nbody(unsigned long scale)
{
    double x[5][3], v[5][3], m[5];
    for (int i = 0; i < 5; i++) {
        m[i] = 1.0 / (1 + i * i);
        for (int k = 0; k < 3; k++) {
            x[i][k] = i * (k + 1) * 1.1 + k;
            v[i][k] = (i - 2) * 0.1 / (k + 1);
        }
    }
    for (scale *= 1000; scale--;) {
        for (int i = 0; i < 5; i++)
            for (int j = i + 1; j < 5; j++) {
                double d[3], r2 = 0.01;
                for (int k = 0; k < 3; k++) {
                    d[k] = x[i][k] - x[j][k];
                    r2 += d[k] * d[k];
                }
                double f = 0.001 / (r2 * sqrt(r2));
                for (int k = 0; k < 3; k++) {
                    v[i][k] -= d[k] * m[j] * f;
                    v[j][k] += d[k] * m[i] * f;
                }
            }
        for (int i = 0; i < 5; i++)
            for (int k = 0; k < 3; k++) x[i][k] += 0.001 * v[i][k];
    }
    return bits(x[0][0]) ^ bits(v[4][2]);
}

/* Product of two 96 × 96 matrices of doubles. */
unsigned long matrix(unsigned long scale)
{
    enum { N = 96 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = 1.0 / (i + j + 1);
            b[i][j] = (i - j) * 0.25;
        }
    while (scale--) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double s = 0;
                for (int k = 0; k < N; k++) s += a[i][k] * b[k][j];
                c[i][j] = s;
            }
        a[scale % N][0] += c[1][2] * 1e-9;
    }
    return bits(c[N - 1][N - 1]);
}

/* Escape times in single precision. */
unsigned long mandelbrot(unsigned long scale)
{
    unsigned long sum = 0;
    while (scale--)
        for (int py = 0; py < 100; py++)
            for (int px = 0; px < 100; px++) {
                float cx = px * 0.03f - 2.0f, cy = py * 0.02f - 1.0f, x = 0, y = 0;
                int n = 0;
                for (; n < 100 && x * x + y * y < 4.0f; n++) {
                    float t = x * x - y * y + cx;
                    y = 2 * x * y + cy;
                    x = t;
                }
                sum += n;
            }
    return sum;
}
