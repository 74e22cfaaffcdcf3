#include "runtime/engine/jump_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace ringshift::engine {
namespace {
constexpr std::uint64_t kEntries = 1ULL << 32;
constexpr std::uint64_t kBytes = kEntries * sizeof(std::uint32_t);
constexpr std::uint32_t kEntriesPerPage = mmu::kPageSize;  // guest bytes of a page
constexpr std::uint32_t kLongestInstruction = 15;
}  // namespace

std::unique_ptr<JumpTable> JumpTable::create() {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  std::unique_ptr<JumpTable> table(new JumpTable);
  table->entries_ = static_cast<std::uint32_t*>(memory);
  return table;
}

JumpTable::~JumpTable() {
  if (entries_ != nullptr) munmap(entries_, kBytes);
}

void JumpTable::set(std::uint32_t eip, std::uint32_t offset) {
  const std::uint32_t page = eip >> mmu::kPageShift;
  if (!used(eip)) {
    bitmap_[page / 64] |= 1ULL << (page % 64);
    pages_.push_back(page);
  }
  entries_[eip] = offset;
}

void JumpTable::release(std::uint32_t page) {
  bitmap_[page / 64] &= ~(1ULL << (page % 64));
  madvise(entries_ + std::uint64_t{page} * kEntriesPerPage, kEntriesPerPage * sizeof(std::uint32_t), MADV_DONTNEED);
}

void JumpTable::drop(mmu::Linear first, std::uint32_t pages) {
  const std::uint32_t from = first >> mmu::kPageShift;
  if (from != 0 && used((from - 1) << mmu::kPageShift)) {
    std::uint32_t* end = entries_ + std::uint64_t{from} * kEntriesPerPage;
    std::memset(end - kLongestInstruction, 0, kLongestInstruction * sizeof(std::uint32_t));
  }
  const auto inside = [from, pages](std::uint32_t page) { return page - from < pages; };
  if (pages == 1) {  // the common case, and the list is long
    if (used(first)) {
      std::memset(entries_ + std::uint64_t{from} * kEntriesPerPage, 0, kEntriesPerPage * sizeof(std::uint32_t));
    }
    return;
  }
  for (const std::uint32_t page : pages_) {
    if (inside(page)) release(page);
  }
  std::erase_if(pages_, inside);
}

void JumpTable::clear() {
  for (const std::uint32_t page : pages_) release(page);
  pages_.clear();
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
