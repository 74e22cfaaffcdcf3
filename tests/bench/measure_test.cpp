#include "cli/bench/measure.h"

#include <gtest/gtest.h>

#include "tests/bench/lab.h"

namespace ringshift::cli {
namespace {

using test::answering;
using test::scripted;

BenchRow row_named(std::string_view name) { return std::get<0>(select_bench_rows(name)).front(); }

BenchResult measure(std::string_view row, std::unique_ptr<BenchEnvironment> native,
                    std::unique_ptr<BenchEnvironment> guest) {
  BenchEnvironments environments;
  environments.push_back(std::move(native));
  environments.push_back(std::move(guest));
  BenchPlan plan;
  plan.seconds = 0.01;
  plan.clock = BenchClock::cpu;
  plan.most_seconds = 5;
  return measure_row(row_named(row), environments, {1, 2}, plan);
}

TEST(MeasureRow, TheRatioIsOfTimesForAUnit) {
  const auto result = measure("hash", answering("native", 1000, "1"), answering("guest", 1500, "1"));
  EXPECT_DOUBLE_EQ(*ratio_to_native(result, 1, BenchClock::cpu), 1.5);
  EXPECT_EQ(result.cells[0].samples.size(), 3U);
  EXPECT_EQ(result.cells[1].samples.size(), 3U);
}

TEST(MeasureRow, ASlowGuestDoesLess) {
  const auto result = measure("hash", answering("native", 1000, "1"), answering("guest", 100000, "1"));
  EXPECT_NEAR(*ratio_to_native(result, 1, BenchClock::cpu), 100, 1e-9);
  EXPECT_EQ(result.cells[1].samples.front().units, 200U);
  ASSERT_EQ(result.cells[1].native.size(), 1U) << "for the checksum";
  EXPECT_EQ(result.cells[1].native.front().units, 200U);
}

TEST(MeasureRow, AnotherChecksumIsWrong) {
  EXPECT_FALSE(measure("hash", answering("native", 1000, "1"), answering("guest", 1000, "1")).cells[1].wrong);
  EXPECT_TRUE(measure("hash", answering("native", 1000, "1"), answering("guest", 1000, "2")).cells[1].wrong);
  EXPECT_TRUE(measure("hash", answering("native", 1000, "1"), answering("guest", 99000, "2")).cells[1].wrong);
}

// 1 ms and 100 us for a unit, against 2 ms and 10 ms for a unit: the guest does 2 units.
TEST(MeasureRow, AScriptIsComparedForTheSameUnits) {
  const auto script = [](int start, int unit) {
    return "echo @begin $row $units; t=$((" + std::to_string(start) + " + units * " + std::to_string(unit) +
           ")); echo @end $row $units $t $t 1";
  };
  const auto result = measure("shell-loop", scripted("native", script(1'000'000, 100'000)),
                              scripted("guest", script(2'000'000, 10'000'000)));
  const double units = result.cells[1].samples.front().units;
  ASSERT_LT(units, result.cells[0].samples.front().units);
  EXPECT_EQ(result.cells[1].native.size(), 3U);
  EXPECT_NEAR(*ratio_to_native(result, 1, BenchClock::cpu), (2e6 + units * 1e7) / (1e6 + units * 1e5), 1e-6);
}

TEST(MeasureRow, AGuestThatFailsLeavesTheRowOfTheOthers) {
  const auto result = measure("hash", answering("native", 1000, "1"), scripted("guest", "echo @failed $row"));
  EXPECT_EQ(result.cells[0].samples.size(), 3U);
  EXPECT_FALSE(result.cells[1].error.empty());
  EXPECT_FALSE(ratio_to_native(result, 1, BenchClock::cpu));
}

BenchCell cell_with(double own, double host) {
  BenchSample sample;
  sample.units = 1;
  sample.own = own;
  sample.host = host;
  BenchCell cell;
  cell.samples = {sample};
  return cell;
}

TEST(ClockError, IsWhatAGuestsClockIsOffByMoreThanFivePercent) {
  EXPECT_NEAR(*clock_error(cell_with(0.5e9, 1e9)), -0.5, 1e-9);
  EXPECT_FALSE(clock_error(cell_with(0.96e9, 1e9)));
  EXPECT_FALSE(clock_error(cell_with(1e6, 2e6))) << "a line may come late";
}

TEST(ClockError, NeedsAllSamples) {
  BenchCell cell = cell_with(0.5e9, 1e9);
  cell.samples.push_back(cell_with(1e9, 1e9).samples.front());
  EXPECT_FALSE(clock_error(cell));
}

TEST(UnitTime, IsByTheHostsClockWhenTheGuestsIsWrong) {
  EXPECT_EQ(*unit_time(cell_with(0.5e9, 1e9), BenchClock::wall), 1e9);
  EXPECT_EQ(*unit_time(cell_with(0.99e9, 1e9), BenchClock::wall), 0.99e9);
}

TEST(GeometricMean, IsTheRootOfTheProduct) {
  EXPECT_DOUBLE_EQ(*geometric_mean({1, 4}), 2);
  EXPECT_FALSE(geometric_mean({}));
}

}  // namespace
}  // namespace ringshift::cli
