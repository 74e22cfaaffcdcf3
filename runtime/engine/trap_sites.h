// Instructions whose accesses mostly fault: a driver's access to a device, the store with which a program touches fresh
// pages. A host fault costs several times as much as a callout, so such an instruction is left to the runtime, as long
// as that is needed.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "mmu/types.h"

namespace ringshift::engine {

// Instructions are known by the physical address of their first byte.
class TrapSites {
 public:
  // It faulted, and only the runtime could execute it or raise its page fault. True: from now on it traps.
  bool note_fault(mmu::PhysAddr instruction);
  // It trapped; `needed`: it would have faulted. False: it does not trap any more.
  bool note_run(mmu::PhysAddr instruction, bool needed);
  // Those that trap: offsets in the page.
  [[nodiscard]] std::span<const std::uint16_t> on_page(mmu::PhysAddr page) const;

 private:
  struct Site {
    std::uint32_t faults = 0;
    std::uint32_t faults_wanted = 0;
    std::uint32_t needed = 0, wasted = 0;
    bool traps = false;
  };
  std::unordered_map<mmu::PhysAddr, Site> sites_;
  std::unordered_map<std::uint64_t, std::vector<std::uint16_t>> pages_;
};

}  // namespace ringshift::engine
