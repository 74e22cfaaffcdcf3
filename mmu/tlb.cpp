#include "mmu/tlb.h"

#include <bit>

namespace ringshift::mmu {

template <class F>
void Tlb::drop_if(F f) {
  for (unsigned user = 0; user < 2; ++user) {
    for (unsigned word = 0; word < kWords; ++word) {
      for (std::uint64_t left = used_[user][word]; left != 0; left &= left - 1) {
        const auto bit = static_cast<unsigned>(std::countr_zero(left));
        TlbEntry& entry = entries_[user][word * 64 + bit];
        if (!f(entry)) continue;
        entry.tag = TlbEntry::kEmpty;
        used_[user][word] &= ~(std::uint64_t{1} << bit);
      }
    }
  }
}

TlbEntry& Tlb::enter(const TlbEntry& entry, bool user, bool large) {
  const unsigned at = entry.tag % kEntries;
  used_[user ? 1 : 0][at / 64] |= std::uint64_t{1} << (at % 64);
  if (large) {
    const unsigned region = entry.tag >> (kRegionShift - kPageShift);
    large_regions_[region / 64] |= std::uint64_t{1} << (region % 64);
  }
  TlbEntry& place = entries_[user ? 1 : 0][at];
  place = entry;
  return place;
}

void Tlb::flush(bool keep_global) {
  drop_if([=](const TlbEntry& entry) { return !(keep_global && entry.global); });
  if (!keep_global) large_regions_ = {};
}

void Tlb::drop(Linear linear) {
  const unsigned region = linear >> kRegionShift;
  if ((large_regions_[region / 64] >> (region % 64) & 1) != 0) {
    drop_if([=](const TlbEntry& entry) { return entry.tag >> (kRegionShift - kPageShift) == region; });
    large_regions_[region / 64] &= ~(std::uint64_t{1} << (region % 64));
    return;
  }
  const unsigned at = index(linear);
  for (unsigned user = 0; user < 2; ++user) {
    TlbEntry& entry = entries_[user][at];
    if (entry.tag != linear >> kPageShift) continue;
    entry.tag = TlbEntry::kEmpty;
    used_[user][at / 64] &= ~(std::uint64_t{1} << (at % 64));
  }
}

void Tlb::protect(PhysAddr page) {
  drop_if([=](TlbEntry& entry) {
    if (entry.page == page) entry.writable = false;
    return false;
  });
}

}  // namespace ringshift::mmu
