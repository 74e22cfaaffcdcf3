// Numbers of 1,024 bits: products by mul and adc, sums, differences, shifts. A unit is x = x * x + c, folded to 1,024
// bits.
#include "bench/guests/bench.h"

enum {
  LIMBS = 32
};

// to[0..n] += from[0..n) * factor
static void add_product(uint32_t* to, const uint32_t* from, uint32_t factor) {
  uint32_t carry = 0;
  for (int i = 0; i < LIMBS; ++i) {
    const uint64_t sum = (uint64_t)from[i] * factor + to[i] + carry;
    to[i] = (uint32_t)sum;
    carry = (uint32_t)(sum >> 32);
  }
  to[LIMBS] = carry;
}

// The carry stays in the flag from limb to limb: lea and dec leave it.
static void add(uint32_t* to, const uint32_t* from) {
  uint32_t n = LIMBS;
  uint32_t scratch;
  __asm__ volatile(
      "clc\n"
      "1: mov (%[from]), %[scratch]\n\t"
      "adc %[scratch], (%[to])\n\t"
      "lea 4(%[from]), %[from]\n\t"
      "lea 4(%[to]), %[to]\n\t"
      "dec %[n]\n\t"
      "jnz 1b"
      : [to] "+r"(to), [from] "+r"(from), [n] "+r"(n), [scratch] "=&r"(scratch)::"memory", "cc");
}

static void subtract(uint32_t* to, const uint32_t* from) {
  uint32_t n = LIMBS;
  uint32_t scratch;
  __asm__ volatile(
      "clc\n"
      "1: mov (%[from]), %[scratch]\n\t"
      "sbb %[scratch], (%[to])\n\t"
      "lea 4(%[from]), %[from]\n\t"
      "lea 4(%[to]), %[to]\n\t"
      "dec %[n]\n\t"
      "jnz 1b"
      : [to] "+r"(to), [from] "+r"(from), [n] "+r"(n), [scratch] "=&r"(scratch)::"memory", "cc");
}

static void shift_left(uint32_t* x, uint8_t bits) {
  for (int i = LIMBS - 1; i > 0; --i) {
    __asm__("shldl %%cl, %[low], %[high]" : [high] "+r"(x[i]) : [low] "r"(x[i - 1]), "c"(bits) : "cc");
  }
  x[0] <<= bits;
}

uint32_t row_bignum(uint32_t units) {
  static uint32_t x[LIMBS], c[LIMBS], product[2 * LIMBS + 1];
  uint32_t random = 23;
  for (int i = 0; i < LIMBS; ++i) x[i] = bench_random(&random) << 8, c[i] = bench_random(&random) << 8 | 1;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (int i = 0; i <= 2 * LIMBS; ++i) product[i] = 0;
    for (int i = 0; i < LIMBS; ++i) add_product(product + i, x, x[i]);
    for (int i = 0; i < LIMBS; ++i) x[i] = product[i];
    add(x, product + LIMBS);
    shift_left(x, (uint8_t)(unit % 31 + 1));
    subtract(x, c);
    x[0] |= 1;
  }
  bench_end();
  uint32_t sum = 0;
  for (int i = 0; i < LIMBS; ++i) sum = bench_mix(sum, x[i]);
  return sum;
}
