// From guest eip to a fragment's entry, as translated code looks it up (abi.h): a directory for each window and mode
// points to a table of entries for each page of guest code.
//
// Tables belong to a page of code as it stands in physical memory, so that all windows that map it at the same
// place share one: a new process finds what others have translated, and to forget a page is to change
// one pointer.
//
// A fragment may jump directly into another page, although that is mapped by itself, because of one rule: whatever
// directory has a page has the pages that it jumps into directly, where the jumps lead from there. They are bound
// together, and together they are forgotten.
//
// A directory has a page at one linear page only. Code that may stand anywhere (kAnywhere) learns from the directory
// where it is (abi.h: places).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mmu/types.h"
#include "runtime/engine/page_graph.h"
#include "runtime/engine/page_of_code.h"
#include "translator/abi.h"

namespace ringshift::engine {

using TableId = std::uint32_t;
inline constexpr TableId kNoTable = 0;  // of which all entries are zero

// The memory of all tables of entries: 4,096 of 4 bytes each, by offset in the page. Demand-zero.
class EntryTables {
 public:
  static constexpr std::uint32_t kTables = 1U << 14;
  static constexpr std::uint64_t kTableBytes = std::uint64_t{mmu::kPageSize} * sizeof(std::uint32_t);

  EntryTables();
  ~EntryTables();
  EntryTables(const EntryTables&) = delete;
  EntryTables& operator=(const EntryTables&) = delete;

  [[nodiscard]] std::uint32_t* entries(TableId table) const { return memory_ + std::uint64_t{table} * mmu::kPageSize; }
  // What stands in a directory for linear page number `page`: the table less what the page's address adds to it.
  [[nodiscard]] std::uint64_t pointer(TableId table, std::uint32_t page) const {
    return reinterpret_cast<std::uint64_t>(entries(table)) - page * kTableBytes;
  }
  [[nodiscard]] TableId table_of(std::uint64_t pointer, std::uint32_t page) const {
    const std::uint64_t bytes = pointer + page * kTableBytes - reinterpret_cast<std::uint64_t>(memory_);
    return static_cast<TableId>(bytes / kTableBytes);
  }
  // All entries of all tables become zero.
  void clear();

 private:
  static constexpr std::uint64_t kBytes = kTables * kTableBytes;
  std::uint32_t* memory_;
};

// The directory of one window and mode: a pointer for each of 2^20 pages. It is made a piece at a time, when
// translated code or the runtime comes to a part of the address space for the first time.
class JumpDirectory {
 public:
  explicit JumpDirectory(const EntryTables& tables);
  ~JumpDirectory();
  JumpDirectory(const JumpDirectory&) = delete;
  JumpDirectory& operator=(const JumpDirectory&) = delete;

  // For HostContext::jump_directory.
  [[nodiscard]] std::uint64_t address() const {
    return reinterpret_cast<std::uint64_t>(pointers_) + abi::kDirectoryBias;
  }
  [[nodiscard]] std::uint32_t get(std::uint32_t eip) const;
  [[nodiscard]] TableId table(std::uint32_t page) const {
    return is_made(page) ? tables_.table_of(pointers_[page], page) : kNoTable;
  }
  // The linear page at which `owner` is bound.
  [[nodiscard]] std::optional<std::uint32_t> where(PageId owner) const {
    if (owner >= where_.size() || where_[owner] == 0) return std::nullopt;
    return where_[owner] - 1;
  }
  // The linear address of the page whose place (abi::place_offset) that is, if it is bound.
  [[nodiscard]] std::uint32_t base(std::int32_t place) const {
    return *reinterpret_cast<const std::uint32_t*>(address() + static_cast<std::int64_t>(place));
  }
  // `owner` is bound nowhere, or there already; `anywhere`: its code asks for its place.
  void bind(std::uint32_t page, TableId table, PageId owner, bool anywhere);
  void unbind(PageId owner);
  // Adds the tables that are bound in a range; they are to be unbound now.
  void collect(std::uint32_t first, std::uint32_t pages, std::vector<TableId>& found);
  void unbind_all();

  // If a host fault at `host` is one of a part that has not been made: makes it.
  bool make_at(std::uint64_t host);

 private:
  static constexpr std::uint32_t kPages = abi::kDirectoryBytes / sizeof(std::uint64_t);
  static_assert(std::uint64_t{kPages} << mmu::kPageShift == 1ULL << 32);
  static constexpr std::uint32_t kPiece = 2048;  // pages

  [[nodiscard]] bool is_made(std::uint32_t page) const {
    return (made_[page / kPiece / 64] >> (page / kPiece % 64) & 1U) != 0;
  }
  // False if the host refuses.
  bool make(std::uint32_t page);
  void reset(std::uint32_t page) { pointers_[page] = tables_.pointer(kNoTable, page); }

