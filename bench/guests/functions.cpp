// Much code: 1,024 functions that call each other, called in random order. A unit is 1,024 calls through pointers.
#include "bench/guests/bench.h"

namespace {

constexpr int kFunctions = 1024;
using Function = uint32_t (*)(uint32_t);

template <int kNumber>
__attribute__((noinline)) uint32_t leaf(uint32_t x) {
  x ^= x >> (kNumber % 13 + 3);
  if (x & (1u << (kNumber % 11))) x += kNumber * 2654435761u;
  return x * (2 * kNumber + 1);
}

template <int kNumber>
__attribute__((noinline)) uint32_t function(uint32_t x) {
  const uint32_t y = leaf<(kNumber * 5 + 3) % kFunctions>(x + kNumber);
  return (x & 1) ? y : leaf<(kNumber * 3 + 7) % kFunctions>(y ^ kNumber);
}

template <int... kNumbers>
struct Sequence {
  static void fill(Function* table) { ((table[kNumbers] = function<kNumbers>), ...); }
};

// The numbers from 0: std::make_integer_sequence, which is not in the C library.
template <int kCount>
using Numbers = Sequence<__integer_pack(kCount)...>;

}  // namespace

uint32_t row_functions(uint32_t units) {
  static Function table[kFunctions];
  Numbers<kFunctions>::fill(table);
  uint32_t random = 5;
  for (int i = kFunctions - 1; i > 0; --i) {
    const uint32_t j = bench_random(&random) % static_cast<uint32_t>(i + 1);
    const Function kept = table[i];
    table[i] = table[j];
    table[j] = kept;
  }
  uint32_t x = 1;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    for (Function call : table) x = call(x);
  }
  bench_end();
  return x;
}
