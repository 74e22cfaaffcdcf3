// Memory from the kernel.
//
//   mmap   64 KiB mapped, one of its pages written, and unmapped
//   touch  the first write to a page: a page fault and a cleared page. Regions of 1,024 pages, mapped and unmapped.
#include <sys/mman.h>
#include <unistd.h>

#include "bench/guests/bench.h"

enum {
  PAGE = 4096,
  REGION = 1024
};

static volatile uint8_t* map(uint32_t bytes) {
  void* memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) bench_fail("mmap");
  return memory;
}

static void unmap(volatile uint8_t* memory, uint32_t bytes) {
  if (munmap((void*)(uintptr_t)memory, bytes) != 0) bench_fail("munmap");
}

uint32_t row_mmap(uint32_t units) {
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    volatile uint8_t* memory = map(16 * PAGE);
    memory[(unit % 16) * PAGE] = (uint8_t)unit;
    sum += memory[(unit % 16) * PAGE];
    unmap(memory, 16 * PAGE);
  }
  bench_end();
  return sum;
}

uint32_t row_touch(uint32_t units) {
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units;) {
    volatile uint8_t* memory = map(REGION * PAGE);
    // A huge page would be one fault for all.
    madvise((void*)(uintptr_t)memory, REGION * PAGE, MADV_NOHUGEPAGE);
    for (uint32_t page = 0; page < REGION && unit < units; ++page, ++unit) {
      memory[page * PAGE] = 1;  // the write first: a read would only map the page of zeros
      sum += memory[page * PAGE + 4] == 0;
    }
    unmap(memory, REGION * PAGE);
  }
  bench_end();
  return sum;
}
