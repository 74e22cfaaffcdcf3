// A debugger's instruction breakpoints, as both engines look at them. Guest memory and debug registers know nothing of
// them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/state/cpu_state.h"

namespace ringshift::engine {

// Linear addresses of first bytes of instructions, in any address space.
class Breakpoints {
 public:
  // Returns those that are new or gone.
  std::vector<std::uint32_t> set(std::vector<std::uint32_t> linear) {
    std::ranges::sort(linear);
    linear.erase(std::unique(linear.begin(), linear.end()), linear.end());
    std::vector<std::uint32_t> changed;
    std::ranges::set_symmetric_difference(linear, linear_, std::back_inserter(changed));
    linear_ = std::move(linear);
    passing_.reset();
    return changed;
  }
  [[nodiscard]] bool any() const { return !linear_.empty(); }
  [[nodiscard]] const std::vector<std::uint32_t>& all() const { return linear_; }
  [[nodiscard]] bool contains(std::uint32_t linear) const { return std::ranges::binary_search(linear_, linear); }

  // The next instruction runs if it is the one that the CPU stands at now.
  void pass(const CpuState& state) { passing_ = address(state); }
  // To be asked once for each instruction in front of which it may have to stop.
  [[nodiscard]] bool stop_at(const CpuState& state) {
    if (linear_.empty()) [[likely]]
      return false;
    const std::uint32_t here = address(state);
    return std::exchange(passing_, std::nullopt) != here && contains(here);
  }

 private:
  static std::uint32_t address(const CpuState& state) { return state.segment(Seg::cs).base + state.eip; }

  std::vector<std::uint32_t> linear_;  // ascending
  std::optional<std::uint32_t> passing_;
};

}  // namespace ringshift::engine
