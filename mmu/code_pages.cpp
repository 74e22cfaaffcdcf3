#include "mmu/code_pages.h"

namespace ringshift::mmu {

CodePages::CodePages(std::uint64_t ram_bytes) : flags_((ram_bytes + kPageMask) >> kPageShift, 0) {}

bool CodePages::set(PhysAddr address, std::uint8_t holder) {
  const auto page = address >> kPageShift;
  if (page >= flags_.size()) return false;
  const bool first = flags_[page] == 0;
  flags_[page] |= holder;
  return first;
}

void CodePages::clear(PhysAddr address, std::uint8_t holder) {
  const auto page = address >> kPageShift;
  if (page < flags_.size()) flags_[page] &= static_cast<std::uint8_t>(~holder);
}

}  // namespace ringshift::mmu
