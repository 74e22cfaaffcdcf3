// Calls and returns: Fibonacci numbers and Takeuchi's function. A unit is fibonacci(15) and tak(8, 4, 2).
#include "bench/guests/bench.h"

static uint32_t __attribute__((noinline)) fibonacci(uint32_t n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static int __attribute__((noinline)) tak(int x, int y, int z) {
  return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

uint32_t row_recursion(uint32_t units) {
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    sum = bench_mix(sum, fibonacci(15 + unit % 2));
    sum = bench_mix(sum, (uint32_t)tak(8, 4, (int)(unit % 3)));
  }
  bench_end();
  return sum;
}
