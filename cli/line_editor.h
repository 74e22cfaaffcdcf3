// Lines typed at a raw terminal, which echoes nothing by itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ringshift::cli {

class LineEditor {
 public:
  struct Result {
    std::string echo{};                // for the terminal
    std::vector<std::string> lines{};  // complete ones, without their ends
  };
  // Backspace takes the last character back, Ctrl-u the line. Other control characters do nothing.
  [[nodiscard]] Result feed(std::span<const std::uint8_t> typed);

 private:
  static constexpr std::size_t kMost = 1024;
  std::string line_;
};

}  // namespace ringshift::cli
