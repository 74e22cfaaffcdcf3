// JMP far: direct, indirect, through call gates, and to tasks (SDM vol. 2, JMP).
#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/far.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/segment_load.h"
#include "runtime/semantics/task_switch.h"

namespace ringshift {

namespace {

Flow jump_real_or_v86(Cpu& cpu, const FarTarget& target) {
  if (target.offset > cpu.state.segment(Seg::cs).limit) return cpu.raise(vector::kGp, 0);
  load_cs_real_or_v86(cpu, target.selector);
  cpu.state.eip = target.offset;
  return Flow::jump;
}

// A jump never changes the privilege level.
Flow jump_to_code(Cpu& cpu, std::uint16_t sel, Descriptor& code, std::uint32_t offset) {
  SegmentRegister cs;
  if (!finish_code_segment(cpu, sel, code, cpu.state.cpl(), offset, 0, cs)) return Flow::fault;
  cpu.state.set_segment(Seg::cs, cs);
  cpu.state.eip = offset;
  return Flow::jump;
}

Flow jump_through_gate(Cpu& cpu, std::uint16_t gate_sel, const Descriptor& gate) {
  const unsigned cpl = cpu.state.cpl();
  if (gate.dpl() < cpl || gate.dpl() < selector::rpl(gate_sel)) {
    return cpu.raise(vector::kGp, selector::error(gate_sel));
  }
  if (!gate.present()) return cpu.raise(vector::kNp, selector::error(gate_sel));
  const std::uint16_t sel = gate.gate_selector();
  Descriptor code;
  if (!fetch_code_segment(cpu, sel, 0, code)) return Flow::fault;
  if (code.conforming() ? code.dpl() > cpl : code.dpl() != cpl) return cpu.raise(vector::kGp, selector::error(sel));
  return jump_to_code(cpu, sel, code, gate.gate_offset());
}

Flow jump_protected(Cpu& cpu, const FarTarget& target, std::uint32_t next) {
  const unsigned cpl = cpu.state.cpl();
  const std::uint16_t sel = target.selector;
  const std::uint32_t error = selector::error(sel);
  if (selector::is_null(sel)) return cpu.raise(vector::kGp, 0);
  Descriptor d;
  if (!fetch_descriptor_or_raise(cpu, sel, d, vector::kGp)) return Flow::fault;
  if (d.is_code()) {
    if (d.conforming() ? d.dpl() > cpl : (selector::rpl(sel) > cpl || d.dpl() != cpl)) {
      return cpu.raise(vector::kGp, error);
    }
    return jump_to_code(cpu, sel, d, target.offset);
  }
  if (d.is(SystemType::call_gate16) || d.is(SystemType::call_gate32)) return jump_through_gate(cpu, sel, d);
  if (d.is(SystemType::task_gate) || d.tss_available()) {
    if (cpu.mmu.frozen()) return Flow::fault;
    return transfer_to_task(cpu, sel, d, TaskSwitch::Cause::jump, next);
  }
  return cpu.raise(vector::kGp, error);
}

Flow jump(Cpu& cpu, const FarTarget& target, std::uint32_t next) {
  return uses_descriptors(cpu.state) ? jump_protected(cpu, target, next) : jump_real_or_v86(cpu, target);
}

}  // namespace

bool read_far_pointer(Cpu& cpu, const isa::Insn& insn, FarTarget& target) {
  const std::uint32_t at = cpu.effective_address(insn);
  const std::uint32_t width = insn.stack_operand;
  // Two accesses, each with its own limit and alignment checks, as in silicon.
  if (width == 2) {
    const auto offset = cpu.read<std::uint16_t>(insn.segment, at);
    if (!offset) return false;
    target.offset = *offset;
  } else {
    const auto offset = cpu.read<std::uint32_t>(insn.segment, at);
    if (!offset) return false;
    target.offset = *offset;
  }
  const std::uint32_t behind = at + width;
  const auto selector = cpu.read<std::uint16_t>(insn.segment, insn.address_size == 2 ? behind & 0xFFFFU : behind);
  target.selector = *selector;
  return selector.ok;
}

Flow execute_jmp_far(Cpu& cpu, const isa::Insn& insn) { return jump(cpu, far_immediate(insn), next_eip(cpu, insn)); }

Flow execute_jmp_far_indirect(Cpu& cpu, const isa::Insn& insn) {
  FarTarget target;
  if (!read_far_pointer(cpu, insn, target)) return Flow::fault;
  return jump(cpu, target, next_eip(cpu, insn));
}

}  // namespace ringshift
