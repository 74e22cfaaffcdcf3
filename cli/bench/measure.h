// Runs the rows of the benchmark in every environment in turn.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench/environment.h"
#include "cli/bench/rows.h"

namespace ringshift::cli {

enum class BenchClock : std::uint8_t {
  wall,
  cpu  // what is measured on a busy host
};

struct BenchPlan {
  double seconds = 0.3;  // of a sample on this host
  int runs = 3;
  double most_seconds = 60;  // for one run of one row, or it is said to hang
  BenchClock clock = BenchClock::wall;
};

// A row in one environment.
struct BenchCell {
  std::vector<BenchSample> samples{};
  std::vector<BenchSample> native{};  // the same number of units on this host, where not that of the row's own cell
  std::string error{};                // why there are fewer samples than runs: a hang, a crash
  bool wrong = false;                 // another checksum than on this host
};

struct BenchResult {
  BenchRow row;
  std::vector<BenchCell> cells{};  // one an environment, in their order
};

// The environments of one benchmark; the first one is this host itself.
using BenchEnvironments = std::vector<std::unique_ptr<BenchEnvironment>>;

// All samples of one row. Each environment does as many units as it can in a few times plan.seconds, at most as many as
// this host does in plan.seconds. `patience` says how many times, in the order of the environments.
[[nodiscard]] BenchResult measure_row(const BenchRow& row, BenchEnvironments& environments,
                                      const std::vector<double>& patience, const BenchPlan& plan);

// Nanoseconds for a unit: the median. Nothing without samples.
[[nodiscard]] std::optional<double> unit_time(const BenchCell& cell, BenchClock clock);

// How many times as long as this host the environment takes for a row.
[[nodiscard]] std::optional<double> ratio_to_native(const BenchResult& result, std::size_t environment,
                                                    BenchClock clock);

// By how much the clock of the environment was wrong, as a fraction: -0.1 is a clock that is too slow by 10%. Nothing
// if it was within 5% or 10 ms in any sample: lines may reach this process late, but not always.
[[nodiscard]] std::optional<double> clock_error(const BenchCell& cell);

[[nodiscard]] std::optional<double> geometric_mean(const std::vector<double>& values);

}  // namespace ringshift::cli
