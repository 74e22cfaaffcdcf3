// The benchmark guest on this host. Skipped where the host runs no 32-bit programs.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "cli/bench/environment.h"
#include "cli/bench/rows.h"

namespace ringshift::cli {
namespace {

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  char line[256];
  while (pipe != nullptr && fgets(line, sizeof line, pipe) != nullptr) text += line;
  if (pipe != nullptr) pclose(pipe);
  return text;
}

class BenchGuest : public testing::TestWithParam<BenchRow> {
 protected:
  void SetUp() override {
    if (output_of(BENCH_GUEST " list 2>/dev/null").empty()) GTEST_SKIP() << "no 32-bit programs here";
  }
};

TEST_F(BenchGuest, HasTheRowsOfTheHarness) {
  std::string expected;
  for (const BenchRow& row : bench_rows()) expected += fmt::format("{} {}\n", row.name, row.group);
  EXPECT_EQ(output_of(BENCH_GUEST " list"), expected);
}

TEST_P(BenchGuest, GivesTheSameChecksumEachTime) {
  if (GetParam().group == "shell" && access(BENCH_BUSYBOX, X_OK) != 0) GTEST_SKIP() << "no busybox here";
  ProcessPlan plan;
  plan.command = {BENCH_GUEST, "serve"};
  plan.variables = {{"BENCH_BUSYBOX", BENCH_BUSYBOX}};
  plan.folder = "/tmp";
  plan.log = "/dev/null";
  BenchEnvironment host("native", plan, true);
  constexpr BenchEnvironment::Seconds kMost{60};
  const auto first = host.run(GetParam().name, 3, kMost);
  const auto second = host.run(GetParam().name, 3, kMost);
  const auto other = host.run(GetParam().name, 4, kMost);
  for (const auto* result : {&first, &second, &other}) {
    ASSERT_TRUE(std::holds_alternative<BenchSample>(*result)) << std::get<std::string>(*result);
    EXPECT_GT(std::get<BenchSample>(*result).own, 0);
  }
  EXPECT_EQ(std::get<BenchSample>(first).checksum, std::get<BenchSample>(second).checksum);
  EXPECT_NE(std::get<BenchSample>(first).checksum, std::get<BenchSample>(other).checksum);
}

INSTANTIATE_TEST_SUITE_P(Rows, BenchGuest, testing::ValuesIn(bench_rows().begin(), bench_rows().end()),
                         [](const auto& row) {
                           std::string name(row.param.name);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace ringshift::cli
