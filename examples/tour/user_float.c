// Tasks that keep values in x87 and SSE registers across preemptions.
#include "user_lib.h"

enum {
  SUM_LOW = (int)0x7AC11228,
  SUM_HIGH = (int)0x8DF136F4
};

// A sum whose every bit depends on the 64-bit significands of the x87.
static void harmonic(u8* to) {
  u32 n = 4000;
  u32 k;
  __asm__ volatile(
      "fldz\n"
      "1:\tmovl %0, %1\n\t"
      "fld1\n\t"
      "fidivl %1\n\t"
      "faddp\n\t"
      "decl %0\n\t"
      "jnz 1b\n\t"
      "fstpt %2"
      : "+&r"(n), "=m"(k), "=m"(*(u8(*)[10])to)
      :
      : "cc", "memory");
}

void user_x87(void) {
  volatile u32* mark = private_mark(0xDDDD0004);
  union {
    u8 bytes[10];
    u32 words[2];
  } sum;
  u32 same = 1;
  u32 kept = 1;
  // Two values that stay in registers all the time.
  __asm__ volatile("fninit\n\tfldpi\n\tfldl2e");
  do {
    harmonic(sum.bytes);
    same &= sum.words[0] == (u32)SUM_LOW && sum.words[1] == (u32)SUM_HIGH;
    u32 bits[2];
    __asm__ volatile("fstl %0" : "=m"(bits));
    kept &= bits[0] == 0x652B82FE && bits[1] == 0x3FF71547;
  } while (now() < LAST_TICK);
  u32 bits[2];
  __asm__ volatile("fstp %%st(0)\n\tfstpl %0" : "=m"(bits));
  kept &= bits[0] == 0x54442D18 && bits[1] == 0x400921FB;
  user_value("x87: a sum of 4000 terms, every bit", same, 1);
  user_value("x87: values kept in registers across tasks", kept, 1);
  user_value("  its private page is still its own", *mark, 0xDDDD0004);
  leave();
}

static void load_patterns(const u32* patterns) {
  __asm__ volatile(
      "movups (%0), %%xmm0\n\tmovups 16(%0), %%xmm1\n\tmovups 32(%0), %%xmm2\n\tmovups 48(%0), %%xmm3\n\t"
      "movups 64(%0), %%xmm4\n\tmovups 80(%0), %%xmm5\n\tmovups 96(%0), %%xmm6\n\tmovups 112(%0), %%xmm7"
      :
      : "r"(patterns)
      : "memory");
}

static void store_patterns(u32* patterns) {
  __asm__ volatile(
      "movups %%xmm0, (%0)\n\tmovups %%xmm1, 16(%0)\n\tmovups %%xmm2, 32(%0)\n\tmovups %%xmm3, 48(%0)\n\t"
      "movups %%xmm4, 64(%0)\n\tmovups %%xmm5, 80(%0)\n\tmovups %%xmm6, 96(%0)\n\tmovups %%xmm7, 112(%0)"
      :
      : "r"(patterns)
      : "memory");
}

void user_sse(void) {
  volatile u32* mark = private_mark(0xEEEE0005);
  static u32 before[32];
  static u32 after[32];
  u32 kept = 1;
  for (u32 i = 0; i < 32; ++i) before[i] = 0x9E3779B9u * (i + 1);
  load_patterns(before);
  do {
    for (volatile u32 spin = 0; spin < 2000; ++spin) {
    }
    store_patterns(after);
    for (u32 i = 0; i < 32; ++i) kept &= before[i] == after[i];
  } while (now() < LAST_TICK);

  static const float left[4] = {1.5f, -2.0f, 0.25f, 1e10f};
  static const float right[4] = {4.0f, 0.5f, -8.0f, 1e-10f};
  float product[4];
  __asm__ volatile("movups %1, %%xmm0\n\tmovups %2, %%xmm1\n\tmulps %%xmm1, %%xmm0\n\tmovups %%xmm0, %0"
                   : "=m"(product)
                   : "m"(left), "m"(right));
  const u32* bits = (const u32*)product;
  user_value("SSE: eight registers kept across tasks", kept, 1);
  user_value("SSE: mulps, 1.5 * 4", bits[0], 0x40C00000);
  user_value("SSE: mulps, -2 * 0.5", bits[1], 0xBF800000);
  user_value("SSE: mulps, 0.25 * -8", bits[2], 0xC0000000);
  user_value("  its private page is still its own", *mark, 0xEEEE0005);
  leave();
}
