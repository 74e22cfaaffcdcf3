// The CPU that the guest finds: what CPUID reports, and which optional instructions and registers exist.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringshift {

// From the oldest to the newest; each has all that those before it have.
enum class CpuModel : std::uint8_t {
  i486,      // a late one, with CPUID
  pentium,   // with MMX
  pentium3,  // P6 family, PAE, SSE
  core2      // everything that is implemented, to SSE4.2 and AES
};
inline constexpr std::array kCpuModels{CpuModel::i486, CpuModel::pentium, CpuModel::pentium3, CpuModel::core2};

struct CpuModelName {
  std::string_view text;
  CpuModel model;
};
// As on command lines: the first of a model is its name, the others are accepted.
inline constexpr std::array kCpuModelNames{
    CpuModelName{"486", CpuModel::i486},          CpuModelName{"i486", CpuModel::i486},
    CpuModelName{"pentium", CpuModel::pentium},   CpuModelName{"ipentium", CpuModel::pentium},
    CpuModelName{"pentium3", CpuModel::pentium3}, CpuModelName{"ipentium3", CpuModel::pentium3},
    CpuModelName{"core2", CpuModel::core2},       CpuModelName{"icore2", CpuModel::core2},
};

[[nodiscard]] constexpr std::optional<CpuModel> cpu_model_of(std::string_view name) {
  for (const CpuModelName& known : kCpuModelNames) {
    if (known.text == name) return known.model;
  }
  return std::nullopt;
}

}  // namespace ringshift
