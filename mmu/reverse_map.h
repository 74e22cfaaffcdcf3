// From physical pages to the 4 KiB window mappings through which the guest can write to them.
#pragma once

#include <cstdint>
#include <vector>

#include "mmu/types.h"

namespace ringshift::mmu {

// Only writable mappings made from 4 KiB entries are kept: gaining code concerns no others, and parts of
// large pages are found by arithmetic. Lists are short (one mapping a process, as a rule).
class ReverseMap {
 public:
  struct Mapping {
    std::uint32_t window = 0;
    std::uint32_t page = 0;  // linear page number
    bool operator==(const Mapping&) const = default;
  };

  void add(std::uint32_t frame, Mapping mapping);
  void remove(std::uint32_t frame, Mapping mapping);
  [[nodiscard]] std::vector<Mapping> find(std::uint32_t frame) const;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  struct Node {
    Mapping mapping;
    std::uint32_t next = kNone;
  };
  std::vector<std::uint32_t> heads_;  // by physical page number
  std::vector<Node> nodes_;
  std::uint32_t free_ = kNone;
};

}  // namespace ringshift::mmu
