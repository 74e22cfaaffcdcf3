#include "devices/clock.h"

#include <algorithm>
#include <cassert>

namespace ringshift::devices {

EventQueue::TimerId EventQueue::add(std::function<void(std::uint64_t)> callback) {
  timers_.push_back({kNever, std::move(callback)});
  return static_cast<TimerId>(timers_.size() - 1);
}

void EventQueue::arm(TimerId id, std::uint64_t deadline_ns) {
  assert(id < timers_.size());
  timers_[id].deadline = deadline_ns;
  const std::uint64_t before = next_;
  next_ = kNever;
  for (const Timer& timer : timers_) next_ = std::min(next_, timer.deadline);
  if (next_ < before && on_earlier_) on_earlier_();
}

void EventQueue::run_due() {
  // One reading of the clock: a timer that its callback arms again for a time after it waits for the next call, so
  // that a fast timer on a slow host cannot keep the virtual CPU here.
  const std::uint64_t now = clock_.now_ns();
  while (next_ <= now) {
    const auto due = std::min_element(timers_.begin(), timers_.end(),
                                      [](const Timer& a, const Timer& b) { return a.deadline < b.deadline; });
    const std::uint64_t deadline = due->deadline;
    if (deadline == kNever) break;
    const auto callback = due->callback;  // a copy: the callback may add timers
    disarm(static_cast<TimerId>(due - timers_.begin()));
    callback(deadline);
  }
}

}  // namespace ringshift::devices
