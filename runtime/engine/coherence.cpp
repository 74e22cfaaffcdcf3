// What ends the life of a fragment or of a jump-table entry: writes to code, and pages that windows drop.
#include <algorithm>

#include "runtime/engine/translate_engine.h"

namespace ringshift::engine {
namespace {

// A page with code that takes this many trapped writes holds data too: all of its fragments go, so that
// the page becomes writable.
constexpr std::uint32_t kWritesTolerated = 16;

mmu::PhysAddr page_of(mmu::PhysAddr address) { return address & ~mmu::PhysAddr{mmu::kPageMask}; }

bool overlaps(mmu::PhysAddr a, std::uint64_t a_size, mmu::PhysAddr b, std::uint64_t b_size) {
  return a < b + b_size && b < a + a_size;
}

// Whether the guest bytes of the fragment include any of [address, address + size).
bool covers(const Record& record, mmu::PhysAddr address, std::uint32_t size) {
  const std::uint32_t in_page = mmu::kPageSize - static_cast<std::uint32_t>(record.physical & mmu::kPageMask);
  const std::uint32_t first = std::min(record.guest_bytes, in_page);
  if (overlaps(record.physical, first, address, size)) return true;
  return record.second_page != 0 && overlaps(record.second_page, record.guest_bytes - first, address, size);
}

}  // namespace

void TranslateEngine::kill(FragmentId id) {
  const Record& record = (*fragments_)[id];
  tables_.erase(record.eip, record.mode);
  fragments_->kill(id);
  has_last_site_ = false;
  ++stats_.invalidated;
}

// If no fragment is left there, the page is ordinary memory again.
void TranslateEngine::release_page(mmu::PhysAddr page) {
  if (!fragments_->on_page(page).empty()) return;
  writes_.erase(page);
  cpu_.mmu.code().clear(page, mmu::CodePages::kTranslated);
  if (!cpu_.mmu.code().contains(page)) cpu_.mmu.unprotect_code(page);
}

void TranslateEngine::on_code_write(mmu::PhysAddr address, std::uint32_t size) {
  const mmu::PhysAddr page = page_of(address);
  const auto fragments = fragments_->on_page(page);
  if (fragments.empty()) return;
  ++stats_.code_writes;
  const bool all = ++writes_[page] > kWritesTolerated;
  for (const FragmentId id : fragments) {
    const mmu::PhysAddr first = page_of((*fragments_)[id].physical);
    const mmu::PhysAddr second = (*fragments_)[id].second_page;
    if (!all && !covers((*fragments_)[id], address, size)) continue;
    kill(id);
    release_page(first);
    if (second != 0) release_page(second);
  }
}

void TranslateEngine::on_drop(std::uint32_t window_id, mmu::Linear first, std::uint32_t pages) {
  tables_.drop(window_id, first, pages);
}

void TranslateEngine::on_drop_all(std::uint32_t window_id) { tables_.drop_all(window_id); }

}  // namespace ringshift::engine
