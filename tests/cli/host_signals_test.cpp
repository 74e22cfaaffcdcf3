#include "cli/host_signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

namespace ringshift::cli {
namespace {

bool wait_readable(int fd) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, 10'000) == 1;
}

TEST(HostSignals, AreReadInOrderOfArrival) {
  HostSignals signals;
  EXPECT_EQ(signals.next(), std::nullopt);
  for (const int number : {SIGTERM, SIGHUP, SIGTERM}) {
    kill(getpid(), number);
    ASSERT_TRUE(wait_readable(signals.fd()));
    EXPECT_EQ(signals.next(), number);
  }
  EXPECT_EQ(signals.next(), std::nullopt);
}

TEST(HostSignals, LeaveTheMaskAsItWas) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  {
    const HostSignals signals;
    kill(getpid(), SIGTERM);
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

// How often a thread has gone to sleep.
unsigned long sleeps(pid_t thread) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
  for (std::string word; status >> word;) {
    unsigned long count = 0;
    if (word == "voluntary_ctxt_switches:" && status >> count) return count;
  }
  ADD_FAILURE() << "no count";
  return 0;
}

// Each page that the guest touches first is a signal.
TEST(HostSignals, SignalsOfOtherThreadsDoNotWakeWhoeverWaitsForThem) {
  HostSignals signals;
  std::atomic<pid_t> waiting = 0;
  std::thread waiter([&] {
    waiting = gettid();
    EXPECT_TRUE(wait_readable(signals.fd()));
  });
  while (waiting == 0) std::this_thread::yield();
  usleep(10'000);
  const unsigned long before = sleeps(waiting);
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  struct sigaction old {};
  sigaction(SIGUSR1, &nothing, &old);
  for (int i = 0; i < 100; ++i) {
    pthread_kill(pthread_self(), SIGUSR1);
    usleep(100);
  }
  sigaction(SIGUSR1, &old, nullptr);
  EXPECT_LT(sleeps(waiting), before + 20);
  kill(getpid(), SIGTERM);
  waiter.join();
}

}  // namespace
}  // namespace ringshift::cli
