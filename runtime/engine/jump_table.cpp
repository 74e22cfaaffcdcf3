#include "runtime/engine/jump_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace ringshift::engine {
namespace {
constexpr std::uint64_t kEntries = 1ULL << 32;
constexpr std::uint64_t kBytes = kEntries * sizeof(std::uint32_t);
constexpr std::uint64_t kGuardBytes = 4096;
constexpr std::uint32_t kEntriesPerPage = mmu::kPageSize;  // guest bytes of a page
constexpr std::uint32_t kLongestInstruction = 15;
// Guest pages, each up to 16 KiB of table, after which an empty table gives its memory back.
constexpr std::uint32_t kMostTouched = 512;
}  // namespace

std::unique_ptr<JumpTable> JumpTable::create() {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* memory = mmap(nullptr, kBytes + kGuardBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (mprotect(static_cast<std::uint8_t*>(memory) + kBytes, kGuardBytes, PROT_NONE) != 0) {
    munmap(memory, kBytes + kGuardBytes);
    throw std::bad_alloc();
  }
  std::unique_ptr<JumpTable> table(new JumpTable);
  table->entries_ = static_cast<std::uint32_t*>(memory);
  return table;
}

JumpTable::~JumpTable() {
  if (entries_ != nullptr) munmap(entries_, kBytes + kGuardBytes);
}

void JumpTable::set(std::uint32_t eip, std::uint32_t offset) {
  const std::uint32_t page = eip >> mmu::kPageShift;
  if (!used(eip)) {
    bitmap_[page / 64] |= 1ULL << (page % 64);
    ++touched_;
  }
  if (entries_[eip] == 0) {
    Offsets& offsets = set_[page];
    if (offsets.size() == kEntriesPerPage) compact(page, offsets);  // erased and set again and again
    offsets.push_back(static_cast<std::uint16_t>(eip & mmu::kPageMask));
  }
  entries_[eip] = offset;
}

void JumpTable::compact(std::uint32_t page, Offsets& offsets) const {
  const std::uint32_t* entries = entries_ + std::uint64_t{page} * kEntriesPerPage;
  std::erase_if(offsets, [entries](std::uint16_t offset) { return entries[offset] == 0; });
  std::sort(offsets.begin(), offsets.end());
  offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
}

void JumpTable::forget(std::uint32_t page, const Offsets& offsets) {
  bitmap_[page / 64] &= ~(1ULL << (page % 64));
  std::uint32_t* entries = entries_ + std::uint64_t{page} * kEntriesPerPage;
  for (const std::uint16_t offset : offsets) entries[offset] = 0;
}

void JumpTable::drop(mmu::Linear first, std::uint32_t pages) {
  const std::uint32_t from = first >> mmu::kPageShift;
  if (from != 0 && used((from - 1) << mmu::kPageShift)) {
    std::uint32_t* end = entries_ + std::uint64_t{from} * kEntriesPerPage;
    std::memset(end - kLongestInstruction, 0, kLongestInstruction * sizeof(std::uint32_t));
  }
  if (pages < set_.size()) {
    for (std::uint32_t page = from; page - from < pages; ++page) {
      if (!used(page << mmu::kPageShift)) continue;
      const auto found = set_.find(page);
      forget(page, found->second);
      set_.erase(found);
    }
    return;
  }
  std::erase_if(set_, [this, from, pages](const auto& entry) {
    if (entry.first - from >= pages) return false;
    forget(entry.first, entry.second);
    return true;
  });
}

void JumpTable::clear() {
  for (const auto& [page, offsets] : set_) forget(page, offsets);
  set_.clear();
  if (touched_ > kMostTouched) release_memory();
}

void JumpTable::release_memory() {
  madvise(entries_, kBytes, MADV_DONTNEED);
  touched_ = 0;
}

JumpTable& JumpTables::get(std::uint32_t window, std::uint32_t mode) {
  if (window >= tables_.size()) tables_.resize(window + 1);
  auto& modes = tables_[window];
  if (mode >= modes.size()) modes.resize(mode + 1);
  if (!modes[mode]) modes[mode] = JumpTable::create();
  return *modes[mode];
}

void JumpTables::drop(std::uint32_t window, mmu::Linear first, std::uint32_t pages) {
  if (window >= tables_.size()) return;
  for (auto& table : tables_[window]) {
    if (table) table->drop(first, pages);
  }
}

void JumpTables::drop_all(std::uint32_t window) {
  if (window >= tables_.size()) return;
  for (auto& table : tables_[window]) {
    if (table) table->clear();
  }
}

void JumpTables::clear() {
  for (std::uint32_t window = 0; window < tables_.size(); ++window) drop_all(window);
}

void JumpTables::erase(std::uint32_t eip, std::uint32_t mode) {
  for (auto& modes : tables_) {
    if (mode < modes.size() && modes[mode]) modes[mode]->erase(eip);
  }
}

}  // namespace ringshift::engine
