// Builds one case of the instruction laboratory: shared between the files of the generator.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "tests/isa/generator.h"
#include "tests/isa/values.h"

namespace ringshift::test {

using isa::Insn;

[[nodiscard]] inline unsigned index_of(Seg s) { return static_cast<unsigned>(s); }

class Builder {
 public:
  Builder(const Form& form, unsigned slot, Rng& rng, const GeneratorOptions& options)
      : form_(form), rng_(rng), options_(options) {
    c_.slot = slot;
  }

  std::optional<Case> build();

 private:
  [[nodiscard]] bool chance(unsigned n) { return one_in(rng_, n); }
  std::uint32_t& gpr(unsigned r) { return c_.before.gpr[r]; }
  std::uint16_t& sel(Seg s) { return c_.before.sel[index_of(s)]; }
  [[nodiscard]] std::uint32_t base_of(std::uint16_t selector) const {
    const unsigned i = selector >> 3;
    return (selector & 4U) != 0 && i < kLocalSegments.size() ? kLocalSegments[i].base : 0;
  }
  [[nodiscard]] std::uint32_t base_of(Seg s) const { return base_of(c_.before.sel[index_of(s)]); }
  // Linear address that esp, or sp, points to.
  [[nodiscard]] std::uint32_t stack_top() const {
    const std::uint16_t ss = c_.before.sel[index_of(Seg::ss)];
    const unsigned i = ss >> 3;
    const bool small = (ss & 4U) != 0 && i < kLocalSegments.size() && !kLocalSegments[i].big;
    return base_of(ss) + (c_.before.gpr[kEsp] & (small ? 0xFFFFU : 0xFFFFFFFFU));
  }
  void poke(std::uint32_t linear, std::uint64_t value, unsigned bytes) {
    Poke p{linear, std::vector<std::uint8_t>(bytes)};
    std::memcpy(p.bytes.data(), &value, std::min<std::size_t>(bytes, 8));
    c_.pokes.push_back(std::move(p));
  }
  template <class T>
  void patch(unsigned offset, T value, unsigned bytes) {
    std::memcpy(insn_.bytes.data() + offset, &value, bytes);
  }

  void choose_segments();
  void place();
  std::uint32_t pick_linear(std::uint32_t size, bool low, bool writable_only = false);
  std::uint32_t offset_in_slot();
  std::uint32_t code_target(std::uint16_t selector, unsigned offset_bytes);
  std::uint16_t pick_data_selector();
  std::uint16_t pick_code_selector();
  std::uint16_t pick_any_selector();
  void point_memory_operand();
  void solve_address(std::uint32_t offset);
  void point(unsigned reg, Seg seg, std::uint32_t linear);
  void point_stack(std::uint32_t below, bool writable_only = false);
  std::uint32_t operand_bytes() const;
  std::uint64_t current(unsigned reg, unsigned width) const;
  // 16 bits from the base of the code reach instructions, which are not the same on both sides.
  void refuse_code_in_reach(Seg s) { refused_ |= insn_.address_size == 2 && base_of(s) == kCode; }
  void special();
  void special_branch();
  void special_far();
  void special_segment();
  void special_string();
  void divide();
  void compare_exchange();
  void bound();
  void far_pointer(std::uint32_t linear, unsigned offset_bytes, bool code);

  const Form& form_;
  Rng& rng_;
  GeneratorOptions options_;
  Case c_;
  Insn insn_;
  bool refused_ = false;
  std::uint32_t target_ = 0;  // linear address of the memory operand
};

}  // namespace ringshift::test
