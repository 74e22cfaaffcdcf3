#include "cli/escape_filter.h"

namespace ringshift::cli {

EscapeFilter::Result EscapeFilter::feed(std::span<const std::uint8_t> typed) {
  constexpr std::uint8_t kPrefix = 'a' & 0x1F;
  Result result;
  for (const std::uint8_t key : typed) {
    if (!after_prefix_) {
      after_prefix_ = key == kPrefix;
      if (!after_prefix_) result.bytes.push_back(key);
      continue;
    }
    after_prefix_ = false;
    switch (key) {
      case kPrefix:
        result.bytes.push_back(key);
        break;
      case 'x':
        result.commands.push_back(Command::quit);
        return result;
      case 'z':
        result.commands.push_back(Command::suspend);
        break;
      case 'c':
        result.commands.push_back(Command::monitor);
        break;
      case 'h':
      case '?':
        result.commands.push_back(Command::help);
        break;
      default:
        break;
    }
  }
  return result;
}

}  // namespace ringshift::cli
