// The option --cpu, which `run` and `translate` share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/state/cpu_model.h"

namespace ringshift::cli {

inline constexpr const char* kCpuHelp = "CPU that the guest finds: 486, pentium, pentium3 or core2";

// The error is one readable line.
[[nodiscard]] std::optional<std::string> check_cpu(std::string_view text, CpuModel& cpu);

}  // namespace ringshift::cli
