// The rows of `ringshift bench`: what they are and which ratios they are to keep.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ringshift::cli {

// Limits are ratios of time to native time; 0 is none.
struct BenchGroup {
  std::string_view name;
  std::string_view title;
  double mean_limit;  // of the geometric mean of its rows
  double row_limit;   // of each row that has none of its own
};

struct BenchRow {
  std::string_view name;  // as bench/guests knows it
  std::string_view group;
  std::string_view unit;  // what is counted
  double limit;
  // Whether time goes with units from the first one. A script has a beginning and an end that cost, so that its times
  // are only compared for the same number of units.
  bool linear;
};

[[nodiscard]] std::span<const BenchGroup> bench_groups();
[[nodiscard]] std::span<const BenchRow> bench_rows();
[[nodiscard]] const BenchGroup& group_of(const BenchRow& row);
[[nodiscard]] double limit_of(const BenchRow& row);

// The rows that a comma-separated list of rows and groups names, in the order of bench_rows(); all for an empty list.
// The error is one line.
[[nodiscard]] std::variant<std::vector<BenchRow>, std::string> select_bench_rows(std::string_view list);

// The parts of a comma-separated list.
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view list);

}  // namespace ringshift::cli
