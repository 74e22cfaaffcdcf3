// What a benchmark found, as a table, as JSON and as a plot.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/bench/measure.h"

namespace ringshift::cli {

struct BenchReport {
  std::vector<std::string> environments{};  // the first one is this host
  std::vector<BenchResult> results{};
  BenchPlan plan{};
  std::vector<std::string> facts{};  // of the machine, the programs and the guest, a line each
};

// One statement about the results that is or is not so.
struct BenchFinding {
  std::string what;
  double value = 0;
  double limit = 0;
  bool kept = true;
};

// The acceptance figures that these results say something about.
[[nodiscard]] std::vector<BenchFinding> bench_findings(const BenchReport& report);

// Rows that are wrong or did not end.
[[nodiscard]] bool has_failures(const BenchReport& report);

// The environment of that name: its place in the report.
[[nodiscard]] std::optional<std::size_t> environment_named(const BenchReport& report, std::string_view name);

[[nodiscard]] std::string bench_text(const BenchReport& report);
[[nodiscard]] std::string bench_json(const BenchReport& report);
[[nodiscard]] std::string bench_svg(const BenchReport& report);

}  // namespace ringshift::cli
