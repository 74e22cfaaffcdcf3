// All blocks of some code, translated, listed and verified as if it were to run.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "translator/listing/listing.h"
#include "translator/mode_key.h"
#include "translator/translate.h"

namespace ringshift::listing {

// Blocks one behind the other.
struct Translation {
  struct Block {
    Listing listing;
    std::optional<std::string> violation;  // what the verifier objects to
  };
  translator::ModeKey mode;
  std::uint32_t address = 0;
  bool interpreted = false;  // there is no host side
  std::vector<Block> blocks;
  // The bytes from here on are no complete instruction.
  std::optional<std::uint32_t> undecodable;
};

// `code` lies at the linear address `address`. Code that is `interpreted` is listed without a host side.
[[nodiscard]] Translation translate_all(std::span<const std::uint8_t> code, std::uint32_t address,
                                        const translator::ModeKey& mode, const translator::Options& options,
                                        bool interpreted = false);

}  // namespace ringshift::listing
