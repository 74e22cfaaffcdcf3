#include "cli/sizes.h"

#include <fmt/format.h>

#include <charconv>

#include "runtime/machine/memory_layout.h"

namespace ringshift::cli {
namespace {

using machine::kGiB;
using machine::kKiB;
using machine::kMiB;
using machine::MemoryLayout;

// The unit that a size ends with, which is taken off it. A plain number counts MiB.
std::uint64_t take_unit(std::string_view& text) {
  if (text.empty()) return kMiB;
  const char last = text.back();
  std::uint64_t unit = 0;
  if (last == 'k' || last == 'K') unit = kKiB;
  if (last == 'm' || last == 'M') unit = kMiB;
  if (last == 'g' || last == 'G') unit = kGiB;
  if (unit == 0) return kMiB;
  text.remove_suffix(1);
  return unit;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc{} || rest != end || text.empty()) return std::nullopt;
  return value;
}

std::variant<std::uint64_t, std::string> parse_memory_size(std::string_view text) {
  std::string_view digits = text;
  const std::uint64_t unit = take_unit(digits);
  const auto count = digits.starts_with("0x") ? std::nullopt : parse_number(digits);
  if (!count) return fmt::format("memory size '{}': not a number with an optional K, M or G", text);
  if (*count > MemoryLayout::kLargest / unit) {
    return fmt::format("memory size '{}': the most is {}G", text, MemoryLayout::kLargest / kGiB);
  }
  const std::uint64_t bytes = *count * unit;
  if (bytes < MemoryLayout::kSmallest) {
    return fmt::format("memory size '{}': the least is {}M", text, MemoryLayout::kSmallest / kMiB);
  }
  if (bytes % (4 * kKiB) != 0) return fmt::format("memory size '{}': not a multiple of 4K", text);
  return bytes;
}

}  // namespace ringshift::cli
