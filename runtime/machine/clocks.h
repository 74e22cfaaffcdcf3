// The two kinds of time that a machine can live in.
#pragma once

#include <cstdint>
#include <ctime>

#include "devices/clock.h"

namespace ringshift::machine {

// The host's monotonic clock, from construction on. Any thread may ask.
class HostClock final : public devices::Clock {
 public:
  HostClock() : start_(monotonic()) {}
  [[nodiscard]] std::uint64_t now_ns() const override { return monotonic() - start_; }

 private:
  static std::uint64_t monotonic() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
  }
  std::uint64_t start_;
};

// Time that passes only as instructions retire or while the CPU is halted: two runs see the same.
class VirtualClock final : public devices::Clock {
 public:
  static constexpr std::uint64_t kNsPerInstruction = 10;

  [[nodiscard]] std::uint64_t now_ns() const override { return now_; }
  void retire(std::uint64_t instructions) { now_ += instructions * kNsPerInstruction; }
  void skip_to(std::uint64_t ns) {
    if (ns > now_) now_ = ns;
  }

 private:
  std::uint64_t now_ = 0;
};

}  // namespace ringshift::machine
