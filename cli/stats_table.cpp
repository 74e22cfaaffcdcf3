#include "cli/stats_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace ringshift::cli {
namespace {

std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) text.insert(text.begin() + at, ',');
  return text;
}

}  // namespace

std::string stats_table(std::string_view title, const engine::Stats& stats) {
  std::vector<std::string> values;
  std::size_t name_width = 0;
  std::size_t value_width = 0;
  for (const engine::Counter& counter : stats) {
    values.push_back(grouped(counter.value));
    name_width = std::max(name_width, counter.name.size());
    value_width = std::max(value_width, values.back().size());
  }
  std::string table = fmt::format("{}\n", title);
  for (std::size_t i = 0; i < stats.size(); ++i) {
    table += fmt::format("  {:<{}}  {:>{}}\n", stats[i].name, name_width, values[i], value_width);
  }
  return table;
}

}  // namespace ringshift::cli
