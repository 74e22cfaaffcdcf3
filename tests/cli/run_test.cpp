// `ringshift run` from the outside: exit statuses, where output goes, signals, input that is no terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/cli/process.h"
#include "tests/cli/test_guests.h"

namespace ringshift::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using Arguments = std::vector<std::string>;

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// ---- on every engine --------------------------------------------------------------------------

class Run : public testing::TestWithParam<std::string> {
 protected:
  // The arguments that run this code.
  Arguments guest(const Code& code) {
    return {"run", "--engine", GetParam(), "--memory", "8M", "--kernel", folder_.guest("guest", code)};
  }
  Folder folder_;
};

INSTANTIATE_TEST_SUITE_P(EveryEngine, Run, testing::Values("translate", "interpret", "lockstep"),
                         [](const auto& test) { return test.param; });

TEST_P(Run, PowerOffEndsWith0) {
  const Outcome outcome = run(guest(kPowerOff));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST_P(Run, DebugExitEndsWithItsValue) {
  EXPECT_EQ(run(guest(debug_exit_code(0x10)) + Arguments{"--debug-exit"}).status, 0x21);
  EXPECT_EQ(run(guest(debug_exit_code(0)) + Arguments{"-device", "isa-debug-exit,iobase=0x501"}).status, 1);
}

TEST_P(Run, WithoutRebootAResetEndsWith0) { EXPECT_EQ(run(guest(kReset) + Arguments{"--no-reboot"}).status, 0); }

TEST_P(Run, WithoutRebootATripleFaultEndsWith3AndItsState) {
  const Outcome outcome = run(guest(kTripleFault) + Arguments{"--no-reboot"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("ringshift: triple fault\n"));
  EXPECT_THAT(outcome.err, HasSubstr("eax 2badb002"));
}

TEST_P(Run, ABootLoopEndsWith3) { EXPECT_EQ(run(guest(kTripleFault)).status, 3); }

TEST_P(Run, TimeoutEndsWith124) { EXPECT_EQ(run(guest(kSpin) + Arguments{"--timeout", "0.2"}).status, 124); }

TEST_P(Run, StatisticsComeAtTheEndOnStandardError) {
  const Outcome outcome = run(guest(kPowerOff) + Arguments{"--stats"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("instructions retired"));
}

TEST_P(Run, SignalsEndWith128AndTheirNumber) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    Process process(guest(kEcho));
    ASSERT_TRUE(process.wait_for(">"));
    process.send(signal);
    const Outcome outcome = process.wait();
    EXPECT_EQ(outcome.status, 128 + signal);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST_P(Run, StandardInputGoesToTheSerialPort) {
  Process process(guest(kEcho));
  process.type("GDKKN");
  EXPECT_TRUE(process.wait_for(">HELLO")) << process.output();
  process.type("\x01");  // no command: this is no terminal
  EXPECT_TRUE(process.wait_for("\x02")) << process.output();
  process.close_input();
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().status, 128 + SIGTERM);
}

TEST_P(Run, MuchInputArrivesInOrder) {
  std::string input;
  std::string expected = ">";
  for (int i = 0; i < 20000; ++i) {
    input.push_back(static_cast<char>('a' + i % 25));
    expected.push_back(static_cast<char>('b' + i % 25));
  }
  Process process(guest(kEcho));
  process.type(input + "\x02");
  process.close_input();
  EXPECT_TRUE(process.wait_for("\x03"));
  EXPECT_TRUE(process.output() == expected + "\x03") << process.output().size() << " bytes";
}

TEST_P(Run, AReaderThatGoesAwayEndsTheRun) {
  Process process(guest(kChatter));
  ASSERT_TRUE(process.wait_for("yyyy"));
  process.close_output();
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "ringshift: cannot write to standard output: Broken pipe\n");
}

TEST_P(Run, AReaderThatDoesNotReadDelaysNeitherTimeoutNorSignal) {
  Process process(guest(kChatter) + Arguments{"--timeout", "0.3", "--serial", "stdio"});
  usleep(600'000);  // by then the pipe is full
  EXPECT_EQ(process.wait().status, 124);

  Process other(guest(kChatter));
  usleep(600'000);
  other.send(SIGTERM);
  EXPECT_EQ(other.wait().status, 128 + SIGTERM);
}

// ---- the rest ---------------------------------------------------------------------------------

TEST(RunSerial, GoesToAFile) {
  const Folder folder;
  const std::string kernel = folder.guest("guest", kEcho);
  const std::string log = folder.path("log");
  Process process({"run", "--kernel", kernel, "--serial", "file:" + log, "--timeout", "0.5"});
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.status, 124);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(contents(log), ">");
}

TEST(RunSerial, GoesNowhere) {
  const Folder folder;
  const Outcome outcome =
      run({"run", "--kernel", folder.guest("guest", kEcho), "--serial", "none", "--timeout", "0.3"});
  EXPECT_EQ(outcome.status, 124);
  EXPECT_EQ(outcome.out, "");
}

TEST(RunSerial, TalksToASocket) {
  const Folder folder;
  const std::string path = folder.path("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 1), 0);

  Process process({"run", "--kernel", folder.guest("guest", kEcho), "--serial", "unix:" + path});
  const int peer = accept(listener, nullptr, nullptr);
  ASSERT_GE(peer, 0);
  std::string received;
  const auto receive = [&](std::size_t count) {
    char byte = 0;
    while (received.size() < count && read(peer, &byte, 1) == 1) received.push_back(byte);
  };
  receive(1);
  EXPECT_EQ(write(peer, "ab", 2), 2);
  receive(3);
  EXPECT_EQ(received, ">bc");
  close(peer);
  close(listener);
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().status, 128 + SIGTERM);
}

TEST(RunSerial, ReportsAFullDevice) {
  const Folder folder;
  const Outcome outcome = run({"run", "--kernel", folder.guest("guest", kChatter), "--serial", "file:/dev/full"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "ringshift: cannot write to '/dev/full': No space left on device\n");
}

TEST(RunDefault, IsTheEmbeddedTour) {
  const Outcome outcome = run({"run", "--engine", "interpret"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, StartsWith("tour: "));
  EXPECT_THAT(outcome.out, HasSubstr(" 0 failed"));
}

TEST(RunDefault, PassesTheVerifier) {
  const Outcome outcome = run({"run", "--verify", "--stats"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr(" 0 failed"));
  EXPECT_THAT(outcome.err, testing::ContainsRegex("fragments refused by the verifier +0\n"));
}

TEST(Translate, PrintsAListing) {
  const Outcome outcome = run({"translate", "--hex", "9c fa 9d"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("pushfd"));
  EXPECT_EQ(outcome.err, "");
}

TEST(Translate, AssemblesItsInput) {
  const Outcome outcome = run({"translate", "--asm", "again: add eax, [ebx]; jnz again"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("add eax, [ebx]"));
}

TEST(Translate, SaysWhereTheInstructionsEnd) {
  const Outcome outcome = run({"translate", "--hex", "90 0f"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.out, HasSubstr("nop"));
  EXPECT_EQ(outcome.err, "ringshift: the bytes from offset 1 are no instruction\n");
}

TEST(Help, IsOnStandardOutput) {
  for (const Arguments& arguments : {Arguments{"--help"}, {"-h"}, {"run", "--help"}, {"run", "-help"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Usage: ringshift"));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Version, IsOnStandardOutput) {
  for (const Arguments& arguments : {Arguments{"--version"}, {"run", "--version"}, {"run", "-version"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, StartsWith("ringshift 0."));
    EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 1);
  }
}

}  // namespace
}  // namespace ringshift::test
