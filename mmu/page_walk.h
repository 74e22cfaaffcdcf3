// The 32-bit page walker: two-level, two-level with 4 MiB pages, and PAE (SDM vol. 3, 4.3 and 4.4).
#pragma once

#include <cstdint>

#include "mmu/physical_map.h"
#include "mmu/types.h"

namespace ringshift::mmu {

// The result of one walk. With paging off: identity, all rights. Addresses are those on the pins (A20).
struct Walk {
  bool ok = false;
  std::uint32_t error = 0;              // page-fault error code if not ok
  PhysAddr address = 0;                 // of the byte asked for
  std::uint32_t page_size = kPageSize;  // 4 KiB, 2 MiB or 4 MiB
  bool writable = false;                // R/W of every level
  bool user = false;                    // U/S of every level
  bool global = false;
  bool no_execute = false;
  bool dirty = false;  // D of the final entry, after the walk
  // The entries that decided, for revalidation by comparison. `entry` is the PTE (or the large PDE);
  // `upper` is the PDE above a PTE (nothing for a large page). Values are after A/D updates.
  PhysAddr entry_address = 0;
  std::uint64_t entry_value = 0;
  PhysAddr upper_address = 0;
  std::uint64_t upper_value = 0;
};

// Translates `linear` for `access` made with user or supervisor rights, setting A, and D on a write,
// as silicon does (no bits are set if the access faults).
[[nodiscard]] Walk walk(PhysicalMap& physical, const PagingState& paging, Linear linear, Access access, bool user);

// The same without touching A or D and without checking rights: for debuggers and disassembly.
[[nodiscard]] Walk probe(PhysicalMap& physical, const PagingState& paging, Linear linear);

}  // namespace ringshift::mmu
