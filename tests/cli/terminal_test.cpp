// A terminal as the guest's console: raw for the run and as before afterwards, however the run ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "tests/cli/process.h"
#include "tests/cli/test_guests.h"

namespace ringshift::test {
namespace {

class Console : public testing::Test {
 protected:
  Console() { EXPECT_TRUE(process_.wait_for(">")); }

  // Canonical mode with echo and signal keys, as a shell leaves it for its jobs.
  bool cooked() {
    termios settings{};
    EXPECT_EQ(tcgetattr(process_.terminal(), &settings), 0);
    constexpr tcflag_t kFlags = ICANON | ECHO | ISIG;
    return (settings.c_lflag & kFlags) == kFlags;
  }

  Folder folder_;
  Process process_{{"run", "--engine", "interpret", "--memory", "8M", "--kernel", folder_.guest("guest", kEcho)},
                   Process::Stdin::terminal};
};

TEST_F(Console, IsRawForTheRunAndCtrlAXQuits) {
  EXPECT_FALSE(cooked());
  process_.type("\x01x");
  EXPECT_EQ(process_.wait().status, 0);
  EXPECT_TRUE(cooked());
}

TEST_F(Console, SendsEveryOtherKeyToTheGuest) {
  process_.type("\x02\x03\x1A");  // Ctrl-c and Ctrl-z are among them
  EXPECT_TRUE(process_.wait_for(">\x03\x04\x1B"));
}

TEST(ConsoleOutput, IsTheGuestsByteForByte) {
  const Folder folder;
  Process process({"run", "--kernel", folder.guest("guest", kLines)}, Process::Stdin::terminal);
  EXPECT_TRUE(process.wait_for("b\n"));
  EXPECT_EQ(process.output(), "a\n\tb\n");
}

TEST_F(Console, CtrlATwiceSendsItOnce) {
  process_.type("\x01\x01z");
  EXPECT_TRUE(process_.wait_for(">\x02{"));
}

TEST_F(Console, CtrlACLeadsToTheMonitorAndBack) {
  process_.type(
      "\x01"
      "c");
  EXPECT_TRUE(process_.wait_for("(ringshift) "));
  process_.type(
      "info stauts\x7F\x7F\x7F\x7F"
      "atus\r");
  EXPECT_TRUE(process_.wait_for("VM status: running\r\n(ringshift) "));
  process_.type(
      "\x01"
      "cA");
  EXPECT_TRUE(process_.wait_for("\r\nB")) << "the guest adds one to what it gets";
}

TEST_F(Console, QuitAtTheMonitorQuits) {
  process_.type(
      "\x01"
      "cquit\r");
  EXPECT_EQ(process_.wait().status, 0);
  EXPECT_TRUE(cooked());
}

TEST_F(Console, IsRestoredAfterASignal) {
  process_.send(SIGTERM);
  EXPECT_EQ(process_.wait().status, 128 + SIGTERM);
  EXPECT_TRUE(cooked());
}

TEST_F(Console, IsRestoredWhileTheJobIsStopped) {
  process_.send(SIGTSTP);
  ASSERT_TRUE(process_.wait_stopped());
  EXPECT_TRUE(cooked());
  process_.send(SIGCONT);
  for (int i = 0; i < 1000 && cooked(); ++i) usleep(10'000);
  process_.type("a\r");  // raw again: the guest sees the carriage return as it is
  EXPECT_TRUE(process_.wait_for("b\x0E")) << process_.output();
}

TEST_F(Console, CtrlAZStopsTheJob) {
  process_.type("\x01z");
  ASSERT_TRUE(process_.wait_stopped());
  EXPECT_TRUE(cooked());
  process_.send(SIGCONT);
  process_.send(SIGINT);
  EXPECT_EQ(process_.wait().status, 128 + SIGINT);
}

}  // namespace
}  // namespace ringshift::test
