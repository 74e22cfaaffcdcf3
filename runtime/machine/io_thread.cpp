#include "runtime/machine/io_thread.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "devices/clock.h"

namespace ringshift::machine {
namespace {

constexpr std::uint64_t kNever = devices::EventQueue::kNever;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
// Until a watch that is not wanted is asked again.
constexpr std::uint64_t kAskAgainNs = 5'000'000;

}  // namespace

IoThread::IoThread(const HostClock& clock, std::function<void()> on_deadline, std::vector<Watch> watches)
    : clock_(clock),
      on_deadline_(std::move(on_deadline)),
      watches_(std::move(watches)),
      deadline_(kNever),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Signals are for the thread that started us.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

IoThread::~IoThread() {
  stop_.store(true);
  wake();
  thread_.join();
  close(wake_fd_);
}

void IoThread::set_deadline(std::uint64_t ns) {
  if (deadline_.load(std::memory_order_relaxed) == ns) return;
  // A later deadline needs no wake-up: the thread looks again when the earlier one has passed.
  if (ns < deadline_.exchange(ns)) wake();
}

void IoThread::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);  // full: it is awake already
}

void IoThread::loop() {
  prctl(PR_SET_TIMERSLACK, 1);  // the guest's timers should not come 50 us late
  while (!stop_.load()) {
    std::uint64_t deadline = deadline_.load();
    std::vector<pollfd> fds{{wake_fd_, POLLIN, 0}};
    std::uint64_t wait_ns = kNever;
    for (const Watch& watch : watches_) {
      const bool wanted = !watch.wanted || watch.wanted();
      if (!wanted) wait_ns = kAskAgainNs;
      fds.push_back({wanted ? watch.fd : -1, POLLIN, 0});
    }
    if (deadline != kNever) {
      const std::uint64_t now = clock_.now_ns();
      wait_ns = std::min(wait_ns, deadline > now ? deadline - now : 0);
    }
    timespec timeout{};
    timeout.tv_sec = static_cast<time_t>(wait_ns / kNsPerSecond);
    timeout.tv_nsec = static_cast<long>(wait_ns % kNsPerSecond);
    ppoll(fds.data(), fds.size(), wait_ns == kNever ? nullptr : &timeout, nullptr);

    if (fds[0].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = read(wake_fd_, &count, sizeof count);
    }
    for (std::size_t i = watches_.size(); i-- > 0;) {
      if (fds[i + 1].revents == 0) continue;
      if (!watches_[i].on_readable()) watches_.erase(watches_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (deadline != kNever && clock_.now_ns() >= deadline && deadline_.compare_exchange_strong(deadline, kNever)) {
      on_deadline_();
    }
  }
}

}  // namespace ringshift::machine
