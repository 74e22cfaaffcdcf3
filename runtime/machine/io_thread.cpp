#include "runtime/machine/io_thread.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "runtime/machine/quiet_thread.h"

namespace ringshift::machine {
namespace {

// Until a watch that is not wanted is asked again.
constexpr int kAskAgainMs = 5;

}  // namespace

IoThread::IoThread(std::vector<Watch> watches)
    : watches_(std::move(watches)), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = start_quiet_thread([this] { loop(); });
}

IoThread::~IoThread() {
  stop_.store(true);
  wake();
  thread_.join();
  close(wake_fd_);
}

void IoThread::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);  // full: it is awake already
}

void IoThread::loop() {
  while (!stop_.load()) {
    std::vector<pollfd> fds{{wake_fd_, POLLIN, 0}};
    int wait_ms = -1;
    for (const Watch& watch : watches_) {
      const bool wanted = !watch.wanted || watch.wanted();
      if (!wanted) wait_ms = kAskAgainMs;
      fds.push_back({wanted ? watch.fd : -1, POLLIN, 0});
    }
    poll(fds.data(), fds.size(), wait_ms);

    if (fds[0].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = read(wake_fd_, &count, sizeof count);
    }
    for (std::size_t i = watches_.size(); i-- > 0;) {
      if (fds[i + 1].revents == 0) continue;
      if (!watches_[i].on_readable()) watches_.erase(watches_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

}  // namespace ringshift::machine
