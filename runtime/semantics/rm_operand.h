// The r/m operands of system instructions: read as 16 bits, stored as 16 bits or a whole register.
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu_memory.h"

namespace ringshift {

[[nodiscard]] inline MemResult<std::uint16_t> read_rm16(Cpu& cpu, const isa::Insn& insn) {
  if (insn.memory) return cpu.read<std::uint16_t>(insn.segment, cpu.effective_address(insn));
  return {static_cast<std::uint16_t>(cpu.state.gpr[insn.rm]), true};
}

inline void write_register(Cpu& cpu, unsigned number, unsigned width, std::uint32_t value) {
  std::uint32_t& r = cpu.state.gpr[number];
  r = width == 2 ? (r & 0xFFFF0000U) | (value & 0xFFFFU) : value;
}

// Memory takes the low 16 bits; a register takes `value` in the operand size.
[[nodiscard]] inline Flow store_rm(Cpu& cpu, const isa::Insn& insn, std::uint32_t value) {
  if (!insn.memory) {
    write_register(cpu, insn.rm, insn.stack_operand, value);
    return Flow::next;
  }
  const auto word = static_cast<std::uint16_t>(value);
  return cpu.write<std::uint16_t>(insn.segment, cpu.effective_address(insn), word) ? Flow::next : Flow::fault;
}

}  // namespace ringshift
