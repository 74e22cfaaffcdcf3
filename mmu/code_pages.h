// Which guest physical pages hold code that an engine has decoded or translated.
#pragma once

#include <cstdint>
#include <vector>

#include "mmu/types.h"

namespace ringshift::mmu {

// Told before a write to a page with code becomes visible to the next instruction. `size` bytes at
// `address`, within one page. DMA and loaders may report whole pages.
class CodeWriteListener {
 public:
  virtual ~CodeWriteListener() = default;
  virtual void on_code_write(PhysAddr address, std::uint32_t size) = 0;
};

// One flag a page. Listeners are called on writes to flagged pages; who holds code there clears the flag
// again when nothing is left. After set(), the owner of the CPU calls Mmu::protect_code, which makes the
// page read-only in every window and TLB entry.
class CodePages {
 public:
  // `ram_bytes`: the end of the highest RAM range. Pages above it (ROM) cannot be written and are
  // never flagged.
  explicit CodePages(std::uint64_t ram_bytes);

  [[nodiscard]] bool contains(PhysAddr address) const {
    const auto page = address >> kPageShift;
    return page < flags_.size() && flags_[page] != 0;
  }
  // True if the flag was clear before and is now set.
  bool set(PhysAddr address);
  void clear(PhysAddr address);

  void add_listener(CodeWriteListener& listener) { listeners_.push_back(&listener); }
  void notify_write(PhysAddr address, std::uint32_t size) {
    for (auto* listener : listeners_) listener->on_code_write(address, size);
  }

 private:
  std::vector<std::uint8_t> flags_;
  std::vector<CodeWriteListener*> listeners_;
};

}  // namespace ringshift::mmu
