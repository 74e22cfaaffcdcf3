#include "runtime/engine/jump_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace ringshift::engine {
namespace {

// The offset space and its guard are behind the pointers (abi.h).
constexpr std::uint64_t kOffsets = 1ULL << 32;
constexpr std::uint64_t kDirectorySpace = abi::kDirectoryBytes + kOffsets + mmu::kPageSize;

void* reserve(std::uint64_t bytes, int protection) {
  void* memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

std::uint32_t page_of(std::uint32_t eip) { return eip >> mmu::kPageShift; }

}  // namespace

EntryTables::EntryTables() : memory_(static_cast<std::uint32_t*>(reserve(kBytes, PROT_READ | PROT_WRITE))) {}

EntryTables::~EntryTables() { munmap(memory_, kBytes); }

void EntryTables::clear() { madvise(memory_, kBytes, MADV_DONTNEED); }

JumpDirectory::JumpDirectory(const EntryTables& tables)
    : tables_(tables), pointers_(static_cast<std::uint64_t*>(reserve(kDirectorySpace, PROT_NONE))) {
  if (mprotect(pointers_ + kPages, kOffsets, PROT_READ) == 0) return;
  munmap(pointers_, kDirectorySpace);
  throw std::bad_alloc();
}

JumpDirectory::~JumpDirectory() { munmap(pointers_, kDirectorySpace); }

std::uint32_t JumpDirectory::get(std::uint32_t eip) const {
  return tables_.entries(table(page_of(eip)))[eip & mmu::kPageMask];
}

bool JumpDirectory::make(std::uint32_t page) {
  const std::uint32_t first = page / kPiece * kPiece;
  if (mprotect(pointers_ + first, kPiece * sizeof(std::uint64_t), PROT_READ | PROT_WRITE) != 0) return false;
  for (std::uint32_t i = first; i < first + kPiece; ++i) reset(i);
  made_[page / kPiece / 64] |= std::uint64_t{1} << (page / kPiece % 64);
  return true;
}

bool JumpDirectory::make_at(std::uint64_t host) {
  const std::uint64_t page = (host - reinterpret_cast<std::uint64_t>(pointers_)) / sizeof(std::uint64_t);
  return page < kPages && !is_made(static_cast<std::uint32_t>(page)) && make(static_cast<std::uint32_t>(page));
}

void JumpDirectory::bind(std::uint32_t page, TableId table) {
  if (!is_made(page) && !make(page)) throw std::bad_alloc();
  if (this->table(page) == kNoTable) bound_.push_back(page);
  pointers_[page] = tables_.pointer(table, page);
}

void JumpDirectory::unbind(std::uint32_t first, std::uint32_t pages) {
  if (pages == 1 && table(first) == kNoTable) return;
  std::erase_if(bound_, [this, first, pages](std::uint32_t page) {
    if (page - first >= pages) return false;
    reset(page);
    return true;
  });
}

std::size_t JumpTables::KeyHash::operator()(const Key& key) const {
  const std::uint64_t mixed = (key.physical ^ (std::uint64_t{key.page} << 32) ^ key.mode) * 0x9E3779B97F4A7C15U;
  return static_cast<std::size_t>(mixed >> 20);
}

JumpDirectory& JumpTables::get(std::uint32_t window, std::uint32_t mode) {
  if (window >= directories_.size()) directories_.resize(window + 1);
  auto& modes = directories_[window];
  if (mode >= modes.size()) modes.resize(mode + 1);
  if (!modes[mode]) modes[mode] = std::make_unique<JumpDirectory>(tables_);
  return *modes[mode];
}

void JumpTables::drop(std::uint32_t window, mmu::Linear first, std::uint32_t pages) {
  if (window >= directories_.size()) return;
  const std::uint32_t page = page_of(first);
  for (auto& directory : directories_[window]) {
    if (!directory) continue;
    directory->unbind(page, pages);
    // Instructions of the page before may go on in the first one.
    if (page != 0 && owners_[directory->table(page - 1)].code.second_page != 0) directory->unbind(page - 1);
  }
}

void JumpTables::drop_all(std::uint32_t window) {
  if (window >= directories_.size()) return;
  for (auto& directory : directories_[window]) {
    if (directory) directory->unbind_all();
  }
}

TableId JumpTables::find_table(const CodePage& code) const {
  const auto found = by_page_.find(key_of(code));
  TableId table = found == by_page_.end() ? kNoTable : found->second;
  while (table != kNoTable && owners_[table].code.second_page != code.second_page) table = owners_[table].next;
  return table;
}

TableId JumpTables::add_table(const CodePage& code) {
  TableId table = free_;
  if (table != kNoTable) {
    free_ = owners_[table].next;
  } else if (owners_.size() < EntryTables::kTables) {
    table = static_cast<TableId>(owners_.size());
    owners_.emplace_back();
  } else {
    return kNoTable;
  }
  TableId& first = by_page_[key_of(code)];
  owners_[table] = {.code = code, .used = 0, .next = first};
  first = table;
  return table;
}

void JumpTables::set(TableId table, std::uint32_t eip, std::uint32_t offset) {
  std::uint32_t& entry = tables_.entries(table)[eip & mmu::kPageMask];
  if (entry == 0) ++owners_[table].used;
  entry = offset;
}

void JumpTables::erase(mmu::PhysAddr physical, std::uint32_t eip, std::uint32_t mode) {
  const auto found = by_page_.find({physical & ~mmu::PhysAddr{mmu::kPageMask}, page_of(eip), mode});
  if (found == by_page_.end()) return;
  for (TableId table = found->second; table != kNoTable;) {
    const TableId next = owners_[table].next;
    std::uint32_t& entry = tables_.entries(table)[eip & mmu::kPageMask];
    if (entry != 0) {
      entry = 0;
      if (--owners_[table].used == 0) release(table);
    }
    table = next;
  }
}

void JumpTables::release(TableId table) {
  const CodePage& code = owners_[table].code;
  for (auto& modes : directories_) {
    if (code.mode >= modes.size() || !modes[code.mode]) continue;
    if (modes[code.mode]->table(code.page) == table) modes[code.mode]->unbind(code.page);
  }
  const auto found = by_page_.find(key_of(code));
  TableId* link = &found->second;
  while (*link != table) link = &owners_[*link].next;
  *link = owners_[table].next;
  if (found->second == kNoTable) by_page_.erase(found);
  owners_[table] = {.code = {}, .used = 0, .next = free_};
  free_ = table;
}

void JumpTables::clear() {
  for (std::uint32_t window = 0; window < directories_.size(); ++window) drop_all(window);
  tables_.clear();
  by_page_.clear();
  owners_.resize(1);
  free_ = kNoTable;
}

}  // namespace ringshift::engine
