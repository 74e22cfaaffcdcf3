// PUSHF, POPF, CLI, STI and HLT: the flags and states that a ring may not freely change.
#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/handlers.h"

namespace ringshift {

namespace {

bool v86_without_iopl(const CpuState& s) { return s.v86() && s.iopl() < 3; }
bool may_change_if(const CpuState& s) { return s.cpl() <= s.iopl(); }

// The flags that POPF changes here (SDM vol. 2, table 4-16). VME and PVI are not offered, so VIF and
// VIP read as zero.
std::uint32_t popf_mask(const CpuState& s, unsigned width) {
  std::uint32_t mask = eflags::kStatus | eflags::kTf | eflags::kDf | eflags::kNt;
  if (width == 4) mask |= eflags::kAc | eflags::kId;
  if (may_change_if(s)) mask |= eflags::kIf;
  if (s.cpl() == 0) mask |= eflags::kIopl;
  return mask;
}

}  // namespace

Flow execute_pushf(Cpu& cpu, const isa::Insn& insn) {
  if (v86_without_iopl(cpu.state)) return cpu.raise(vector::kGp, 0);
  const std::uint32_t image = cpu.state.eflags() & ~(eflags::kVm | eflags::kRf);
  return cpu.push(image, insn.stack_operand) ? Flow::next : Flow::fault;
}

Flow execute_popf(Cpu& cpu, const isa::Insn& insn) {
  CpuState& s = cpu.state;
  if (v86_without_iopl(s)) return cpu.raise(vector::kGp, 0);
  const auto image = cpu.pop(insn.stack_operand);
  if (!image) return Flow::fault;
  const std::uint32_t mask = popf_mask(s, insn.stack_operand);
  s.set_eflags((s.eflags() & ~(mask | eflags::kRf)) | (*image & mask));
  return Flow::next;
}

Flow execute_cli(Cpu& cpu, const isa::Insn& /*insn*/) {
  if (!may_change_if(cpu.state)) return cpu.raise(vector::kGp, 0);
  cpu.state.interrupt_flag = 0;
  return Flow::next;
}

Flow execute_sti(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  if (!may_change_if(s)) return cpu.raise(vector::kGp, 0);
  if (s.interrupt_flag == 0) s.interrupt_shadow = 1;
  s.interrupt_flag = 1;
  return Flow::next;
}

Flow execute_hlt(Cpu& cpu, const isa::Insn& /*insn*/) {
  if (cpu.state.cpl() != 0) return cpu.raise(vector::kGp, 0);
  cpu.state.halted = 1;
  return Flow::halt;
}

}  // namespace ringshift
