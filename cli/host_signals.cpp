#include "cli/host_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "runtime/machine/quiet_thread.h"

namespace ringshift::cli {
namespace {

// Sent to the waiting thread to end it.
int end_signal() { return SIGRTMAX; }

}  // namespace

HostSignals::HostSignals() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::system_category(), "pipe");
  read_end_ = ends[0];
  write_end_ = ends[1];
  sigemptyset(&ours_);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT}) {
    struct sigaction action {};
    sigaction(number, nullptr, &action);
    // A blocked signal would be read even if it is ignored. SIGCONT continues a process in any case.
    if (action.sa_handler != SIG_IGN) sigaddset(&ours_, number);
  }
  pthread_sigmask(SIG_BLOCK, &ours_, &before_);
  thread_ = machine::start_quiet_thread([this] { wait(); });
}

HostSignals::~HostSignals() {
  stop_.store(true);
  pthread_kill(thread_.native_handle(), end_signal());
  thread_.join();
  // What has come since is as old as what was read.
  constexpr timespec kNow{};
  while (sigtimedwait(&ours_, nullptr, &kNow) > 0) {
  }
  close(read_end_);
  close(write_end_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void HostSignals::wait() {
  sigset_t awaited = ours_;
  sigaddset(&awaited, end_signal());
  while (!stop_.load()) {
    const int number = sigwaitinfo(&awaited, nullptr);
    if (number <= 0 || number == end_signal()) continue;
    const auto byte = static_cast<unsigned char>(number);
    [[maybe_unused]] const auto written = write(write_end_, &byte, 1);  // full: nobody has looked for long
  }
}

std::optional<int> HostSignals::next() const {
  unsigned char number = 0;
  if (read(read_end_, &number, 1) != 1) return std::nullopt;
  return number;
}

}  // namespace ringshift::cli
