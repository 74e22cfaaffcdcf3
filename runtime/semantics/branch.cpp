// Branches within the code segment. A target beyond the limit of CS raises #GP(0) on the branch itself.
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Insn;

[[nodiscard]] bool target_allowed(Cpu& cpu, std::uint32_t target) {
  if (target <= cpu.state.segment(Seg::cs).limit) [[likely]]
    return true;
  cpu.raise(vector::kGp, 0);
  return false;
}

Flow jump_to(Cpu& cpu, std::uint32_t target) {
  if (!target_allowed(cpu, target)) return Flow::fault;
  cpu.state.eip = target;
  return Flow::jump;
}

Flow call_to(Cpu& cpu, const Insn& insn, std::uint32_t target) {
  if (!target_allowed(cpu, target)) return Flow::fault;
  if (!cpu.push(cpu.state.eip + insn.length, insn.stack_operand)) return Flow::fault;
  cpu.state.eip = target;
  return Flow::jump;
}

// The r/m operand as a target of the operand's width.
MemResult<std::uint32_t> indirect_target(Cpu& cpu, const Insn& insn) {
  if (insn.width == 4) return read_rm<std::uint32_t>(cpu, insn);
  const auto word = read_rm<std::uint16_t>(cpu, insn);
  return {*word, word.ok};
}

// LOOPcc: the count is CX or ECX by address size, and the flags stay.
Flow loop_while(Cpu& cpu, const Insn& insn, bool condition) {
  CpuState& s = cpu.state;
  const std::uint32_t mask = insn.address_size == 2 ? 0xFFFFU : 0xFFFFFFFFU;
  const std::uint32_t count = (s.gpr[kEcx] - 1) & mask;
  const bool taken = count != 0 && condition;
  const std::uint32_t target = insn.target(s.eip);
  if (taken && !target_allowed(cpu, target)) return Flow::fault;
  s.gpr[kEcx] = (s.gpr[kEcx] & ~mask) | count;
  if (!taken) return Flow::next;
  s.eip = target;
  return Flow::jump;
}

}  // namespace

Flow execute_jcc(Cpu& cpu, const Insn& insn) {
  if (!condition_holds(insn.condition, cpu.state.native_flags)) return Flow::next;
  return jump_to(cpu, insn.target(cpu.state.eip));
}

Flow execute_jmp(Cpu& cpu, const Insn& insn) { return jump_to(cpu, insn.target(cpu.state.eip)); }

Flow execute_jmp_indirect(Cpu& cpu, const Insn& insn) {
  const auto target = indirect_target(cpu, insn);
  return target ? jump_to(cpu, *target) : Flow::fault;
}

Flow execute_call(Cpu& cpu, const Insn& insn) { return call_to(cpu, insn, insn.target(cpu.state.eip)); }

Flow execute_call_indirect(Cpu& cpu, const Insn& insn) {
  const auto target = indirect_target(cpu, insn);
  return target ? call_to(cpu, insn, *target) : Flow::fault;
}

Flow execute_ret(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const std::uint32_t old_esp = s.gpr[kEsp];
  const auto target = cpu.pop(insn.stack_operand);
  if (!target) return Flow::fault;
  if (!target_allowed(cpu, *target)) {
    s.gpr[kEsp] = old_esp;
    return Flow::fault;
  }
  cpu.add_esp(static_cast<std::int32_t>(insn.imm));
  s.eip = *target;
  return Flow::jump;
}

Flow execute_loop(Cpu& cpu, const Insn& insn) { return loop_while(cpu, insn, true); }
Flow execute_loope(Cpu& cpu, const Insn& insn) {
  return loop_while(cpu, insn, (cpu.state.native_flags & eflags::kZf) != 0);
}
Flow execute_loopne(Cpu& cpu, const Insn& insn) {
  return loop_while(cpu, insn, (cpu.state.native_flags & eflags::kZf) == 0);
}

Flow execute_jcxz(Cpu& cpu, const Insn& insn) {
  const std::uint32_t mask = insn.address_size == 2 ? 0xFFFFU : 0xFFFFFFFFU;
  if ((cpu.state.gpr[kEcx] & mask) != 0) return Flow::next;
  return jump_to(cpu, insn.target(cpu.state.eip));
}

}  // namespace ringshift
