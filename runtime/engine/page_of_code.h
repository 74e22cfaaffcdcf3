// A page of code: what is in one page of memory, executed in one mode at one linear page, or anywhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mmu/types.h"

namespace ringshift::engine {

// In place of a linear page number, for code whose translation holds at any.
inline constexpr std::uint32_t kAnywhere = 1U << 20;

struct PageOfCode {
  mmu::PhysAddr physical = 0;  // of the page
  std::uint32_t page = 0;      // linear page number, or kAnywhere
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
