#include "cli/bench/measure.h"

#include <algorithm>
#include <cmath>

namespace ringshift::cli {
namespace {

constexpr double kClockTolerance = 0.05;
constexpr double kLateNs = 10e6;  // a line may wait as long for us
constexpr double kMostUnits = 4e9;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::uint32_t to_units(double units) { return static_cast<std::uint32_t>(std::clamp(units, 1.0, kMostUnits)); }

class RowRun {
 public:
  RowRun(const BenchRow& row, BenchEnvironments& environments, const BenchPlan& plan)
      : row_(row), environments_(environments), plan_(plan), result_{row} {
    result_.cells.resize(environments.size());
  }

  BenchResult run(const std::vector<double>& patience) {
    std::vector<std::uint32_t> units(environments_.size(), 0);
    for (std::size_t i = 0; i < environments_.size(); ++i) {
      const double most = i == 0 ? kMostUnits : units[0] != 0 ? units[0] : 1;
      units[i] = calibrate(i, most, plan_.seconds * 1e9 * patience[i]);
    }
    for (int round = 0; round < plan_.runs; ++round) {
      for (std::size_t i = 0; i < environments_.size(); ++i) {
        BenchCell& cell = result_.cells[i];
        if (!cell.error.empty()) continue;
        if (i != 0 && units[i] != units[0] && (round == 0 || !row_.linear))
          sample(0, units[i], cell.native, cell.error);
        sample(i, units[i], cell.samples, cell.error);
      }
    }
    for (std::size_t i = 1; i < environments_.size(); ++i) check(result_.cells[i]);
    return std::move(result_);
  }

 private:
  // The value is nothing after an error.
  std::optional<BenchSample> sample(std::size_t environment, std::uint32_t units, std::vector<BenchSample>& samples,
                                    std::string& error) {
    auto sample = environments_[environment]->run(row_.name, units, BenchEnvironment::Seconds(plan_.most_seconds));
    if (auto* text = std::get_if<std::string>(&sample)) {
      error = *text;
      return std::nullopt;
    }
    samples.push_back(std::get<BenchSample>(sample));
    return samples.back();
  }

  // The number of units that take `target` nanoseconds, up to `most`; 0 after an error.
  std::uint32_t calibrate(std::size_t environment, double most, double target) {
    double units = row_.linear ? std::max(1.0, std::min(most, 1e6) / 4096) : 1;
    if (environment == 0) units = 1;
    for (;;) {
      std::vector<BenchSample> unused;
      const auto found = sample(environment, to_units(units), unused, result_.cells[environment].error);
      if (!found) return 0;
      const double wanted = units * target / std::max(found->cpu, 1000.0);
      // Half of it is enough to go by: the first units cost more, by translation or by the start of a script.
      if (units >= most || found->cpu > target / 2) return to_units(std::min(wanted, most));
      units = std::min(most, std::clamp(wanted, units * 2, units * 16));
    }
  }

  void check(BenchCell& cell) {
    std::vector<BenchSample> right = result_.cells[0].samples;
    right.insert(right.end(), cell.native.begin(), cell.native.end());
    for (const BenchSample& sample : cell.samples) {
      cell.wrong |= std::ranges::any_of(right, [&](const BenchSample& native) {
        return native.units == sample.units && native.checksum != sample.checksum;
      });
    }
  }

  const BenchRow& row_;
  BenchEnvironments& environments_;
  const BenchPlan& plan_;
  BenchResult result_;
};

std::optional<double> unit_time(const std::vector<BenchSample>& samples, BenchClock clock, bool own_clock) {
  if (samples.empty()) return std::nullopt;
  std::vector<double> times;
  times.reserve(samples.size());
  for (const BenchSample& sample : samples) {
    times.push_back((clock == BenchClock::cpu ? sample.cpu : own_clock ? sample.own : sample.host) / sample.units);
  }
  return median(std::move(times));
}

}  // namespace

BenchResult measure_row(const BenchRow& row, BenchEnvironments& environments, const std::vector<double>& patience,
                        const BenchPlan& plan) {
  return RowRun(row, environments, plan).run(patience);
}

std::optional<double> clock_error(const BenchCell& cell) {
  std::optional<double> least;
  for (const BenchSample& sample : cell.samples) {
    const double error = sample.own / sample.host - 1;
    if (std::abs(sample.own - sample.host) < kLateNs || std::abs(error) <= kClockTolerance) return std::nullopt;
    if (!least || std::abs(error) < std::abs(*least)) least = error;
  }
  return least;
}

std::optional<double> unit_time(const BenchCell& cell, BenchClock clock) {
  return unit_time(cell.samples, clock, !clock_error(cell));
}

std::optional<double> ratio_to_native(const BenchResult& result, std::size_t environment, BenchClock clock) {
  const BenchCell& cell = result.cells[environment];
  const auto time = unit_time(cell, clock);
  const bool own_native = !result.row.linear && !cell.native.empty();
  const auto native = own_native ? unit_time(cell.native, clock, true) : unit_time(result.cells[0], clock);
  if (!time || !native || *native <= 0) return std::nullopt;
  return *time / *native;
}

std::optional<double> geometric_mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace ringshift::cli
