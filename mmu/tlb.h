// A software TLB: the path by which the interpreter and the runtime reach guest memory.
#pragma once

#include <array>
#include <cstdint>

#include "mmu/types.h"

namespace ringshift::mmu {

// One cached translation. `host` is null for MMIO and unmapped pages. An entry is only entered for
// access kinds that a walk has already allowed, so D is set whenever `writable` is true.
struct TlbEntry {
  static constexpr std::uint32_t kEmpty = 0xFFFFFFFF;

  std::uint32_t tag = kEmpty;  // linear page number
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

  // Where the translation of `linear` is, if it is cached: compare the tag.
  [[nodiscard]] TlbEntry& slot(Linear linear, bool user) { return entries_[user ? 1 : 0][index(linear)]; }

  // Replaces what is in the slot. `large`: the entry is a part of a 2 MiB or 4 MiB page.
  TlbEntry& enter(const TlbEntry& entry, bool user, bool large);

  void flush(bool keep_global);
  // INVLPG: the page, or all cached parts of the large page around `linear`.
  void drop(Linear linear);
  // After a physical page gained code: no entry may write to it directly.
  void protect(PhysAddr page);

 private:
  static constexpr unsigned kRegionShift = 22;  // no page is larger
  static constexpr unsigned kWords = kEntries / 64;
  static unsigned index(Linear linear) { return (linear >> kPageShift) % kEntries; }

  // Calls f(entry) for each entry in use; the entry is given up if f returns true.
  template <class F>
  void drop_if(F f);

  std::array<std::array<TlbEntry, kEntries>, 2> entries_{};
  // One bit an entry in use, so that a flush costs what was cached since the last one.
  std::array<std::array<std::uint64_t, kWords>, 2> used_{};
  // One bit for each 4 MiB of linear addresses of which a part of a large page may be cached.
  std::array<std::uint64_t, (1U << (32 - kRegionShift)) / 64> large_regions_{};
};

}  // namespace ringshift::mmu
