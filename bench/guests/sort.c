// Quicksort with the middle of three as pivot, insertion sort for short runs. A unit is 4,096 numbers made and sorted.
#include "bench/guests/bench.h"

enum {
  COUNT = 4096
};

static void insertion_sort(uint32_t* v, int n) {
  for (int i = 1; i < n; ++i) {
    const uint32_t x = v[i];
    int j = i;
    for (; j > 0 && v[j - 1] > x; --j) v[j] = v[j - 1];
    v[j] = x;
  }
}

static uint32_t middle(uint32_t a, uint32_t b, uint32_t c) {
  if (a > b) return b > c ? b : (a > c ? c : a);
  return a > c ? a : (b > c ? c : b);
}

static void quicksort(uint32_t* v, int n) {
  while (n > 12) {
    const uint32_t pivot = middle(v[0], v[n / 2], v[n - 1]);
    int i = 0;
    int j = n - 1;
    while (i <= j) {
      while (v[i] < pivot) ++i;
      while (v[j] > pivot) --j;
      if (i <= j) {
        const uint32_t x = v[i];
        v[i++] = v[j];
        v[j--] = x;
      }
    }
    quicksort(v, j + 1);
    v += i;
    n -= i;
  }
  insertion_sort(v, n);
}

uint32_t row_sort(uint32_t units) {
  static uint32_t values[COUNT];
  uint32_t random = 7;
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (int i = 0; i < COUNT; ++i) values[i] = bench_random(&random);
    quicksort(values, COUNT);
    sum = bench_mix(sum, values[unit % COUNT]);
  }
  bench_end();
  for (int i = 1; i < COUNT; ++i) {
    if (values[i - 1] > values[i]) return 0;
  }
  return sum;
}
