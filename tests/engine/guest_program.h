// Guest programs written instruction by instruction, for tests of whole programs.
#pragma once

#include <cstdint>

#include "tests/engine/system_lab.h"

namespace ringshift::test {

inline constexpr std::uint32_t kKernel = 0x25000;

// A program, instruction by instruction; addresses are absolute.
class Program {
 public:
  explicit Program(std::uint32_t origin) : origin_(origin) {}

  Program& op(const Bytes& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Program& imm(std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  Program& mov(Gpr r, std::uint32_t value) { return op({static_cast<std::uint8_t>(0xB8 + r)}).imm(value); }
  Program& load(Gpr r, std::uint32_t address) {
    return op({0x8B, static_cast<std::uint8_t>(0x05 + 8 * r)}).imm(address);
  }
  Program& store(std::uint32_t address, Gpr r) {
    return op({0x89, static_cast<std::uint8_t>(0x05 + 8 * r)}).imm(address);
  }
  Program& store(std::uint32_t address, std::uint32_t value) { return op({0xC7, 0x05}).imm(address).imm(value); }
  Program& inc(std::uint32_t address) { return op({0xFF, 0x05}).imm(address); }
  Program& add(Gpr to, Gpr from) { return op({0x01, static_cast<std::uint8_t>(0xC0 + 8 * from + to)}); }
  Program& push(std::uint32_t value) { return op({0x68}).imm(value); }
  Program& load_segment(Seg s, std::uint16_t selector) {  // through ax
    return op({0x66, 0xB8, static_cast<std::uint8_t>(selector), static_cast<std::uint8_t>(selector >> 8), 0x8E,
               static_cast<std::uint8_t>(0xC0 + 8 * static_cast<unsigned>(s))});
  }
  Program& jump_far(std::uint16_t selector, std::uint32_t offset) { return op(far_insn(0xEA, selector, offset)); }
  Program& int_n(std::uint8_t vec) { return op({0xCD, vec}); }
  Program& iret() { return op({0xCF}); }
  Program& call(std::uint32_t target) {
    op({0xE8});
    return imm(target - (here() + 4));
  }
  Program& hlt() { return op({0xF4}); }
  // dec r; jnz `target`
  Program& loop(Gpr r, std::uint32_t target) {
    op({static_cast<std::uint8_t>(0x48 + r), 0x0F, 0x85});
    return imm(target - (here() + 4));
  }
  [[nodiscard]] std::uint32_t here() const { return origin_ + static_cast<std::uint32_t>(bytes_.size()); }
  void place(SystemLab& lab) const { lab.place(origin_, bytes_); }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  std::uint32_t origin_;
  Bytes bytes_;
};

inline void set_handler(SystemLab& lab, unsigned vec, std::uint32_t address) {
  lab.set_idt_gate(vec, SystemLab::gate(SystemLab::code(0), address, gate_type::kInterrupt32, 3));
}

// Ring 3 ends with HLT, which raises #GP(0).
inline void expect_user_halt(SystemLab& lab) {
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kGp});
  EXPECT_EQ(lab.stack(0), 0u);
  EXPECT_EQ(lab.peek<std::uint8_t>(lab.stack(1)), 0xF4);
}

}  // namespace ringshift::test
