// The memory management unit of one virtual CPU: paging state, software TLB, windows, and the rules
// that keep both coherent.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "mmu/code_pages.h"
#include "mmu/page_walk.h"
#include "mmu/physical_map.h"
#include "mmu/tlb.h"
#include "mmu/types.h"
#include "mmu/window.h"

namespace ringshift::mmu {

struct MmuStats {
  std::uint64_t tlb_misses = 0;
  std::uint64_t page_faults = 0;    // guest page faults
  std::uint64_t slow_accesses = 0;  // to devices, ROM and pages with code
};

class Mmu {
 public:
  // `windows` may be null: an engine that only interprets needs none.
  Mmu(PhysicalMap& physical, CodePages& code, std::unique_ptr<WindowPool> windows);

  [[nodiscard]] const PagingState& paging() const { return paging_; }
  // A change of anything but CR3: flushes all. (Real hardware flushes on these, SDM vol. 3, 4.10.4.1, but not
  // on CR0.WP; nor do windows, as each view has its own.)
  void set_paging(const PagingState& paging);
  // The A20M# pin. Cheap if nothing changes. As physical_map_changed(): for instructions that end their block.
  void mask_a20(bool masked);
  // MOV to CR3, task switch. PDPTEs are already checked and loaded by the caller.
  void load_cr3(std::uint32_t cr3, const std::uint64_t (&pdpte)[4]);
  void invlpg(Linear linear);
  // PhysicalMap changed (a BAR moved, ROM was shadowed): forgets all translations.
  void physical_map_changed();
  // The same where other contents may have come to stand at [base, base + size): what was decoded or translated from
  // there is forgotten too. For calls by instructions that end their block (port accesses).
  void physical_map_changed(PhysAddr base, std::uint64_t size);

  // Software translation through the TLB for the page of `linear`. On success the entry grants
  // `access`; on failure null, and `error` is the page-fault error code. The entry stays valid until
  // the next call that misses the TLB or changes translations, except that of two consecutive calls
  // for neighbouring pages both entries are valid.
  [[nodiscard]] const TlbEntry* translate(Linear linear, Access access, bool user, std::uint32_t& error) {
    TlbEntry& entry = tlb_.slot(linear, user);
    if (entry.tag == linear >> kPageShift && (access == Access::write  ? entry.writable
                                              : access == Access::read ? entry.readable
                                                                       : entry.executable)) {
      return &entry;
    }
    return frozen_ ? nullptr : translate_slow(linear, access, user, error);
  }

  // While frozen, only what the software TLB holds is translated; the rest fails, with an error code that means
  // nothing. For callers that keep guest state in registers which the walk may use.
  void freeze(bool frozen) { frozen_ = frozen; }
  [[nodiscard]] bool frozen() const { return frozen_; }

  // Reads and writes through an entry, up to 8 bytes within the page: RAM, ROM or device. A write
  // to a page with code tells CodePages' listeners first.
  std::uint64_t read(const TlbEntry& entry, Linear linear, unsigned size) {
    const std::uint32_t offset = linear & kPageMask;
    if (entry.host == nullptr) {
      ++stats_.slow_accesses;
      return physical_.read(entry.page | offset, size);
    }
    const std::uint8_t* from = entry.host + offset;
    switch (size) {
      case 1:
        return *from;
      case 2:
        return load<std::uint16_t>(from);
      case 4:
        return load<std::uint32_t>(from);
      case 8:
        return load<std::uint64_t>(from);
      default:
        break;
    }
    std::uint64_t value = 0;
    std::memcpy(&value, from, size);
    return value;
  }
  void write(const TlbEntry& entry, Linear linear, unsigned size, std::uint64_t value) {
    const std::uint32_t offset = linear & kPageMask;
    if (entry.host == nullptr || !entry.writable) {
      ++stats_.slow_accesses;
      physical_.write(entry.page | offset, size, value);
      return;
    }
    std::uint8_t* to = entry.host + offset;
    switch (size) {
      case 1:
        *to = static_cast<std::uint8_t>(value);
        return;
      case 2:
        store(to, static_cast<std::uint16_t>(value));
        return;
      case 4:
        store(to, static_cast<std::uint32_t>(value));
        return;
      case 8:
        store(to, value);
        return;
      default:
        std::memcpy(to, &value, size);
    }
  }

  // A translated access met a page fault, as a walk by the caller says; the software TLB would find it too.
  void note_page_fault(Linear linear, Access access, bool user);

  // Where `linear` leads now, for debuggers and logs: no rights are checked, no bits set.
  [[nodiscard]] std::optional<PhysAddr> phys_of(Linear linear) const {
    const Walk found = probe(physical_, paging_, linear);
    return found.ok ? std::optional<PhysAddr>(found.address) : std::nullopt;
  }

  // A physical page gained code: call after CodePages::set, so that no new mapping is made writable.
  void protect_code(PhysAddr page);
  // A physical page lost its code: call after CodePages::clear.
  void unprotect_code(PhysAddr page);

  [[nodiscard]] PhysicalMap& physical() const { return physical_; }
  [[nodiscard]] CodePages& code() const { return code_; }
  [[nodiscard]] WindowPool* windows() const { return windows_.get(); }
  [[nodiscard]] const MmuStats& stats() const { return stats_; }

 private:
  template <class T>
  static std::uint64_t load(const std::uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }
  template <class T>
  static void store(std::uint8_t* to, T value) {
    std::memcpy(to, &value, sizeof(T));
  }

  // Fills the slot. An entry for a page with code, or for ROM, has writable = false, and translate_slow
  // returns an entry from a scratch slot for such writes, whose `host` is null so that write() takes the
  // slow path.
  const TlbEntry* translate_slow(Linear linear, Access access, bool user, std::uint32_t& error);

  PhysicalMap& physical_;
  CodePages& code_;
  std::unique_ptr<WindowPool> windows_;
  PagingState paging_;
  Tlb tlb_;
  TlbEntry scratch_[2];
  unsigned next_scratch_ = 0;
  bool frozen_ = false;
  MmuStats stats_;
};

}  // namespace ringshift::mmu
