// Guest code from text, by the netwide assembler.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ringshift::cli {

// Lines may also be separated by ';'. Needs nasm on the path. The error is one readable line.
[[nodiscard]] std::variant<std::vector<std::uint8_t>, std::string> assemble(std::string_view text, int bits);

}  // namespace ringshift::cli
