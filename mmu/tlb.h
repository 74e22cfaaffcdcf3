// A software TLB: the path by which the interpreter and the runtime reach guest memory.
#pragma once

#include <array>
#include <cstdint>

#include "mmu/types.h"

namespace ringshift::mmu {

// One cached translation. `host` is null for MMIO and unmapped pages. An entry is only entered for
// access kinds that a walk has already allowed, so D is set whenever `writable` is true.
struct TlbEntry {
  std::uint32_t tag = 0xFFFFFFFF;  // linear page number; 0xFFFFFFFF: empty
  bool readable = false;
  bool writable = false;  // also: the page holds no code
  bool executable = false;
  bool global = false;
  std::uint8_t* host = nullptr;  // first byte of the page
  PhysAddr page = 0;             // physical address of the page
};

// Direct-mapped; one array for supervisor and one for user rights.
class Tlb {
 public:
  static constexpr unsigned kEntries = 1024;

  [[nodiscard]] TlbEntry& slot(Linear linear, bool user) {
    return entries_[user ? 1 : 0][(linear >> kPageShift) % kEntries];
  }
  void flush(bool keep_global);
  void drop(Linear linear);
  // After a physical page gained code: no entry may write to it directly.
  void protect(PhysAddr page);

 private:
  std::array<std::array<TlbEntry, kEntries>, 2> entries_{};
};

}  // namespace ringshift::mmu
