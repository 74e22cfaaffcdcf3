#include "mmu/mmu.h"

#include <algorithm>
#include <iterator>

namespace ringshift::mmu {
namespace {

// Everything but CR3 and what is loaded with it, and but CR0.WP.
bool same_mode(PagingState a, const PagingState& b) {
  a.write_protect = b.write_protect;
  a.cr3 = b.cr3;
  std::copy(std::begin(b.pdpte), std::end(b.pdpte), std::begin(a.pdpte));
  return a == b;
}

}  // namespace

Mmu::Mmu(PhysicalMap& physical, CodePages& code, std::unique_ptr<WindowPool> windows)
    : physical_(physical), code_(code), windows_(std::move(windows)) {
  physical_.attach_code(&code_);
}

void Mmu::set_paging(const PagingState& paging) {
  if (paging == paging_) return;
  const bool mode_changed = !same_mode(paging, paging_);
  const bool wp_changed = paging.write_protect != paging_.write_protect;
  PagingState with_new_wp = paging_;
  with_new_wp.write_protect = paging.write_protect;
  const bool only_wp_changed = paging == with_new_wp;
  paging_ = paging;
  tlb_.flush(!mode_changed && !wp_changed && paging_.global);
  if (!windows_ || only_wp_changed) return;  // a window has one WP for life: the next activate() chooses another
  if (mode_changed) {
    windows_->flush_all();
  } else {
    windows_->cr3_loaded();
  }
}

void Mmu::mask_a20(bool masked) {
  PagingState paging = paging_;
  paging.a20_masked = masked;
  set_paging(paging);
}

void Mmu::load_cr3(std::uint32_t cr3, const std::uint64_t (&pdpte)[4]) {
  paging_.cr3 = cr3;
  std::copy(std::begin(pdpte), std::end(pdpte), std::begin(paging_.pdpte));
  tlb_.flush(paging_.global);
  if (windows_) windows_->cr3_loaded();
}

void Mmu::invlpg(Linear linear) {
  tlb_.drop(linear);
  if (windows_) windows_->invlpg(linear);
}

void Mmu::physical_map_changed() {
  tlb_.flush(false);
  if (windows_) windows_->flush_all();
}

void Mmu::physical_map_changed(PhysAddr base, std::uint64_t size) {
  for (PhysAddr page = base & ~PhysAddr{kPageMask}; page < base + size; page += kPageSize) {
    if (code_.contains(page)) code_.notify_write(page, kPageSize);
  }
  physical_map_changed();
}

void Mmu::protect_code(PhysAddr page) {
  const PhysAddr first = page & ~PhysAddr{kPageMask};
  tlb_.protect(first);
  if (windows_) windows_->protect_code(first);
}

void Mmu::unprotect_code(PhysAddr page) {
  // TLB entries become writable again through translate_slow.
  if (windows_) windows_->unprotect_code(page & ~PhysAddr{kPageMask});
}

void Mmu::note_page_fault(Linear linear, Access access, bool user) {
  ++stats_.page_faults;
  // It invalidates what is cached for its address (SDM vol. 3, 4.10.4.1).
  tlb_.drop(linear);
  if (windows_) windows_->page_faulted(linear, access, user);
}

const TlbEntry* Mmu::translate_slow(Linear linear, Access access, bool user, std::uint32_t& error) {
  ++stats_.tlb_misses;
  const Walk found = walk(physical_, paging_, linear, access, user);
  if (!found.ok) {
    error = found.error;
    note_page_fault(linear, access, user);
    return nullptr;
  }
  const PhysPage target = physical_.page(found.address);
  if (access == Access::write) code_.note_write(found.address);
  const bool guest_writable = found.dirty && (found.writable || (!user && !paging_.write_protect));

  TlbEntry entry;
  entry.tag = linear >> kPageShift;
  entry.page = found.address & ~PhysAddr{kPageMask};
  entry.host = target.host;
  entry.readable = true;
  entry.executable = !found.no_execute;
  entry.global = found.global;
  entry.writable = guest_writable && target.kind != PageKind::rom && !code_.contains(entry.page);
  const TlbEntry& entered = tlb_.enter(entry, user, found.page_size != kPageSize);
  if (access != Access::write || entered.writable) return &entered;

  TlbEntry& scratch = scratch_[next_scratch_];
  next_scratch_ ^= 1;
  scratch = entry;
  scratch.writable = true;
  scratch.host = nullptr;
  return &scratch;
}

}  // namespace ringshift::mmu
