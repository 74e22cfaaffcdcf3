// `ringshift translate`: guest instructions and the host code they become, side by side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/translate_options.h"
#include "translator/listing/listing.h"

namespace ringshift::cli {

// All blocks of some code, one behind the other.
struct Translation {
  struct Block {
    listing::Listing listing;
    std::optional<std::string> violation;  // what the verifier objects to
  };
  translator::ModeKey mode;
  std::uint32_t address = 0;
  std::vector<Block> blocks;
  // The bytes from here on are no complete instruction.
  std::optional<std::uint32_t> undecodable;
};

[[nodiscard]] Translation translate_all(const TranslateRequest& request);

[[nodiscard]] std::string as_text(const Translation& translation);
[[nodiscard]] std::string as_json(const Translation& translation);

// "9cfa9d"
[[nodiscard]] std::string hex_bytes(const std::vector<std::uint8_t>& bytes);

// Prints it. Returns the process's exit status: 2 if the code ends in something that is no instruction, 1 if the
// verifier objects to a block.
[[nodiscard]] int translate(const TranslateRequest& request);

}  // namespace ringshift::cli
