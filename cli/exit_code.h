// What the process's exit status says.
#pragma once

#include <optional>
#include <string_view>

#include "runtime/machine/machine.h"

namespace ringshift::cli {

inline constexpr int kExitHostError = 1;
inline constexpr int kExitUsage = 2;  // bad usage, or an image that cannot be used
inline constexpr int kExitTripleFault = 3;
inline constexpr int kExitDifference = 4;  // lockstep: the engines disagree
inline constexpr int kExitTimeout = 124;   // as timeout(1)
inline constexpr int kExitSignal = 128;    // plus the signal's number, as a shell says it

// Of what a guest asks for through the debug exit port, the host keeps 8 bits. A run that was stopped from outside
// ends with the status that was asked for.
[[nodiscard]] int exit_code(const machine::RunEnd& end, std::optional<int> stopped);

}  // namespace ringshift::cli
