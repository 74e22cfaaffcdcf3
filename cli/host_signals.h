// Signals from the host as a file to watch, instead of handlers.
#pragma once

#include <signal.h>

#include <atomic>
#include <optional>
#include <thread>

namespace ringshift::cli {

// Blocks what ends or stops a process in this thread and those that it starts; a thread of its own waits for it, and
// writes it to a pipe. (A signalfd would wake whoever polls it at each signal of the process, and the virtual CPU takes
// a host fault for each page that it maps.) Signals that are ignored (nohup) stay ignored.
class HostSignals {
 public:
  HostSignals();
  ~HostSignals();
  HostSignals(const HostSignals&) = delete;
  HostSignals& operator=(const HostSignals&) = delete;

  [[nodiscard]] int fd() const { return read_end_; }
  // The next one that has arrived.
  [[nodiscard]] std::optional<int> next() const;

 private:
  void wait();

  sigset_t ours_{};
  sigset_t before_{};
  int read_end_ = -1;
  int write_end_ = -1;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace ringshift::cli
