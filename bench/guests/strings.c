// String instructions: rep movs, stos, repe cmps, repne scas, and lods in a loop, on 16 to 4,096 bytes. A unit is one
// round of all of them.
#include "bench/guests/bench.h"

static void copy_bytes(void* to, const void* from, uint32_t n) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static void copy_words(void* to, const void* from, uint32_t n) {
  __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static void fill_words(void* to, uint32_t value, uint32_t n) {
  __asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

// How many bytes are left after the first difference.
static uint32_t compare_bytes(const void* a, const void* b, uint32_t n) {
  __asm__ volatile("cmp %%eax, %%eax\n\trepe cmpsb" : "+D"(a), "+S"(b), "+c"(n)::"memory", "cc");
  return n;
}

static uint32_t length(const char* text) {
  uint32_t n = 0xFFFFFFFF;
  __asm__ volatile("repne scasb" : "+D"(text), "+c"(n) : "a"(0) : "memory", "cc");
  return ~n - 1;
}

static uint32_t add_words(const uint32_t* from, uint32_t n) {
  uint32_t sum = 0;
  __asm__ volatile(
      "1: lodsl\n\t"
      "add %%eax, %[sum]\n\t"
      "dec %[n]\n\t"
      "jnz 1b"
      : "+S"(from), [n] "+r"(n), [sum] "+r"(sum)::"eax", "memory", "cc");
  return sum;
}

uint32_t row_strings(uint32_t units) {
  static uint8_t a[8192], b[8192];
  uint32_t random = 17;
  for (unsigned i = 0; i < sizeof a; ++i) a[i] = (uint8_t)(bench_random(&random) | 1);
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (uint32_t n = 16; n <= 4096; n *= 4) {
      const uint32_t offset = (unit * 4) % 512;
      copy_words(b + 512, a + offset, n / 4);
      b[512 + n] = 0;
      sum += length((const char*)b + 512);
      b[512 + (unit * 7) % n] ^= 2;
      sum += compare_bytes(b + 512, a + offset, n);
      copy_bytes(b + 513, b + 512, n < 64 ? n : 64);
      fill_words(b + 512 + n / 2, unit, n / 16);
      sum = bench_mix(sum, add_words((const uint32_t*)(const void*)(b + 512), n / 4));
    }
  }
  bench_end();
  return sum;
}
