#include "runtime/machine/memory_layout.h"

namespace ringshift::machine {

std::vector<E820Entry> MemoryLayout::loadable() const {
  // The first page holds the real-mode vectors and the BIOS data area.
  return {{0x1000, kExtendedBios - 0x1000, E820Entry::kUsable}, {kHigh, low_end() - kHigh, E820Entry::kUsable}};
}

std::vector<E820Entry> MemoryLayout::e820() const {
  std::vector<E820Entry> map{{0, kExtendedBios, E820Entry::kUsable},
                             {kExtendedBios, kVideo - kExtendedBios, E820Entry::kReserved},
                             {kFirmware, kHigh - kFirmware, E820Entry::kReserved},
                             {kHigh, low_end() - kHigh, E820Entry::kUsable}};
  if (above_hole() != 0) map.push_back({kAboveHole, above_hole(), E820Entry::kUsable});
  return map;
}

std::vector<E820Entry> MemoryLayout::ram() const {
  std::vector<E820Entry> ranges{{0, low_end()}};
  if (above_hole() != 0) ranges.push_back({kAboveHole, above_hole()});
  return ranges;
}

void MemoryLayout::map(mmu::PhysicalMap& physical) const {
  physical.add_ram(kOptionRom, kHigh - kOptionRom, kOptionRom);
  map_unshadowed(physical);
}

void MemoryLayout::map_unshadowed(mmu::PhysicalMap& physical) const {
  // File offsets equal addresses below the hole, so that neighbours in one are neighbours in the other.
  physical.add_ram(0, kVideo, 0);
  physical.add_ram(kHigh, low_end() - kHigh, kHigh);
  if (above_hole() != 0) physical.add_ram(kAboveHole, above_hole(), low_end());
}

}  // namespace ringshift::machine
