// The options of `ringshift translate`: as given, and as checked values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "translator/assemble/assemble.h"
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
  std::string mode = "32", cpl = "0", iopl = "0", address = "0x100000", max_block = "64", cpu = "core2";
  bool json = false;
};

// What it means.
struct TranslateRequest {
  std::vector<std::uint8_t> code;
  std::uint32_t address = 0x100000;  // of the code, linear
  translator::ModeKey mode;
  translator::Options options;
  std::optional<assemble::Assembler> assembler;  // who made the code from text
  bool json = false;
};

void add_translate_options(CLI::App& app, TranslateText& text);

// Reads the file and assembles the text. The error is one readable line.
[[nodiscard]] std::variant<TranslateRequest, std::string> check_translate_options(const TranslateText& text);

}  // namespace ringshift::cli
