// What far jumps and calls have in common.
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"
#include "translator/isa/insn.h"

namespace ringshift {

struct FarTarget {
  std::uint16_t selector = 0;
  std::uint32_t offset = 0;
};

// The operand of a direct far jump or call.
[[nodiscard]] inline FarTarget far_immediate(const isa::Insn& insn) {
  return FarTarget{insn.imm2, insn.stack_operand == 2 ? insn.imm & 0xFFFFU : insn.imm};
}
// m16:16 or m16:32: the offset comes first.
[[nodiscard]] bool read_far_pointer(Cpu& cpu, const isa::Insn& insn, FarTarget& target);

// The address of the instruction behind `insn`, as far calls and interrupts save it. At the end of a 16-bit segment
// that is 10000h, not 0, as silicon shows: whoever saves 16 bits of it cuts it.
[[nodiscard]] inline std::uint32_t next_eip(const Cpu& cpu, const isa::Insn& insn) {
  return cpu.state.eip + insn.length;
}

// Protected mode proper: segment registers hold descriptors, not paragraphs.
[[nodiscard]] inline bool uses_descriptors(const CpuState& state) { return state.protected_mode() && !state.v86(); }

}  // namespace ringshift
