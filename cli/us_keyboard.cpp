#include "cli/us_keyboard.h"

#include <array>
#include <string_view>

namespace ringshift::cli {
namespace {

// Characters in the order of the keys, from the code on.
struct Row {
  std::uint16_t first;
  std::string_view plain, shifted;
};
constexpr std::array<Row, 5> kRows = {{{0x02, "1234567890-=", "!@#$%^&*()_+"},
                                       {0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
                                       {0x1E, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
                                       {0x2B, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
                                       {0x39, " ", ""}}};

}  // namespace

std::optional<CharacterKey> key_of_character(char character) {
  for (const Row& row : kRows) {
    for (const bool shifted : {false, true}) {
      const auto at = (shifted ? row.shifted : row.plain).find(character);
      if (at != std::string_view::npos) return CharacterKey{static_cast<std::uint16_t>(row.first + at), shifted};
    }
  }
  return std::nullopt;
}

}  // namespace ringshift::cli
