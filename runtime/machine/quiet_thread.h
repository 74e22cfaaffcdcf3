// Host threads beside the virtual CPU's, and what must not be interrupted on any.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace ringshift::machine {

// The calling thread takes no signals while it exists.
class QuietSection {
 public:
  QuietSection() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~QuietSection() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  QuietSection(const QuietSection&) = delete;
  QuietSection& operator=(const QuietSection&) = delete;

 private:
  sigset_t before_{};
};

// Starts a thread that takes no signals: they are for the threads that expect them.
template <class F>
[[nodiscard]] std::thread start_quiet_thread(F body) {
  const QuietSection quiet;
  return std::thread(std::move(body));
}

}  // namespace ringshift::machine
