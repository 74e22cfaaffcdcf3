#include "cli/gdb_packets.h"

#include <utility>

namespace ringshift::cli {
namespace {

constexpr char kEscape = '}', kCtrlC = 0x03;
constexpr std::string_view kDigits = "0123456789abcdef";

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::uint8_t checksum(std::string_view bytes) {
  unsigned sum = 0;
  for (const char c : bytes) sum += static_cast<std::uint8_t>(c);
  return static_cast<std::uint8_t>(sum);
}

std::string unescaped(std::string_view raw) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == kEscape && i + 1 < raw.size()) {
      out.push_back(static_cast<char>(raw[++i] ^ 0x20));
    } else {
      out.push_back(raw[i]);
    }
  }
  return out;
}

}  // namespace

std::vector<GdbPackets::Item> GdbPackets::feed(std::string_view bytes) {
  std::vector<Item> items;
  for (const char c : bytes) {
    switch (where_) {
      case Where::outside:
        if (c == '$') {
          raw_.clear();
          too_long_ = false;
          where_ = Where::inside;
        } else if (c == kCtrlC) {
          items.push_back({Item::Kind::interrupt});
        } else if (c == '-') {
          items.push_back({Item::Kind::resend});
        }
        break;
      case Where::inside:
        if (c == '#') {
          where_ = Where::first_digit;
        } else if (raw_.size() < kMost) {
          raw_.push_back(c);
        } else {
          too_long_ = true;
        }
        break;
      case Where::first_digit:
        first_digit_ = c;
        where_ = Where::second_digit;
        break;
      case Where::second_digit:
        second_digit_ = c;
        where_ = Where::outside;
        finish(items);
        break;
    }
  }
  return items;
}

void GdbPackets::finish(std::vector<Item>& items) {
  const bool right = digit(first_digit_) * 16 + digit(second_digit_) == checksum(raw_);
  if (too_long_ || !right || digit(first_digit_) < 0 || digit(second_digit_) < 0) {
    items.push_back({Item::Kind::broken});
  } else {
    items.push_back({Item::Kind::packet, unescaped(raw_)});
  }
}

std::string gdb_frame(std::string_view payload) {
  std::string body;
  for (const char c : payload) {
    const bool special = c == '#' || c == '$' || c == kEscape || c == '*';
    if (special) body.push_back(kEscape);
    body.push_back(special ? static_cast<char>(c ^ 0x20) : c);
  }
  const std::uint8_t sum = checksum(body);
  return '$' + body + '#' + kDigits[sum >> 4] + kDigits[sum & 15];
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = digit(digits[i]), low = digit(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return out;
}

std::optional<std::uint32_t> take_hex(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t used = 0;
  while (used < text.size() && digit(text[used]) >= 0) {
    value = value << 4 | static_cast<unsigned>(digit(text[used++]));
    if (value > 0xFFFFFFFF) return std::nullopt;
  }
  if (used == 0) return std::nullopt;
  text.remove_prefix(used);
  return static_cast<std::uint32_t>(value);
}

}  // namespace ringshift::cli
