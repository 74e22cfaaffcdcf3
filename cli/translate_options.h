// The options of `ringshift translate`: as given, and as checked values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "translator/mode_key.h"
#include "translator/translate.h"

namespace CLI {
class App;
}

namespace ringshift::cli {

// What the command line says.
struct TranslateText {
  std::optional<std::string> hex, assembly, file;
  std::optional<std::string> offset, length;
  std::string mode = "32", cpl = "0", iopl = "0", address = "0x100000", max_block = "64";
  bool json = false;
};

// What it means.
struct TranslateRequest {
  std::vector<std::uint8_t> code;
  std::uint32_t address = 0x100000;  // of the code, linear
  translator::ModeKey mode;
  translator::Options options;
  bool json = false;
};

void add_translate_options(CLI::App& app, TranslateText& text);

// Reads the file and assembles the text. The error is one readable line.
[[nodiscard]] std::variant<TranslateRequest, std::string> check_translate_options(const TranslateText& text);

// Bytes from hexadecimal digits with spaces or commas between them; nothing if it is anything else.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> parse_hex(std::string_view text);

}  // namespace ringshift::cli
