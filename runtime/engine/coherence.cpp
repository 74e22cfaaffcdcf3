// What ends the life of a fragment or of what a directory finds: writes to code, and pages that windows drop.
#include <x86intrin.h>

#include <algorithm>
#include <utility>

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
  tables_.erase(record.page(), record.eip);
  fragments_->kill(id);
  has_last_site_ = false;
  ++stats_.invalidated;
}

// If no fragment is left there, the page is ordinary memory again.
void TranslateEngine::release_page(mmu::PhysAddr page) {
  if (fragments_->any_on_page(page)) return;
  writes_.erase(page);
  cpu_.mmu.code().clear(page, mmu::CodePages::kTranslated);
  if (!cpu_.mmu.code().contains(page)) cpu_.mmu.unprotect_code(page);
}

void TranslateEngine::on_code_write(mmu::PhysAddr address, std::uint32_t size) {
  const mmu::PhysAddr page = page_of(address);
  if (!fragments_->any_on_page(page)) return;
  ++stats_.code_writes;
  const bool checked = written_.note_write(page, __rdtsc());
  if (checked) ++stats_.checked_pages;
  const bool all = ++writes_[page] > kWritesTolerated || checked;
  if (all) return invalidate(page, mmu::kPageSize);
  invalidate(address, size);
}

// No fragment with any of these bytes, all in one page, is left.
void TranslateEngine::invalidate(mmu::PhysAddr address, std::uint32_t size) {
  for (const FragmentId id : fragments_->on_page(address)) {
    const mmu::PhysAddr first = page_of((*fragments_)[id].physical);
    const mmu::PhysAddr second = (*fragments_)[id].second_page;
    if (!covers((*fragments_)[id], address, size)) continue;
    kill(id);
    release_page(first);
    if (second != 0) release_page(second);
  }
}

// The instruction of `site` is left to the runtime because it mostly faults.
TranslateEngine::Step TranslateEngine::run_trap_site(const Site& site) {
  const Record& record = (*fragments_)[site.from];
  const mmu::PhysAddr instruction = record.physical + (site.target - record.eip);
  const auto answered = [this] { return cpu_.mmu.stats().page_faults + cpu_.mmu.stats().slow_accesses; };
  const std::uint64_t before = answered();
  const Step step = interpret(1);
  if (!trap_sites_.note_run(instruction, answered() != before)) invalidate(instruction, 1);
  return step;
}

// A checked fragment found that its source has changed: learns what changes there, and forgets it.
void TranslateEngine::on_stale(FragmentId id) {
  ++stats_.stale;
  const Record& record = (*fragments_)[id];
  const auto offset = static_cast<std::uint32_t>(record.physical & mmu::kPageMask);
  const std::uint32_t in_page = mmu::kPageSize - offset;
  for (std::uint32_t i = 0; i < record.source.size(); ++i) {
    const mmu::PhysAddr at = i < in_page ? record.physical + i : record.second_page + (i - in_page);
    const mmu::PhysPage page = cpu_.mmu.physical().page(at);
    if (page.host != nullptr && page.host[at & mmu::kPageMask] != record.source[i]) written_.note_changed(at);
  }
  written_.note_stale(record.physical, __rdtsc());
  kill(id);
}

// Pages that have been checked for long enough are protected again, until they are written.
void TranslateEngine::expire_checked_pages() {
  for (const mmu::PhysAddr page : written_.expire(__rdtsc())) {
    for (const FragmentId id : fragments_->on_page(page)) kill(id);
  }
}

void TranslateEngine::set_breakpoints(std::vector<std::uint32_t> linear) {
  const std::vector<std::uint32_t> changed = breakpoints_.set(std::move(linear));
  if (changed.empty()) return;
  std::vector<std::uint32_t> pages;
  pages.reserve(changed.size());
  for (const std::uint32_t address : changed) pages.push_back(address >> mmu::kPageShift);
  for (FragmentId id = 0; id < fragments_->size(); ++id) {
    const Record& record = (*fragments_)[id];
    const bool concerned = record.place != 0 || std::ranges::binary_search(pages, record.eip >> mmu::kPageShift);
    if (!record.live || !concerned) continue;
    const mmu::PhysAddr first = page_of(record.physical), second = record.second_page;
    kill(id);
    release_page(first);
    if (second != 0) release_page(second);
  }
}

void TranslateEngine::on_drop(std::uint32_t window_id, mmu::Linear first, std::uint32_t pages) {
  if (!tables_.drop(window_id, first, pages)) return;
  forgotten_ = true;
  suspended_ring_ = 0;  // its return sites may be there
}

void TranslateEngine::on_drop_all(std::uint32_t window_id) {
  tables_.drop_all(window_id);
  forgotten_ = true;
  suspended_ring_ = 0;
}

}  // namespace ringshift::engine
