// A list in random order, followed pointer by pointer, within 64 KiB and within 32 MiB. A unit is 1,024 steps.
#include <stdlib.h>

#include "bench/guests/bench.h"

typedef struct Node {
  struct Node* next;
  uint32_t value;
  uint32_t unused[2];
} Node;

static uint32_t chase(uint32_t units, uint32_t bytes) {
  const uint32_t count = bytes / sizeof(Node);
  Node* nodes = malloc(bytes);
  if (!nodes) bench_fail("malloc");
  for (uint32_t i = 0; i < count; ++i) nodes[i].next = &nodes[i], nodes[i].value = i;
  // Sattolo's shuffle: one cycle.
  uint32_t random = 11;
  for (uint32_t i = count - 1; i > 0; --i) {
    const uint32_t j = bench_random(&random) % i;
    Node* kept = nodes[i].next;
    nodes[i].next = nodes[j].next;
    nodes[j].next = kept;
  }
  uint32_t sum = 0;
  const Node* at = nodes;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (int step = 0; step < 1024; ++step) {
      sum += at->value;
      at = at->next;
    }
  }
  bench_end();
  return sum;
}

uint32_t row_chase_small(uint32_t units) { return chase(units, 64 << 10); }
uint32_t row_chase_large(uint32_t units) { return chase(units, 32 << 20); }
