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

std::uint32_t number_of(std::uint32_t eip) { return eip >> mmu::kPageShift; }

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
  return tables_.entries(table(number_of(eip)))[eip & mmu::kPageMask];
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
  if (this->table(page) == kNoTable) {
    if (bound_.size() >= 2 * live_ + kPiece) {
      std::erase_if(bound_, [this](std::uint32_t other) { return this->table(other) == kNoTable; });
      std::ranges::sort(bound_);
      bound_.erase(std::unique(bound_.begin(), bound_.end()), bound_.end());
    }
    bound_.push_back(page);
    ++live_;
  }
  pointers_[page] = tables_.pointer(table, page);
}

void JumpDirectory::unbind(std::uint32_t page) {
  if (table(page) == kNoTable) return;
  reset(page);
  --live_;
}

void JumpDirectory::unbind(std::uint32_t first, std::uint32_t pages, std::vector<TableId>& gone) {
  const auto forget = [this, &gone](std::uint32_t page) {
    const TableId table = this->table(page);
    if (table == kNoTable) return;
    gone.push_back(table);
    unbind(page);
  };
  if (pages == 1) return forget(first);
  std::erase_if(bound_, [&](std::uint32_t page) {
    if (page - first >= pages) return false;
    forget(page);
    return true;
  });
}

void JumpDirectory::unbind_all() {
  for (const std::uint32_t page : bound_) unbind(page);
  bound_.clear();
}

JumpDirectory& JumpTables::get(std::uint32_t window, std::uint32_t mode) {
  if (window >= directories_.size()) directories_.resize(window + 1);
  auto& modes = directories_[window];
  if (mode >= modes.size()) modes.resize(mode + 1);
  if (!modes[mode]) modes[mode] = std::make_unique<JumpDirectory>(tables_);
  return *modes[mode];
}

bool JumpTables::drop(std::uint32_t window, mmu::Linear first, std::uint32_t pages) {
  if (window >= directories_.size()) return false;
  const std::uint32_t page = number_of(first);
  bool any = false;
  for (auto& directory : directories_[window]) {
    if (!directory) continue;
    gone_.clear();
    directory->unbind(page, pages, gone_);
    // Instructions of the page before may go on in the first one.
    if (page != 0 && owners_[directory->table(page - 1)].second_page != 0) directory->unbind(page - 1, 1, gone_);
    for (const TableId table : gone_) unbind(*directory, owners_[table].page);
    any = any || !gone_.empty();
  }
  return any;
}

void JumpTables::drop_all(std::uint32_t window) {
  if (window >= directories_.size()) return;
  for (auto& directory : directories_[window]) {
    if (directory) directory->unbind_all();
  }
}

void JumpTables::unbind(JumpDirectory& directory, PageId page) {
  std::vector<PageId> work{page};
  while (!work.empty()) {
    const PageId to = work.back();
    work.pop_back();
    if (has(directory, to)) directory.unbind(pages_[to].code.page);
    for (const PageId from : graph_.predecessors(to)) {
      if (has(directory, from)) work.push_back(from);
    }
  }
}

TableId JumpTables::table_for(PageId page, const Fetch& fetch) const {
  const PageOfCode& code = pages_[page].code;
  const mmu::Linear linear = code.page << mmu::kPageShift;
  if (fetch(linear) != code.physical) return kNoTable;
  for (TableId table = pages_[page].first; table != kNoTable; table = owners_[table].next) {
    const mmu::PhysAddr second = owners_[table].second_page;
    if (second == 0 || fetch(linear + mmu::kPageSize) == second) return table;
  }
  return kNoTable;
}

JumpTables::Reach JumpTables::reach(const JumpDirectory& directory, PageId start, const Fetch& fetch) {
  Reach reach;
  pages_[start].visit = ++visits_;
  pages_[start].reached = true;
  std::vector<PageId> work{start};
  while (!work.empty()) {
    const PageId from = work.back();
    work.pop_back();
    for (const PageId to : graph_.successors(from)) {
      Page& page = pages_[to];
      if (page.visit != visits_) {
        page.visit = visits_;
        page.reached = has(directory, to);
        if (!page.reached) {
          const TableId table = table_for(to, fetch);
          page.reached = table != kNoTable;
          if (page.reached) {
            reach.tables.push_back(table);
            work.push_back(to);
          }
        }
      }
      if (!page.reached) reach.broken.emplace_back(from, to);
    }
  }
  return reach;
}

