// The user's terminal while it is the guest's serial console.
#pragma once

#include <termios.h>

#include <memory>

namespace ringshift::cli {

// Keys go to the guest one by one and its output to the screen as it is: the host's line discipline sees neither. What
// was set before comes back when it ends. Not thread-safe.
class Terminal {
 public:
  // Null if the file is no terminal.
  static std::unique_ptr<Terminal> open(int fd);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void make_raw();
  // Nothing if another job has the terminal now: it has its own settings.
  void restore();
  // Stops the process; make_raw() is for whoever hears of SIGCONT.
  void suspend();

  [[nodiscard]] bool in_foreground() const;

 private:
  Terminal(int fd, const termios& before) : fd_(fd), before_(before) {}
  int fd_;
  termios before_;
  bool raw_ = false;
};

}  // namespace ringshift::cli
