// A product of matrices in x87 arithmetic. A unit is one product of two matrices of 32 by 32, scaled and rounded.
#include <string.h>

#include "bench/guests/bench.h"

enum {
  N = 32
};

uint32_t row_matrix_x87(uint32_t units) {
  static double a[N][N], b[N][N], c[N][N];
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < N; ++j) a[i][j] = 1.0 / (i + j + 1), b[i][j] = (double)(i - j) / N;
  }
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (int i = 0; i < N; ++i) {
      for (int j = 0; j < N; ++j) {
        double sum = 0;
        for (int k = 0; k < N; ++k) sum += a[i][k] * b[k][j];
        c[i][j] = sum;
      }
    }
    const double scale = 1.0 / (1.0 + __builtin_fabs(c[1][2]));
    for (int i = 0; i < N; ++i) {
      for (int j = 0; j < N; ++j) a[i][j] = c[i][j] * scale + 0.25;
    }
  }
  bench_end();
  uint32_t sum = 0;
  for (int i = 0; i < N; ++i) {
    uint32_t words[2];
    memcpy(words, &a[i][i], sizeof words);
    sum = bench_mix(bench_mix(sum, words[0]), words[1]);
  }
  return sum;
}
