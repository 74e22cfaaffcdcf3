// Host threads beside the virtual CPU's.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace ringshift::machine {

// Starts a thread that takes no signals: they are for the threads that expect them.
template <class F>
[[nodiscard]] std::thread start_quiet_thread(F body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace ringshift::machine
