#include "cli/bench/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/bench/lab.h"

namespace ringshift::cli {
namespace {

using Seconds = BenchEnvironment::Seconds;
using test::answering;
using test::scripted;
using testing::HasSubstr;

std::string error_of(const std::variant<BenchSample, std::string>& result) {
  const auto* error = std::get_if<std::string>(&result);
  return error != nullptr ? *error : "";
}

TEST(BenchEnvironment, GivesWhatTheGuestAnswers) {
  const auto guest = answering("guest", 7, "deadbeef");
  const auto result = guest->run("hash", 100, Seconds(10));
  ASSERT_TRUE(std::holds_alternative<BenchSample>(result)) << error_of(result);
  const auto& sample = std::get<BenchSample>(result);
  EXPECT_EQ(sample.units, 100U);
  EXPECT_EQ(sample.own, 700);
  EXPECT_EQ(sample.cpu, 700);
  EXPECT_EQ(sample.checksum, 0xDEADBEEFU);
}

TEST(BenchEnvironment, PassesOverWhatElseIsOnTheConsole) {
  const auto guest = scripted("guest", "echo noise; echo @begin $row $units; echo @end other; echo @end $row 1 2 3 4");
  EXPECT_EQ(error_of(guest->run("hash", 1, Seconds(10))), "");
}

TEST(BenchEnvironment, SaysWhyARowFailedAndGoesOn) {
  const auto guest = scripted("guest", "echo @failed $row no memory");
  EXPECT_THAT(error_of(guest->run("hash", 1, Seconds(10))), HasSubstr("no memory"));
  EXPECT_THAT(error_of(guest->run("sort", 1, Seconds(10))), HasSubstr("@failed sort"));
}

TEST(BenchEnvironment, EndsAGuestThatHangsAndStartsAnother) {
  const auto guest =
      scripted("guest", "if [ $row = hash ]; then exec sleep 100; fi; echo @begin $row 1; echo @end $row 1 2 3 4");
  EXPECT_THAT(error_of(guest->run("hash", 1, Seconds(0.2))), HasSubstr("took too long"));
  EXPECT_EQ(error_of(guest->run("sort", 1, Seconds(10))), "");
}

TEST(BenchEnvironment, ReportsTheLastWordsOfAGuestThatEnds) {
  const auto guest = scripted("guest", "echo panic: no more; exit 3");
  const std::string error = error_of(guest->run("hash", 1, Seconds(10)));
  EXPECT_THAT(error, HasSubstr("ended with status 3"));
  EXPECT_THAT(error, HasSubstr("panic: no more"));
}

TEST(BenchEnvironment, TriesAGuestThatDoesNotStartTwice) {
  ProcessPlan plan;
  plan.command = {"/bin/false"};
  plan.log = "/dev/null";
  BenchEnvironment guest("guest", plan, false);
  EXPECT_THAT(error_of(guest.run("hash", 1, Seconds(10))), HasSubstr("did not become ready"));
  EXPECT_THAT(error_of(guest.run("hash", 1, Seconds(10))), HasSubstr("did not become ready"));
  EXPECT_EQ(error_of(guest.run("hash", 1, Seconds(10))), "does not start");
}

}  // namespace
}  // namespace ringshift::cli
