// Programs that write code and run it.
//
//   jit      compiles a random expression of 24 operations into a loop and runs the loop 1,000 times: one unit.
//            The code goes through a buffer of 64 KiB and starts again at its begin, over old code.
//   rewrite  changes one constant in a function and calls it, once: one unit.
#include <string.h>
#include <sys/mman.h>

#include "bench/guests/bench.h"

enum {
  ARENA = 65536
};

static uint8_t* writable_code(void) {
  void* code = mmap(NULL, ARENA, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) bench_fail("mmap of writable code");
  memset(code, 0xCC, ARENA);
  return code;
}

static uint8_t* put32(uint8_t* at, uint32_t value) {
  memcpy(at, &value, 4);
  return at + 4;
}

// uint32_t f(uint32_t x, uint32_t rounds)
typedef uint32_t Compiled(uint32_t, uint32_t);

static uint8_t* put_operation(uint8_t* at, uint32_t which, uint32_t number) {
  switch (which) {
    case 0:  // add eax, number
      *at++ = 0x05;
      return put32(at, number);
    case 1:  // xor eax, number
      *at++ = 0x35;
      return put32(at, number);
    case 2:  // sub eax, number
      *at++ = 0x2D;
      return put32(at, number);
    case 3:  // rol eax, 1 to 31
      *at++ = 0xC1;
      *at++ = 0xC0;
      *at++ = (uint8_t)(number % 31 + 1);
      return at;
    case 4:  // lea eax, [eax+ecx*4+number]
      *at++ = 0x8D;
      *at++ = 0x44;
      *at++ = 0x88;
      *at++ = (uint8_t)number;
      return at;
    default:  // imul eax, eax, number
      *at++ = 0x69;
      *at++ = 0xC0;
      return put32(at, number | 1);
  }
}

static uint8_t* compile(uint8_t* at, uint32_t* random) {
  // mov eax, [esp+4]; mov ecx, [esp+8]
  static const uint8_t prologue[] = {0x8B, 0x44, 0x24, 0x04, 0x8B, 0x4C, 0x24, 0x08};
  memcpy(at, prologue, sizeof prologue);
  at += sizeof prologue;
  const uint8_t* loop = at;
  for (int i = 0; i < 24; ++i) {
    const uint32_t number = bench_random(random);
    at = put_operation(at, bench_random(random) % 6, number);
  }
  *at++ = 0x49;  // dec ecx
  *at++ = 0x0F;  // jnz loop
  *at++ = 0x85;
  at = put32(at, (uint32_t)(loop - (at + 4)));
  *at++ = 0xC3;  // ret
  return at;
}

uint32_t row_jit(uint32_t units) {
  uint8_t* const arena = writable_code();
  uint8_t* at = arena;
  uint32_t random = 31;
  uint32_t x = 1;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    if (at + 256 > arena + ARENA) at = arena;
    Compiled* const function = (Compiled*)(uintptr_t)at;
    at = compile(at, &random);
    at = (uint8_t*)(((uintptr_t)at + 15) & ~(uintptr_t)15);
    x = function(x, 1000);
  }
  bench_end();
  return x;
}

uint32_t row_rewrite(uint32_t units) {
  // mov eax, [esp+4]; xor eax, 0; rol eax, 5; ret
  static const uint8_t function_code[] = {0x8B, 0x44, 0x24, 0x04, 0x35, 0, 0, 0, 0, 0xC1, 0xC0, 0x05, 0xC3};
  uint8_t* const code = writable_code();
  memcpy(code, function_code, sizeof function_code);
  Compiled* const function = (Compiled*)(uintptr_t)code;
  uint32_t x = 1;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    put32(code + 5, unit * 2654435761u);
    __asm__ volatile("" ::: "memory");
    x = function(x, 0);
  }
  bench_end();
  return x;
}
