// Numbers for the modes that code has been translated for: small, and never 0.
//
// There are few plain modes. Others have the base and limit of a code segment in them, of which a guest may use any
// number.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "translator/mode_key.h"

namespace ringshift::engine {

class ModeTable {
 public:
  // Beyond this number the engine had better forget what it has translated, and start again.
  static constexpr std::uint32_t kMost = 1024;

  [[nodiscard]] bool full() const { return modes_.size() >= kMost; }
  [[nodiscard]] const translator::ModeKey& operator[](std::uint32_t number) const { return modes_[number]; }
  // 0 if the mode has no number yet. Always inline, as CpuState::set_segment.
  [[nodiscard, gnu::always_inline]] std::uint32_t find(const translator::ModeKey& key) const {
    if (key.plain()) return plain_[key.packed()];
    std::uint32_t slot = first_slot(key);
    while (others_[slot] != 0 && !(modes_[others_[slot]] == key)) slot = (slot + 1) % kSlots;
    return others_[slot];
  }
  // Gives it one, unless it has one.
  std::uint32_t add(const translator::ModeKey& key) {
    if (const std::uint32_t known = find(key); known != 0) return known;
    const auto number = static_cast<std::uint16_t>(modes_.size());
    modes_.push_back(key);
    if (key.plain()) {
      plain_[key.packed()] = number;
      return number;
    }
    std::uint32_t slot = first_slot(key);
    while (others_[slot] != 0) slot = (slot + 1) % kSlots;
    others_[slot] = number;
    return number;
  }
  void clear() {
    modes_.resize(1);
    plain_.fill(0);
    others_.fill(0);
  }

 private:
  static constexpr std::uint32_t kSlotBits = 12, kSlots = 1U << kSlotBits;
  static_assert(kSlots > 2 * kMost);
  static std::uint32_t first_slot(const translator::ModeKey& key) { return key.hash() >> (32 - kSlotBits); }

  std::vector<translator::ModeKey> modes_{translator::ModeKey{}};  // 0 is no mode
  std::array<std::uint16_t, translator::kModeKeyCount> plain_{};
  std::array<std::uint16_t, kSlots> others_{};  // open addressing
};

}  // namespace ringshift::engine
