// Which guest physical pages hold code that an engine has decoded or translated, and which ones are a screen's whose
// next change is awaited: pages that must not be written unnoticed.
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

// Told of the first write to an awaited page, maybe on a signal stack and before it happens; clears kAwaited there.
class FirstWriteListener {
 public:
  virtual ~FirstWriteListener() = default;
  virtual void on_first_write(PhysAddr address) = 0;
};

// One byte a page, a bit a holder: each engine that keeps code of the page sets its own bit, and clears
// it when it keeps nothing from there any more. Listeners are called on writes to pages with any bit set.
// After a set() that returns true, the owner of the CPU calls Mmu::protect_code, which makes the page read-only
// in every window and TLB entry.
class CodePages {
 public:
  // `ram_bytes`: the end of the highest RAM range. Pages above it (ROM) cannot be written and are
  // never flagged.
  explicit CodePages(std::uint64_t ram_bytes);

  [[nodiscard]] bool contains(PhysAddr address) const {
    const auto page = address >> kPageShift;
    return page < flags_.size() && flags_[page] != 0;
  }
  static constexpr std::uint8_t kDecoded = 1;     // the interpreter's decoded instructions
  static constexpr std::uint8_t kTranslated = 2;  // fragments
  static constexpr std::uint8_t kAwaited = 4;     // the listener for first writes

  // True if no bit of the page was set before and one is now.
  bool set(PhysAddr address, std::uint8_t holder = kDecoded);
  void clear(PhysAddr address, std::uint8_t holder = kDecoded);

  void add_listener(CodeWriteListener& listener) { listeners_.push_back(&listener); }
  void remove_listener(CodeWriteListener& listener) { std::erase(listeners_, &listener); }
  void set_first_write_listener(FirstWriteListener* listener) { first_write_ = listener; }
  // A write is about to be let through: is it the first one to an awaited page?
  void note_write(PhysAddr address) {
    const auto page = address >> kPageShift;
    if (page < flags_.size() && (flags_[page] & kAwaited) != 0) first_write_->on_first_write(address);
  }
  void notify_write(PhysAddr address, std::uint32_t size) {
    note_write(address);
    for (auto* listener : listeners_) listener->on_code_write(address, size);
  }

 private:
  std::vector<std::uint8_t> flags_;
  std::vector<CodeWriteListener*> listeners_;
  FirstWriteListener* first_write_ = nullptr;
};

}  // namespace ringshift::mmu
