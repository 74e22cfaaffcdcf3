// Time as devices see it, and the queue of what they want to happen later.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace ringshift::devices {

// Nanoseconds since the machine started. Either the host's monotonic clock or virtual time that
// advances with retired instructions, for deterministic runs.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::uint64_t now_ns() const = 0;
};

// Timers of all devices of a machine, run on the virtual CPU's thread.
class EventQueue {
 public:
  using TimerId = std::uint32_t;
  static constexpr std::uint64_t kNever = ~0ULL;

  explicit EventQueue(const Clock& clock) : clock_(clock) {}

  // A timer, unarmed. The callback gets the deadline it was armed for.
  TimerId add(std::function<void(std::uint64_t deadline_ns)> callback);
  void arm(TimerId id, std::uint64_t deadline_ns);
  void disarm(TimerId id) { arm(id, kNever); }

  // The earliest deadline, or kNever.
  [[nodiscard]] std::uint64_t next_deadline() const { return next_; }
  // Runs what is due, in order of deadlines.
  void run_due();
  [[nodiscard]] const Clock& clock() const { return clock_; }
  // Called whenever next_deadline() becomes earlier.
  void on_earlier(std::function<void()> callback) { on_earlier_ = std::move(callback); }

 private:
  struct Timer {
    std::uint64_t deadline = kNever;
    std::function<void(std::uint64_t)> callback;
  };
  const Clock& clock_;
  std::vector<Timer> timers_;
  std::uint64_t next_ = kNever;
  std::function<void()> on_earlier_;
};

}  // namespace ringshift::devices
