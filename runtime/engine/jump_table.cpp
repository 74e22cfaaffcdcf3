#include "runtime/engine/jump_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace ringshift::engine {
namespace {

// The offset space and its guard are behind the pointers (abi.h).
constexpr std::uint64_t kOffsets = 1ULL << 32;
constexpr std::uint64_t kDirectorySpace = abi::kPlaceBytes + abi::kDirectoryBytes + kOffsets + mmu::kPageSize;
static_assert(abi::kPlaceBytes % mmu::kPageSize == 0 && EntryTables::kTables <= abi::kMostPlaces);

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
    : tables_(tables),
      memory_(static_cast<std::uint8_t*>(reserve(kDirectorySpace, PROT_NONE))),
      pointers_(reinterpret_cast<std::uint64_t*>(memory_ + abi::kPlaceBytes)) {
  if (mprotect(memory_, abi::kPlaceBytes, PROT_READ | PROT_WRITE) == 0 &&
      mprotect(pointers_ + kPages, kOffsets, PROT_READ) == 0) {
    return;
  }
  munmap(memory_, kDirectorySpace);
  throw std::bad_alloc();
}

JumpDirectory::~JumpDirectory() { munmap(memory_, kDirectorySpace); }

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

void JumpDirectory::bind(std::uint32_t page, TableId table, PageId owner, bool anywhere) {
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
  if (owner >= where_.size()) where_.resize(owner + 1);
  where_[owner] = page + 1;
  if (!anywhere) return;
  const std::uint32_t base = page << mmu::kPageShift;
  const std::array<std::uint32_t, 2> place{base, 0U - base};
  std::memcpy(memory_ + 8 * std::uint64_t{owner}, place.data(), sizeof place);
}

void JumpDirectory::unbind(PageId owner) {
  const auto page = where(owner);
  if (!page) return;
  where_[owner] = 0;
  reset(*page);
  --live_;
}

void JumpDirectory::collect(std::uint32_t first, std::uint32_t pages, std::vector<TableId>& found) {
  if (pages == 1) {
    if (table(first) != kNoTable) found.push_back(table(first));
    return;
  }
  std::erase_if(bound_, [&](std::uint32_t page) {
    if (page - first >= pages) return false;
    if (table(page) != kNoTable) found.push_back(table(page));
    return true;
  });
}

void JumpDirectory::unbind_all() {
  for (const std::uint32_t page : bound_) reset(page);
  bound_.clear();
  where_.clear();
  live_ = 0;
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
    directory->collect(page, pages, gone_);
    // Instructions of the page before may go on in the first one.
    if (page != 0 && owners_[directory->table(page - 1)].second_page != 0) directory->collect(page - 1, 1, gone_);
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
    directory.unbind(to);
    for (const PageId from : graph_.predecessors(to)) {
      if (directory.where(from)) work.push_back(from);
    }
  }
}

TableId JumpTables::table_for(PageId page, std::uint32_t number, const Fetch& fetch) const {
  const mmu::Linear linear = number << mmu::kPageShift;
  if (fetch(linear) != pages_[page].code.physical) return kNoTable;
  for (TableId table = pages_[page].first; table != kNoTable; table = owners_[table].next) {
    const mmu::PhysAddr second = owners_[table].second_page;
    if (second == 0 || fetch(linear + mmu::kPageSize) == second) return table;
  }
  return kNoTable;
}

JumpTables::Reach JumpTables::reach(const JumpDirectory& directory, PageId start, std::uint32_t number,
                                    const Fetch& fetch) {
  Reach reach;
  pages_[start].visit = ++visits_;
  pages_[start].number = number;
  pages_[start].reached = true;
  std::vector<PageId> work{start};
  while (!work.empty()) {
    const PageId from = work.back();
    work.pop_back();
    for (const auto& [to, distance] : graph_.successors(from)) {
      Page& page = pages_[to];
      const std::uint32_t wanted = (pages_[from].number + static_cast<std::uint32_t>(distance)) % kAnywhere;
      if (page.visit != visits_) {
        page.visit = visits_;
        page.number = wanted;
        const auto bound = directory.where(to);
        page.reached = bound == wanted;
        if (!bound) {
          const TableId table = table_for(to, wanted, fetch);
          page.reached = table != kNoTable;
          if (page.reached) {
            reach.tables.emplace_back(wanted, table);
            work.push_back(to);
          }
        }
      }
      if (!page.reached || page.number != wanted) reach.broken.emplace_back(from, to);
    }
  }
  return reach;
}

void JumpTables::bind(JumpDirectory& directory, std::uint32_t number, TableId table, const Reach& further) {
  const PageId page = owners_[table].page;
  const PageId old = page_of(directory.table(number));
  if (old != kNoPage && old != page) unbind(directory, old);
  const auto elsewhere = directory.where(page);
  if (elsewhere && *elsewhere != number) unbind(directory, page);
  directory.bind(number, table, page, pages_[page].code.page == kAnywhere);
  for (const auto& [other_number, other] : further.tables) bind(directory, other_number, other);
}

bool JumpTables::connect(PageId from, PageId to, std::int32_t distance,
                         const std::function<Fetch(std::uint32_t window)>& fetch) {
  if (from == kNoPage || to == kNoPage || graph_.refused(from, to)) return false;
  // Only among those that stand anywhere, or among those that do not, the distance is the same everywhere.
  if ((pages_[from].code.page == kAnywhere) != (pages_[to].code.page == kAnywhere)) return false;
  if (const auto* edge = graph_.edge(from, to)) return edge->distance == distance;
  const std::uint32_t mode = pages_[from].code.mode;
  for (std::uint32_t window = 0; window < directories_.size(); ++window) {
    JumpDirectory* directory = find(window, mode);
    const auto source = directory == nullptr ? std::nullopt : directory->where(from);
    if (!source) continue;
    const std::uint32_t number = (*source + static_cast<std::uint32_t>(distance)) % kAnywhere;
    if (directory->where(to) == number) continue;
    const Fetch own = fetch(window);
    const TableId table = directory->where(to) ? kNoTable : table_for(to, number, own);
    Reach further;
    if (table != kNoTable) further = reach(*directory, to, number, own);
    if (table == kNoTable || !further.broken.empty()) {
      unbind(*directory, from);  // it will be bound again if it can
      continue;
    }
    bind(*directory, number, table, further);
  }
  graph_.connect(from, {to, distance});
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
    const auto number = directory == nullptr ? std::nullopt : directory->where(page);
    if (!number || directory->table(*number) != table) continue;
    // Code that remains there is still jumped into.
    if (pages_[page].first != kNoTable) unbind(*directory, page);
    directory->unbind(page);
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
