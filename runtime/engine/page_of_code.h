// A page of code: what is in one page of memory, executed at one place in one mode.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mmu/types.h"

namespace ringshift::engine {

struct PageOfCode {
  mmu::PhysAddr physical = 0;  // of the page
  std::uint32_t page = 0;      // linear page number
  std::uint32_t mode = 0;      // interned
  bool operator==(const PageOfCode&) const = default;
};

struct PageOfCodeHash {
  std::size_t operator()(const PageOfCode& code) const {
    const std::uint64_t mixed = (code.physical ^ (std::uint64_t{code.page} << 32) ^ code.mode) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed >> 20);
  }
};

}  // namespace ringshift::engine
