// The two kinds of time that a machine can live in.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>

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

// The host's clock for a machine that can be stopped: meanwhile it stands still. For the machine's thread.
class StoppableClock final : public devices::Clock {
 public:
  explicit StoppableClock(const HostClock& host) : host_(host) {}

  [[nodiscard]] std::uint64_t now_ns() const override { return (stopped_at_ ? *stopped_at_ : host_.now_ns()) - lost_; }
  void stop() {
    if (!stopped_at_) stopped_at_ = host_.now_ns();
  }
  void go_on() {
    if (!stopped_at_) return;
    lost_ += host_.now_ns() - *stopped_at_;
    stopped_at_.reset();
  }
  // When the host's clock shows what will be `ns` here, if this one is not stopped again.
  [[nodiscard]] std::uint64_t host_ns(std::uint64_t ns) const {
    return ns > devices::EventQueue::kNever - lost_ ? devices::EventQueue::kNever : ns + lost_;
  }

 private:
  const HostClock& host_;
  std::optional<std::uint64_t> stopped_at_;  // the host's time
  std::uint64_t lost_ = 0;
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
