#include "cli/stop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace ringshift::cli {

Stop::Stop() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Stop::~Stop() { close(fd_); }

void Stop::ask(int exit_status) {
  int expected = kNone;
  if (!status_.compare_exchange_strong(expected, exit_status)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
  if (action_) action_();
}

std::optional<int> Stop::status() const {
  const int status = status_.load();
  if (status == kNone) return std::nullopt;
  return status;
}

}  // namespace ringshift::cli
