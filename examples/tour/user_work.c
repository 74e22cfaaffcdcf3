// Tasks that compute, call the kernel, and write code while the timer takes the CPU away from them.
#include "user_lib.h"

void user_primes(void) {
  enum {
    LIMIT = 20000,
    PRIMES = 2262
  };
  volatile u32* mark = private_mark(0xAAAA0001);
  u8* composite = (u8*)HEAP_BASE + 0x10000;
  u32 right = 1;
  do {
    u32 count = 0;
    for (u32 i = 0; i < LIMIT; ++i) composite[i] = 0;
    for (u32 i = 2; i < LIMIT; ++i) {
      if (composite[i]) continue;
      ++count;
      for (u32 j = i + i; j < LIMIT; j += i) composite[j] = 1;
    }
    right &= count == PRIMES;
  } while (now() < LAST_TICK);
  user_value("a sieve finds 2262 primes, every time", right, 1);
  user_value("  its private page is still its own", *mark, 0xAAAA0001);
  leave();
}

void user_calls(void) {
  volatile u32* mark = private_mark(0xBBBB0002);
  u32 wrong = 0;
  u32 i = 0;
  do {
    for (u32 n = 0; n < 200; ++n, ++i) wrong += call(SYS_MIX, i, i * 3, 0x5A5A5A5A) != ((i + i * 3) ^ 0x5A5A5A5A);
    call(SYS_YIELD, 0, 0, 0);
  } while (now() < LAST_TICK);
  user_value("system calls by int 80h with a wrong result", wrong, 0);
  user_value("  an unknown call", call(99, 0, 0, 0), 0xFFFFFFFF);
  user_value("  its private page is still its own", *mark, 0xBBBB0002);
  leave();
}

// Writes functions on fresh pages, calls them, and overwrites them, as a JIT compiler does.
void user_code_writer(void) {
  enum {
    MOV_EAX = 0xB8,
    RET = 0xC3,
    FUNCTIONS = 64
  };
  volatile u32* mark = private_mark(0xCCCC0003);
  u32 right = 1;
  u32 round = 0;
  do {
    ++round;
    for (u32 f = 0; f < FUNCTIONS; ++f) {
      volatile u8* code = (volatile u8*)HEAP_BASE + 0x20000 + f * 0x90;
      code[0] = MOV_EAX;
      for (u32 b = 0; b < 4; ++b) code[1 + b] = (u8)((f * round) >> (8 * b));
      code[5] = RET;
    }
    for (u32 f = 0; f < FUNCTIONS; ++f) {
      u32 (*function)(void) = (u32(*)(void))(HEAP_BASE + 0x20000 + f * 0x90);
      right &= function() == f * round;
    }
  } while (now() < LAST_TICK);
  user_value("code written at run time, called", right, 1);
  user_value("  its private page is still its own", *mark, 0xCCCC0003);
  leave();
}
