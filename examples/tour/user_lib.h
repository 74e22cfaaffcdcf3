// What ring-3 tasks can ask for.
#pragma once

#include "tour.h"

static inline u32 call(u32 number, u32 ebx, u32 ecx, u32 edx) {
  u32 result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(ebx), "c"(ecx), "d"(edx) : "memory", "cc");
  return result;
}

static inline void report(u32 kind, const char* name, u32 got, u32 want) {
  const struct check check = {name, 3, kind, got, want};
  call(SYS_CHECK, (u32)&check, 0, 0);
}
static inline void user_value(const char* name, u32 got, u32 want) { report(KIND_VALUE, name, got, want); }
static inline void user_fault(const char* name, u32 got, u32 want) { report(KIND_FAULT, name, got, want); }

static inline u32 now(void) { return call(SYS_TICKS, 0, 0, 0); }

// Every task goes on until then, so that it is preempted again and again.
enum {
  LAST_TICK = 40
};

// Writes a mark of its own at an address that all tasks use.
static inline volatile u32* private_mark(u32 mark) {
  volatile u32* spot = (volatile u32*)HEAP_BASE;
  *spot = mark;
  return spot;
}

static inline void __attribute__((noreturn)) leave(void) {
  call(SYS_EXIT, 0, 0, 0);
  for (;;) {
  }
}
