// The host thread that waits for input so that the virtual CPU's thread need not.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

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

  explicit IoThread(std::vector<Watch> watches);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

 private:
  void loop();
  void wake() const;

  std::vector<Watch> watches_;
  std::atomic<bool> stop_{false};
  int wake_fd_;
  std::thread thread_;
};

}  // namespace ringshift::machine
