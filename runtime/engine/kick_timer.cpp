#include "runtime/engine/kick_timer.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "runtime/engine/guest_thread.h"
#include "runtime/state/cpu_state.h"

namespace ringshift::engine {

KickTimer::KickTimer() {
  catch_signals();
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kick_signal();
  event.sigev_value.sival_ptr = this;
  event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
  timer_t timer{};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timer_ = timer;
}

KickTimer::~KickTimer() {
  if (timer_) timer_delete(*timer_);
}

void KickTimer::set(std::uint64_t ns, volatile std::uint8_t& pending) {
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  pending_.store(&pending);
  itimerspec when{};
  if (ns != kNever) {
    ns = std::max<std::uint64_t>(ns, 1);  // 0 would disarm it
    when.it_value.tv_sec = static_cast<time_t>(ns / kNsPerSecond);
    when.it_value.tv_nsec = static_cast<long>(ns % kNsPerSecond);
  }
  timer_settime(*timer_, 0, &when, nullptr);
}

void KickTimer::expired() const {
  if (volatile std::uint8_t* pending = pending_.load()) __atomic_fetch_or(pending, kStopRequest, __ATOMIC_SEQ_CST);
}

}  // namespace ringshift::engine
