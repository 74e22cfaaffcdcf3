// Counters as a table for people.
#pragma once

#include <string>
#include <string_view>

#include "runtime/engine/engine.h"

namespace ringshift::cli {

// A title line, then one line for each counter, names left and values right aligned with thousands separated.
[[nodiscard]] std::string stats_table(std::string_view title, const engine::Stats& stats);

}  // namespace ringshift::cli
