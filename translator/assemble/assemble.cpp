#include "translator/assemble/assemble.h"

#include <utility>

namespace ringshift::assemble {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool blank(std::string_view line) {
  for (const char c : line) {
    if (!is_space(c)) return false;
  }
  return true;
}

// All lines by the encoder, or nothing.
std::optional<std::vector<std::uint8_t>> encode_all(std::string_view text, int bits) {
  std::vector<std::uint8_t> all;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(";\n");
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (blank(line)) continue;
    const auto bytes = encode_line(line, bits);
    if (!bytes) return std::nullopt;
    all.insert(all.end(), bytes->begin(), bytes->end());
  }
  return all;
}

}  // namespace

std::variant<Code, std::string> assemble(std::string_view text, int bits, std::uint32_t origin) {
  if (auto bytes = encode_all(text, bits)) return Code{std::move(*bytes), Assembler::zydis};
  auto result = run_nasm(text, bits, origin);
  if (auto* error = std::get_if<std::string>(&result)) return std::move(*error);
  return Code{std::get<std::vector<std::uint8_t>>(std::move(result)), Assembler::nasm};
}

std::optional<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    if (is_space(c) || c == ',' || c == '\n') {
      if (high >= 0) return std::nullopt;  // half a byte
      continue;
    }
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  if (high >= 0) return std::nullopt;
  return bytes;
}

std::string_view name(Assembler by) { return by == Assembler::zydis ? "Zydis" : "nasm"; }

}  // namespace ringshift::assemble
