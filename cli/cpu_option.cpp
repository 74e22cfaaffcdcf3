#include "cli/cpu_option.h"

#include <fmt/format.h>

namespace ringshift::cli {

std::optional<std::string> check_cpu(std::string_view text, CpuModel& cpu) {
  const auto model = cpu_model_of(text);
  if (!model) return fmt::format("--cpu '{}': none of 486, pentium, pentium3, core2", text);
  cpu = *model;
  return std::nullopt;
}

}  // namespace ringshift::cli