void JumpTables::bind(JumpDirectory& directory, TableId table, std::span<const TableId> further) {
  const PageId page = owners_[table].page;
  const std::uint32_t number = pages_[page].code.page;
  const PageId old = page_of(directory.table(number));
  if (old != kNoPage && old != page) unbind(directory, old);
  directory.bind(number, table);
  for (const TableId other : further) bind(directory, other);
}

bool JumpTables::connect(PageId from, PageId to, const std::function<Fetch(std::uint32_t window)>& fetch) {
  if (from == kNoPage || to == kNoPage || graph_.refused(from, to)) return false;
  if (graph_.connected(from, to)) return true;
  const std::uint32_t mode = pages_[from].code.mode;
  for (std::uint32_t window = 0; window < directories_.size(); ++window) {
    JumpDirectory* directory = find(window, mode);
    if (directory == nullptr || !has(*directory, from) || has(*directory, to)) continue;
    const Fetch own = fetch(window);
    const TableId table = table_for(to, own);
    Reach further;
    if (table != kNoTable) further = reach(*directory, to, own);
    if (table == kNoTable || !further.broken.empty()) {
      unbind(*directory, from);  // it will be bound again if it can
      continue;
    }
    bind(*directory, table, further.tables);
  }
  graph_.connect(from, to);
  return true;
}

PageId JumpTables::find_page(const PageOfCode& code) const {
  const auto found = by_page_.find(code);
  return found == by_page_.end() ? kNoPage : found->second;
}

TableId JumpTables::find_table(const PageOfCode& code, mmu::PhysAddr second_page) const {
  TableId table = pages_[find_page(code)].first;
  while (table != kNoTable && owners_[table].second_page != second_page) table = owners_[table].next;
  return table;
}

TableId JumpTables::add_table(const PageOfCode& code, mmu::PhysAddr second_page) {
  TableId table = free_;
  if (table != kNoTable) {
    free_ = owners_[table].next;
  } else if (owners_.size() < EntryTables::kTables) {
    table = static_cast<TableId>(owners_.size());
    owners_.emplace_back();
  } else {
    return kNoTable;
  }
  PageId& page = by_page_[code];
  if (page == kNoPage) {
    page = graph_.add();
    if (page >= pages_.size()) pages_.resize(page + 1);
    pages_[page].code = code;
  }
  owners_[table] = {.second_page = second_page, .page = page, .used = 0, .next = pages_[page].first};
  pages_[page].first = table;
  return table;
}

void JumpTables::set(TableId table, std::uint32_t eip, std::uint32_t offset) {
  std::uint32_t& entry = tables_.entries(table)[eip & mmu::kPageMask];
  if (entry == 0) ++owners_[table].used;
  entry = offset;
}

void JumpTables::erase(const PageOfCode& code, std::uint32_t eip) {
  const PageId page = find_page(code);
  if (page == kNoPage) return;
  for (TableId table = pages_[page].first; table != kNoTable;) {
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
  const PageId page = owners_[table].page;
  const PageOfCode code = pages_[page].code;
  TableId* link = &pages_[page].first;
  while (*link != table) link = &owners_[*link].next;
  *link = owners_[table].next;
  for (std::uint32_t window = 0; window < directories_.size(); ++window) {
    JumpDirectory* directory = find(window, code.mode);
    if (directory == nullptr || directory->table(code.page) != table) continue;
    // Code that remains there is still jumped into.
    if (pages_[page].first != kNoTable) unbind(*directory, page);
    directory->unbind(code.page);
  }
  if (pages_[page].first == kNoTable) {
    by_page_.erase(code);
    graph_.remove(page);
    pages_[page] = {};
  }
  owners_[table] = {.second_page = 0, .page = kNoPage, .used = 0, .next = free_};
  free_ = table;
}

void JumpTables::clear() {
  for (std::uint32_t window = 0; window < directories_.size(); ++window) drop_all(window);
  tables_.clear();
  by_page_.clear();
  pages_.resize(1);
  graph_.clear();
  owners_.resize(1);
  free_ = kNoTable;
}

}  // namespace ringshift::engine
