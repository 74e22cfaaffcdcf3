// A picture of what a screen shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ringshift::devices {

struct Picture {
  unsigned width = 0, height = 0;
  std::vector<std::uint32_t> pixels{};  // row by row from the top, each 00RRGGBBh

  [[nodiscard]] std::span<std::uint32_t> row(unsigned y) { return {pixels.data() + std::size_t{y} * width, width}; }
  [[nodiscard]] std::span<const std::uint32_t> row(unsigned y) const {
    return {pixels.data() + std::size_t{y} * width, width};
  }
  friend bool operator==(const Picture&, const Picture&) = default;
};

}  // namespace ringshift::devices
