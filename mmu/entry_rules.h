// Which bits of a paging-structure entry a window relies on, and what a change of them means.
#pragma once

#include <cstdint>

#include "mmu/paging_bits.h"
#include "mmu/window_record.h"

namespace ringshift::mmu {

// Caching and available bits never matter. PTE: bit 7 is PAT; PDE of a table: bit 6 is ignored, and so is
// bit 8.
inline constexpr std::uint64_t kIgnoredInAll = bits::kWriteThrough | bits::kCacheDisable | bits::kAvailable;
inline constexpr std::uint64_t kPteRelied = ~(kIgnoredInAll | bits::kPat);
inline constexpr std::uint64_t kLargePdeRelied = ~(kIgnoredInAll | bits::kLargePat);
inline constexpr std::uint64_t kTablePdeRelied = ~(kIgnoredInAll | bits::kDirty | bits::kGlobal);

inline std::uint64_t relied_bits(Slot::Kind kind) {
  return kind == Slot::Kind::large ? kLargePdeRelied : kTablePdeRelied;
}

// Bits in which the guest's entry contradicts the snapshot. D may come, it may not go.
template <class T>
constexpr T contradiction(T snapshot, T guest, T relied) {
  return static_cast<T>((snapshot ^ guest) & relied & ~(static_cast<T>(bits::kDirty) & ~snapshot));
}

inline std::uint64_t table_entry(const Slot& slot, bool pae, unsigned i) {
  if (pae) return reinterpret_cast<const std::uint64_t*>(slot.table)[i];
  return reinterpret_cast<const std::uint32_t*>(slot.table)[i];
}

inline std::uint64_t snapshot_entry(const Slot& slot, bool pae, unsigned i) {
  return pae ? slot.snapshot->wide[i] : slot.snapshot->narrow[i];
}

inline void set_snapshot_entry(Slot& slot, bool pae, unsigned i, std::uint64_t value) {
  if (pae) {
    slot.snapshot->wide[i] = value;
  } else {
    slot.snapshot->narrow[i] = static_cast<std::uint32_t>(value);
  }
}

}  // namespace ringshift::mmu
