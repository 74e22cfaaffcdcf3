// Sizes as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace ringshift::cli {

// "256M", "1G", "65536K", or a plain number of MiB. The error is one readable line.
[[nodiscard]] std::variant<std::uint64_t, std::string> parse_memory_size(std::string_view text);

// A number in decimal, or in hexadecimal behind 0x. Nothing else may follow.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace ringshift::cli
