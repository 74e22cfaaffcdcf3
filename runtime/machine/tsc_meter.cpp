#include "runtime/machine/tsc_meter.h"

#include <x86intrin.h>

namespace ringshift::machine {

// Both counters at one moment. The host may take the CPU away between two readings, so the closest pair of some counts.
TscMeter::Sample TscMeter::sample() const {
  constexpr unsigned kTries = 8;
  Sample best;
  std::uint64_t shortest = ~0ULL;
  for (unsigned i = 0; i < kTries; ++i) {
    const std::uint64_t before = __rdtsc();
    const std::uint64_t ns = clock_.now_ns();
    const std::uint64_t took = __rdtsc() - before;
    if (took >= shortest) continue;
    shortest = took;
    best = {before + took / 2, ns};
  }
  return best;
}

std::uint32_t TscMeter::kilohertz() const {
  constexpr std::uint64_t kShortestNs = 5'000'000;
  constexpr std::uint64_t kNsAMillisecond = 1'000'000;
  Sample end = sample();
  while (end.ns - start_.ns < kShortestNs) end = sample();
  const std::uint64_t ns = end.ns - start_.ns;
  const auto ticks = static_cast<unsigned __int128>(end.tsc - start_.tsc);
  return static_cast<std::uint32_t>((ticks * kNsAMillisecond + ns / 2) / ns);
}

}  // namespace ringshift::machine
