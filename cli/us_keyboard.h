// Which keys of a US keyboard make which characters.
#pragma once

#include <cstdint>
#include <optional>

namespace ringshift::cli {

struct CharacterKey {
  std::uint16_t code = 0;  // set 1 make code
  bool shifted = false;    // with the shift key
};

// Nothing for control characters and what is not ASCII.
[[nodiscard]] std::optional<CharacterKey> key_of_character(char character);

}  // namespace ringshift::cli
