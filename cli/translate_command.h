// `ringshift translate`: guest instructions and the host code they become, side by side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/translate_options.h"
#include "translator/listing/translation.h"

namespace ringshift::cli {

using listing::Translation;

[[nodiscard]] Translation translate_all(const TranslateRequest& request);

// `assembler`: who has made the code from text, if anyone.
[[nodiscard]] std::string as_text(const Translation& translation,
                                  std::optional<assemble::Assembler> assembler = std::nullopt);
[[nodiscard]] std::string as_json(const Translation& translation,
                                  std::optional<assemble::Assembler> assembler = std::nullopt);

// "9cfa9d"
[[nodiscard]] std::string hex_bytes(const std::vector<std::uint8_t>& bytes);

// Prints it. Returns the process's exit status: 2 if the code ends in something that is no instruction, 1 if the
// verifier objects to a block.
[[nodiscard]] int translate(const TranslateRequest& request);

}  // namespace ringshift::cli
