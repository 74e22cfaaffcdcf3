// Jump tables: guest eip to fragment entry, one for each window and mode, read by translated code.
//
// A table is 16 GiB of demand-zero memory (4 bytes for each of 2^32 guest addresses), so that a lookup
// is one load with nothing to compare. It holds only what is reachable through its window: entries go
// when the window drops the page that they lie in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mmu/types.h"

namespace ringshift::engine {

class JumpTable {
 public:
  static std::unique_ptr<JumpTable> create();
  ~JumpTable();
  JumpTable(const JumpTable&) = delete;
  JumpTable& operator=(const JumpTable&) = delete;

  [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(entries_); }
  [[nodiscard]] std::uint32_t get(std::uint32_t eip) const { return used(eip) ? entries_[eip] : 0; }
  void set(std::uint32_t eip, std::uint32_t offset);
  void erase(std::uint32_t eip) {
    if (used(eip)) entries_[eip] = 0;
  }
  // Forgets the entries of `pages` pages from the page of `first`, and those of an instruction that
  // begins on the page before and may continue on `first`.
  void drop(mmu::Linear first, std::uint32_t pages);
  void clear();
  [[nodiscard]] std::uint64_t resident_pages() const { return pages_.size(); }

 private:
  JumpTable() = default;
  [[nodiscard]] bool used(std::uint32_t eip) const {
    const std::uint32_t page = eip >> mmu::kPageShift;
    return (bitmap_[page / 64] >> (page % 64) & 1U) != 0;
  }
  void release(std::uint32_t page);

  std::uint32_t* entries_ = nullptr;
  std::vector<std::uint64_t> bitmap_ = std::vector<std::uint64_t>((1U << 20) / 64);  // a bit a guest page with entries
  std::vector<std::uint32_t> pages_;                                                 // the same pages as a list
};

// The tables of all windows and modes.
class JumpTables {
 public:
  // The table for a window and an interned mode; made on first use.
  JumpTable& get(std::uint32_t window, std::uint32_t mode);
  // Null if it has not been made.
  [[nodiscard]] JumpTable* find(std::uint32_t window, std::uint32_t mode) const {
    if (window >= tables_.size() || mode >= tables_[window].size()) return nullptr;
    return tables_[window][mode].get();
  }
  void drop(std::uint32_t window, mmu::Linear first, std::uint32_t pages);
  void drop_all(std::uint32_t window);
  void clear();
  // The fragment for `eip` is gone from every window.
  void erase(std::uint32_t eip, std::uint32_t mode);

 private:
  // [window][mode]
  std::vector<std::vector<std::unique_ptr<JumpTable>>> tables_;
};

}  // namespace ringshift::engine
