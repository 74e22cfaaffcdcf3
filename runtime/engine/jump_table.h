// Jump tables: guest eip to fragment entry, one for each window and mode, read by translated code.
//
// A table is 16 GiB of demand-zero memory (4 bytes for each of 2^32 guest addresses), so that a lookup
// is one load with nothing to compare. Behind it is a guard page, so that an index beyond 2^32 faults
// (translator/abi.h). It holds only what is reachable through its window: entries go when the window drops the page
// that they lie in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
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
  // Whether an entry of eip's page has been set since the page was dropped.
  [[nodiscard]] bool used(std::uint32_t eip) const {
    const std::uint32_t page = eip >> mmu::kPageShift;
    return (bitmap_[page / 64] >> (page % 64) & 1U) != 0;
  }
  void set(std::uint32_t eip, std::uint32_t offset);
  void erase(std::uint32_t eip) {
    if (used(eip)) entries_[eip] = 0;
  }
  // Forgets the entries of `pages` pages from the page of `first`, and those of an instruction that
  // begins on the page before and may continue on `first`.
  void drop(mmu::Linear first, std::uint32_t pages);
  void clear();

 private:
  JumpTable() = default;
  using Offsets = std::vector<std::uint16_t>;
  void compact(std::uint32_t page, Offsets& offsets) const;
  void forget(std::uint32_t page, const Offsets& offsets);
  void release_memory();

  std::uint32_t* entries_ = nullptr;
  std::vector<std::uint64_t> bitmap_ = std::vector<std::uint64_t>((1U << 20) / 64);  // a bit a guest page with entries
  // By guest page: where entries have been set. They are zeroed one by one, so that the host's pages stay: most
  // come to be used again, by the next process with the same program.
  std::unordered_map<std::uint32_t, Offsets> set_;
  std::uint32_t touched_ = 0;  // guest pages that came into `set_` since the memory was released
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
