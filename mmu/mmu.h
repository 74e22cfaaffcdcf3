// The memory management unit of one virtual CPU: paging state, software TLB, windows, and the rules
// that keep both coherent.
#pragma once

#include <cstdint>
#include <memory>

#include "mmu/code_pages.h"
#include "mmu/page_walk.h"
#include "mmu/physical_map.h"
#include "mmu/tlb.h"
#include "mmu/types.h"
#include "mmu/window.h"

namespace ringshift::mmu {

struct MmuStats {
  std::uint64_t tlb_misses = 0;
  std::uint64_t page_faults = 0;  // guest page faults found by translate()
};

class Mmu {
 public:
  // `windows` may be null: an engine that only interprets needs none.
  Mmu(PhysicalMap& physical, CodePages& code, std::unique_ptr<WindowPool> windows);

  [[nodiscard]] const PagingState& paging() const { return paging_; }
  // A change of anything but CR3: flushes all. (Real hardware flushes on these, SDM vol. 3, 4.10.4.1.)
  void set_paging(const PagingState& paging);
  // MOV to CR3, task switch. PDPTEs are already checked and loaded by the caller.
  void load_cr3(std::uint32_t cr3, const std::uint64_t (&pdpte)[4]);
  void invlpg(Linear linear);

  // Software translation through the TLB for the page of `linear`. On success the entry grants
  // `access`; on failure null, and `error` is the page-fault error code.
  [[nodiscard]] const TlbEntry* translate(Linear linear, Access access, bool user, std::uint32_t& error) {
    TlbEntry& entry = tlb_.slot(linear, user);
    if (entry.tag == linear >> kPageShift && (access == Access::write  ? entry.writable
                                              : access == Access::read ? entry.readable
                                                                       : entry.executable)) {
      return &entry;
    }
    return translate_slow(linear, access, user, error);
  }

  // Reads and writes through an entry, up to 8 bytes within the page: RAM, ROM or device. A write
  // to a page with code tells CodePages' listeners first.
  std::uint64_t read(const TlbEntry& entry, Linear linear, unsigned size);
  void write(const TlbEntry& entry, Linear linear, unsigned size, std::uint64_t value);

  // A physical page gained or lost code: see CodePages.
  void protect_code(PhysAddr page);
  void unprotect_code(PhysAddr page);

  [[nodiscard]] PhysicalMap& physical() const { return physical_; }
  [[nodiscard]] CodePages& code() const { return code_; }
  [[nodiscard]] WindowPool* windows() const { return windows_.get(); }
  [[nodiscard]] const MmuStats& stats() const { return stats_; }

 private:
  // Fills the slot. An entry for a page with code has writable = false, and translate_slow returns an
  // entry from a scratch slot for such writes, whose `host` is null so that write() takes the slow path.
  const TlbEntry* translate_slow(Linear linear, Access access, bool user, std::uint32_t& error);

  PhysicalMap& physical_;
  CodePages& code_;
  std::unique_ptr<WindowPool> windows_;
  PagingState paging_;
  Tlb tlb_;
  TlbEntry scratch_[2];
  unsigned next_scratch_ = 0;
  MmuStats stats_;
};

}  // namespace ringshift::mmu
