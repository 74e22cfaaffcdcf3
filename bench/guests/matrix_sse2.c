// A product of matrices in SSE2 arithmetic, two numbers at a time. A unit is one product of two matrices of 32 by 32.
#include <emmintrin.h>
#include <string.h>

#include "bench/guests/bench.h"

enum {
  N = 32
};

uint32_t row_matrix_sse2(uint32_t units) {
  static double a[N][N] __attribute__((aligned(16)));
  static double b[N][N] __attribute__((aligned(16)));
  static double c[N][N] __attribute__((aligned(16)));
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < N; ++j) a[i][j] = 1.0 / (i + j + 1), b[i][j] = (double)(i - j) / N;
  }
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (int i = 0; i < N; ++i) {
      for (int j = 0; j < N; j += 4) {
        __m128d low = _mm_setzero_pd();
        __m128d high = _mm_setzero_pd();
        for (int k = 0; k < N; ++k) {
          const __m128d factor = _mm_set1_pd(a[i][k]);
          low = _mm_add_pd(low, _mm_mul_pd(factor, _mm_load_pd(&b[k][j])));
          high = _mm_add_pd(high, _mm_mul_pd(factor, _mm_load_pd(&b[k][j + 2])));
        }
        _mm_store_pd(&c[i][j], low);
        _mm_store_pd(&c[i][j + 2], high);
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
