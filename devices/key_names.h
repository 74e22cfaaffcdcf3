// Keys by the names that QEMU's monitor gives them: "ret", "ctrl", "f1", "spc", ...
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ringshift::devices {

// The key's set 1 make code, E0xxh for the extended keys; Pause, which has a sequence of its own, is kPauseKey.
inline constexpr std::uint16_t kPauseKey = 0xE11D;
[[nodiscard]] std::optional<std::uint16_t> key_code(std::string_view name);

// Keys that are held together, as in "ctrl-alt-delete": in the order in which they are pressed. Nothing: one of the
// names is unknown.
[[nodiscard]] std::optional<std::vector<std::uint16_t>> key_combination(std::string_view names);

}  // namespace ringshift::devices
