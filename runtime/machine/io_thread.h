// The host thread that waits so that the virtual CPU's thread need not: for a deadline and for files.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "runtime/machine/clocks.h"

namespace ringshift::machine {

// Runs callbacks on its own thread; they post what they have to the machine.
class IoThread {
 public:
  struct Watch {
    int fd = -1;
    std::function<bool()> on_readable;  // false: watch no longer
    // Whether to read it now; while it says no, it is asked again every few milliseconds. Empty: always.
    std::function<bool()> wanted{};
  };

  // `on_deadline` is called once for each deadline that passes, in time of `clock`.
  IoThread(const HostClock& clock, std::function<void()> on_deadline, std::vector<Watch> watches);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Replaces the deadline. Cheap if nothing changes.
  void set_deadline(std::uint64_t ns);

 private:
  void loop();
  void wake() const;

  const HostClock& clock_;
  std::function<void()> on_deadline_;
  std::vector<Watch> watches_;
  std::atomic<std::uint64_t> deadline_;
  std::atomic<bool> stop_{false};
  int wake_fd_;
  std::thread thread_;
};

}  // namespace ringshift::machine
