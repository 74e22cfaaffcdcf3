// Ends a slice of the guest at a time: a host timer whose signal goes to the virtual CPU's own thread, so that no
// other thread of the process needs to wake up. (One that does makes the host send its TLB shootdowns there.)
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <optional>

namespace ringshift::engine {

// Belongs to the thread that makes it. While it is armed, that thread may run the engine at any time.
class KickTimer {
 public:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  KickTimer();
  ~KickTimer();
  KickTimer(const KickTimer&) = delete;
  KickTimer& operator=(const KickTimer&) = delete;

  // The host has a limit on timers, so this may fail; nothing else does.
  [[nodiscard]] bool valid() const { return timer_.has_value(); }
  // In `ns` from now sets kStopRequest in `pending` (CpuState::pending) and interrupts translated code; once, and
  // instead of what was set before. kNever: not at all.
  void set(std::uint64_t ns, volatile std::uint8_t& pending);
  // `pending` may go away: what is armed does nothing.
  void detach() { pending_.store(nullptr); }

  // In the signal's handler.
  void expired() const;

 private:
  std::optional<timer_t> timer_;
  std::atomic<volatile std::uint8_t*> pending_{nullptr};  // lock-free: the signal's handler reads it
};

}  // namespace ringshift::engine
