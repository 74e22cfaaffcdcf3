// What `info` of the monitor tells.
#pragma once

#include <string>
#include <string_view>

#include "runtime/machine/machine.h"

namespace ringshift::cli {

// The text for `info WHAT`, in whole lines.
[[nodiscard]] std::string monitor_info(machine::Machine& machine, std::string_view what);

// x and xp: "/FMT ADDRESS", or an address alone. FMT is a count, a format of x d u o c, and a size of b h w g.
[[nodiscard]] std::string monitor_memory(machine::Machine& machine, std::string_view arguments, bool physical);

}  // namespace ringshift::cli
