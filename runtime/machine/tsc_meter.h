// The frequency of the host's time-stamp counter, measured against a clock.
#pragma once

#include <cstdint>

#include "devices/clock.h"

namespace ringshift::machine {

// Measures from its construction to kilohertz(): 5 ms give some 10 ppm, more give more.
class TscMeter {
 public:
  explicit TscMeter(const devices::Clock& clock) : clock_(clock), start_(sample()) {}
  // Waits for what is left of the 5 ms.
  [[nodiscard]] std::uint32_t kilohertz() const;

 private:
  struct Sample {
    std::uint64_t tsc = 0;
    std::uint64_t ns = 0;
  };
  [[nodiscard]] Sample sample() const;

  const devices::Clock& clock_;
  Sample start_;
};

}  // namespace ringshift::machine
