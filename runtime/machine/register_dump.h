// A virtual CPU's registers as text, for people.
#pragma once

#include <string>

#include "runtime/state/cpu_state.h"

namespace ringshift::machine {

// Several lines, each ended by a newline.
[[nodiscard]] std::string register_dump(const CpuState& state);

}  // namespace ringshift::machine
