// Conversion between nanoseconds and the ticks of a fixed-frequency oscillator, exact at any distance from zero.
#pragma once

#include <cstdint>

namespace ringshift::devices {

class TickRate {
 public:
  explicit constexpr TickRate(std::uint64_t hertz) : hertz_(hertz) {}

  // The number of ticks completed at that time.
  [[nodiscard]] constexpr std::uint64_t ticks_at(std::uint64_t ns) const {
    return static_cast<std::uint64_t>(static_cast<Wide>(ns) * hertz_ / kNsPerSecond);
  }
  // The first nanosecond at which that many ticks are completed: ticks_at(ns_of(t)) == t for rates below 1 GHz.
  [[nodiscard]] constexpr std::uint64_t ns_of(std::uint64_t tick) const {
    return static_cast<std::uint64_t>((static_cast<Wide>(tick) * kNsPerSecond + hertz_ - 1) / hertz_);
  }

 private:
  using Wide = unsigned __int128;
  static constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  std::uint64_t hertz_;
};

}  // namespace ringshift::devices
