#include "cli/terminal.h"

#include <signal.h>
#include <unistd.h>

namespace ringshift::cli {

std::unique_ptr<Terminal> Terminal::open(int fd) {
  termios settings{};
  if (tcgetattr(fd, &settings) != 0) return nullptr;
  return std::unique_ptr<Terminal>(new Terminal(fd, settings));
}

Terminal::~Terminal() { restore(); }

bool Terminal::in_foreground() const {
  const pid_t group = tcgetpgrp(fd_);
  return group < 0 || group == getpgrp();  // unknown: not the controlling terminal, so there are no jobs
}

void Terminal::make_raw() {
  termios raw = before_;
  cfmakeraw(&raw);
  raw_ = tcsetattr(fd_, TCSANOW, &raw) == 0;
}

void Terminal::restore() {
  if (!raw_ || !in_foreground()) return;
  tcsetattr(fd_, TCSANOW, &before_);
  raw_ = false;
}

void Terminal::suspend() {
  restore();
  kill(getpid(), SIGSTOP);
}

}  // namespace ringshift::cli
