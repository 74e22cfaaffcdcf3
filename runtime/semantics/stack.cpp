// PUSH, POP, PUSHA, POPA, ENTER, LEAVE.
#include <array>

#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Form;
using isa::Insn;

// Stack memory at an offset of the stack's own width; `size` is 2 or 4.
bool store(Cpu& cpu, std::uint32_t offset, std::uint32_t value, unsigned size) {
  offset &= cpu.stack_mask();
  return size == 2 ? cpu.write<std::uint16_t>(Seg::ss, offset, static_cast<std::uint16_t>(value))
                   : cpu.write<std::uint32_t>(Seg::ss, offset, value);
}

MemResult<std::uint32_t> load(Cpu& cpu, std::uint32_t offset, unsigned size) {
  offset &= cpu.stack_mask();
  if (size == 4) return cpu.read<std::uint32_t>(Seg::ss, offset);
  const auto word = cpu.read<std::uint16_t>(Seg::ss, offset);
  return {*word, word.ok};
}

void set_sized(CpuState& s, unsigned reg, std::uint32_t value, unsigned size) {
  if (size == 2) {
    set_reg<std::uint16_t>(s, reg, static_cast<std::uint16_t>(value));
  } else {
    s.gpr[reg] = value;
  }
}

Flow pop_to_memory(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned size = insn.stack_operand;
  const std::uint32_t old_esp = s.gpr[kEsp];
  const auto value = load(cpu, old_esp, size);
  if (!value) return Flow::fault;
  // An address formed with ESP uses its value after the increment (SDM vol. 2, POP).
  cpu.add_esp(static_cast<std::int32_t>(size));
  const std::uint32_t offset = cpu.effective_address(insn);
  const bool done = size == 2 ? cpu.write<std::uint16_t>(insn.segment, offset, static_cast<std::uint16_t>(*value))
                              : cpu.write<std::uint32_t>(insn.segment, offset, *value);
  if (done) return Flow::next;
  s.gpr[kEsp] = old_esp;
  return Flow::fault;
}

}  // namespace

// PUSH ESP pushes the value before the instruction, and an address formed with ESP uses it.
Flow execute_push(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned size = insn.stack_operand;
  std::uint32_t value = insn.imm;
  if (insn.form == Form::opreg) {
    value = s.gpr[insn.reg];
  } else if (insn.form == Form::rm) {
    if (!insn.memory) {
      value = s.gpr[insn.rm];
    } else if (size == 2) {
      const auto word = read_rm<std::uint16_t>(cpu, insn);
      if (!word) return Flow::fault;
      value = *word;
    } else {
      const auto dword = read_rm<std::uint32_t>(cpu, insn);
      if (!dword) return Flow::fault;
      value = *dword;
    }
  }
  if (!store(cpu, s.gpr[kEsp] - size, value, size)) return Flow::fault;
  cpu.add_esp(-static_cast<std::int32_t>(size));
  return Flow::next;
}

Flow execute_pop(Cpu& cpu, const Insn& insn) {
  if (insn.memory) return pop_to_memory(cpu, insn);
  const unsigned size = insn.stack_operand;
  const auto value = load(cpu, cpu.state.gpr[kEsp], size);
  if (!value) return Flow::fault;
  cpu.add_esp(static_cast<std::int32_t>(size));
  set_sized(cpu.state, insn.form == Form::opreg ? insn.reg : insn.rm, *value, size);
  return Flow::next;
}

// A fault half-way leaves some words stored but every register as it was, and the instruction restarts.
Flow execute_pusha(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned size = insn.stack_operand;
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (!store(cpu, s.gpr[kEsp] - size * (i + 1), s.gpr[i], size)) return Flow::fault;
  }
  cpu.add_esp(-static_cast<std::int32_t>(size * kGprCount));
  return Flow::next;
}

Flow execute_popa(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned size = insn.stack_operand;
  std::array<std::uint32_t, kGprCount> values{};
  for (unsigned i = 0; i < kGprCount; ++i) {
    const unsigned reg = kGprCount - 1 - i;
    if (reg == kEsp) continue;  // skipped, not loaded
    const auto value = load(cpu, s.gpr[kEsp] + size * i, size);
    if (!value) return Flow::fault;
    values[reg] = *value;
  }
  for (unsigned reg = 0; reg < kGprCount; ++reg) {
    if (reg != kEsp) set_sized(s, reg, values[reg], size);
  }
  cpu.add_esp(static_cast<std::int32_t>(size * kGprCount));
  return Flow::next;
}

Flow execute_enter(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned size = insn.stack_operand;
  const unsigned level = insn.imm2 & 31U;
  const std::uint32_t mask = cpu.stack_mask();
  std::uint32_t esp = s.gpr[kEsp] - size;
  if (!store(cpu, esp, s.gpr[kEbp], size)) return Flow::fault;
  const std::uint32_t frame = (s.gpr[kEsp] & ~mask) | (esp & mask);
  if (level > 0) {
    std::uint32_t ebp = s.gpr[kEbp];
    for (unsigned i = 1; i < level; ++i) {
      ebp -= size;
      esp -= size;
      const auto pointer = load(cpu, ebp, size);
      if (!pointer || !store(cpu, esp, *pointer, size)) return Flow::fault;
    }
    esp -= size;
    if (!store(cpu, esp, frame, size)) return Flow::fault;
  }
  esp -= insn.imm;
  // The instruction faults if a push after it would (SDM vol. 2, ENTER).
  if (!cpu.probe_write(Seg::ss, esp & mask, size)) return Flow::fault;
  s.gpr[kEsp] = (s.gpr[kEsp] & ~mask) | (esp & mask);
  set_sized(s, kEbp, frame, size);
  return Flow::next;
}

Flow execute_leave(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned size = insn.stack_operand;
  const std::uint32_t mask = cpu.stack_mask();
  const auto value = load(cpu, s.gpr[kEbp], size);
  if (!value) return Flow::fault;
  const std::uint32_t esp = s.gpr[kEbp] + size;
  s.gpr[kEsp] = (s.gpr[kEsp] & ~mask) | (esp & mask);
  set_sized(s, kEbp, *value, size);
  return Flow::next;
}

}  // namespace ringshift