  const EntryTables& tables_;
  std::uint8_t* memory_ = nullptr;  // the places, then the pointers
  std::uint64_t* pointers_ = nullptr;
  std::vector<std::uint32_t> where_;  // by PageId: linear page number plus 1, or 0
  std::vector<std::uint64_t> made_ = std::vector<std::uint64_t>(kPages / kPiece / 64);  // a bit a piece
  std::vector<std::uint32_t> bound_;  // all pages with a table, and others that had one
  std::size_t live_ = 0;              // pages with a table
};

// The directories of all windows and modes, and the tables that they point to.
class JumpTables {
 public:
  // The directory for a window and an interned mode; made on first use.
  JumpDirectory& get(std::uint32_t window, std::uint32_t mode);
  // Null if it has not been made.
  [[nodiscard]] JumpDirectory* find(std::uint32_t window, std::uint32_t mode) const {
    if (window >= directories_.size() || mode >= directories_[window].size()) return nullptr;
    return directories_[window][mode].get();
  }

  // Where a window fetches code from; none if it may not or does not know.
  using Fetch = std::function<std::optional<mmu::PhysAddr>(mmu::Linear)>;
  // What is to be bound with a page.
  struct Reach {
    std::vector<std::pair<std::uint32_t, TableId>> tables;  // with their linear pages
    std::vector<std::pair<PageId, PageId>> broken;          // edges into what the window does not fetch
  };
  // The pages that `start`, to be bound in `directory` at linear page `number`, leads to and that are not bound there.
  [[nodiscard]] Reach reach(const JumpDirectory& directory, PageId start, std::uint32_t number, const Fetch& fetch);
  // The table at linear page `number`, and what reach() says of its page.
  void bind(JumpDirectory& directory, std::uint32_t number, TableId table, const Reach& further = {});
  // Whether code of one page may jump directly into the other, that many linear pages further, from now on. `fetch`
  // speaks for any window.
  bool connect(PageId from, PageId to, std::int32_t distance, const std::function<Fetch(std::uint32_t window)>& fetch);
  void refuse(PageId from, PageId to) { graph_.refuse(from, to); }

  // Pages that a window does not map any more as it did. False: nothing of them was found there.
  bool drop(std::uint32_t window, mmu::Linear first, std::uint32_t pages);
  void drop_all(std::uint32_t window);

  // kNoPage if it has no table.
  [[nodiscard]] PageId find_page(const PageOfCode& code) const;
  [[nodiscard]] PageId page_of(TableId table) const { return owners_[table].page; }
  [[nodiscard]] const PageOfCode& code(PageId page) const { return pages_[page].code; }

  // The table for instructions of a page, of which those that cross its end go on at `second_page` (0: it has none of
  // these), or kNoTable if it does not exist.
  [[nodiscard]] TableId find_table(const PageOfCode& code, mmu::PhysAddr second_page) const;
  // A new one; kNoTable if there are too many.
  TableId add_table(const PageOfCode& code, mmu::PhysAddr second_page);
  // Whether the table has, or may have, the instructions of a page that go on at `second_page`; 0: those that end in
  // it.
  [[nodiscard]] bool serves(TableId table, mmu::PhysAddr second_page) const {
    return table != kNoTable && (second_page == 0 || owners_[table].second_page == second_page);
  }
  void set(TableId table, std::uint32_t eip, std::uint32_t offset);
  // The fragment at `eip` is gone. Tables that become empty are given up.
  void erase(const PageOfCode& code, std::uint32_t eip);
  void clear();
  // After clear(): no directory is used any more.
  void forget_directories() { directories_.clear(); }

 private:
  struct Owner {
    mmu::PhysAddr second_page = 0;
    PageId page = kNoPage;
    std::uint32_t used = 0;   // entries that are not zero
    TableId next = kNoTable;  // of the same page; or free
  };
  struct Page {
    PageOfCode code;
    TableId first = kNoTable;  // its tables differ in the second page
    std::uint64_t visit = 0;   // the last reach() that came here,
    std::uint32_t number = 0;  // at which linear page,
    bool reached = false;      // and whether it may be bound there
  };
  // A table of the page that holds at linear page `number` of the window; kNoTable if there is none.
  [[nodiscard]] TableId table_for(PageId page, std::uint32_t number, const Fetch& fetch) const;
  // With all that jump into it directly.
  void unbind(JumpDirectory& directory, PageId page);
  void release(TableId table);

  EntryTables tables_;
  std::vector<Owner> owners_ = std::vector<Owner>(1);  // by table
  TableId free_ = kNoTable;
  std::unordered_map<PageOfCode, PageId, PageOfCodeHash> by_page_;
  std::vector<Page> pages_ = std::vector<Page>(1);  // by PageId
  PageGraph graph_;
  std::uint64_t visits_ = 0;
  std::vector<TableId> gone_;  // storage of drop()
  // [window][mode]
  std::vector<std::vector<std::unique_ptr<JumpDirectory>>> directories_;
};

}  // namespace ringshift::engine
