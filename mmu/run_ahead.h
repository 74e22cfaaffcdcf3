// Pages that a guest is about to get: a process that touches fresh memory page by page is given consecutive frames
// by its kernel. What follows such a run is mapped in one go without any access, so that each next page
// costs the host a change of protection instead of a mapping and a fault.
#pragma once

#include <cstdint>

namespace ringshift::mmu {

// Pages [first, first + pages) of a window, mapped without access to the frames from `frame`; none if `pages` is 0.
// They are not in the window's record: for everybody else they are not mapped.
struct RunAhead {
  std::uint32_t first = 0;
  std::uint32_t pages = 0;
  std::uint32_t frame = 0;

  [[nodiscard]] bool overlaps(std::uint32_t other, std::uint32_t count) const {
    return pages != 0 && other < first + pages && first < other + count;
  }
  // Whether a mapping of `count` pages from `other` to frames from `to` is the beginning of this.
  [[nodiscard]] bool begins_with(std::uint32_t other, std::uint32_t count, std::uint32_t to) const {
    return pages >= count && other == first && to == frame;
  }
  void take(std::uint32_t count) {
    first += count;
    frame += count;
    pages -= count;
  }
};

}  // namespace ringshift::mmu
