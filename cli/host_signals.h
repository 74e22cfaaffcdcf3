// Signals from the host as a file to watch, instead of handlers.
#pragma once

#include <signal.h>

#include <optional>

namespace ringshift::cli {

// Blocks what ends or stops a process in this thread and those that it starts, and reads it from a file. Signals that
// are ignored (nohup) stay ignored.
class HostSignals {
 public:
  HostSignals();
  ~HostSignals();
  HostSignals(const HostSignals&) = delete;
  HostSignals& operator=(const HostSignals&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // The next one that has arrived.
  [[nodiscard]] std::optional<int> next() const;

 private:
  sigset_t before_{};
  int fd_ = -1;
};

}  // namespace ringshift::cli
