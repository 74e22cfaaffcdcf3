// CALL far: direct, indirect, through call gates with a change of stack, and to tasks (SDM vol. 2, CALL).
#include <array>

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/far.h"
#include "runtime/semantics/far_stack.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/segment_load.h"
#include "runtime/semantics/task_switch.h"

namespace ringshift {

namespace {

// Return address of the caller: what every far call pushes last.
void push_return(const Cpu& cpu, FrameWriter& frame, std::uint32_t next, unsigned width) {
  frame.push(cpu.state.segment(Seg::cs).selector, width);
  frame.push(next, width);
}

Flow call_real_or_v86(Cpu& cpu, const FarTarget& target, std::uint32_t next, unsigned width) {
  CpuState& s = cpu.state;
  FrameWriter frame(s.segment(Seg::ss), s.gpr[kEsp], s.cpl(), 0);
  push_return(cpu, frame, next, width);
  if (!frame.check(cpu)) return Flow::fault;
  if (target.offset > s.segment(Seg::cs).limit) return cpu.raise(vector::kGp, 0);
  frame.write(cpu);
  s.gpr[kEsp] = frame.esp();
  load_cs_real_or_v86(cpu, target.selector);
  s.eip = target.offset;
  return Flow::jump;
}

Flow call_same_ring(Cpu& cpu, std::uint16_t sel, Descriptor& code, std::uint32_t offset, std::uint32_t next,
                    unsigned width) {
  CpuState& s = cpu.state;
  const unsigned cpl = s.cpl();
  if (!code.present()) return cpu.raise(vector::kNp, selector::error(sel));
  FrameWriter frame(s.segment(Seg::ss), s.gpr[kEsp], cpl, 0);
  push_return(cpu, frame, next, width);
  if (!frame.check(cpu)) return Flow::fault;
  SegmentRegister cs;
  if (!finish_code_segment(cpu, sel, code, cpl, offset, 0, cs)) return Flow::fault;
  frame.write(cpu);
  s.gpr[kEsp] = frame.esp();
  s.set_segment(Seg::cs, cs);
  s.eip = offset;
  return Flow::jump;
}

struct Parameters {
  std::array<std::uint32_t, 31> value{};
  unsigned count = 0;
};

bool read_parameters(Cpu& cpu, unsigned count, unsigned width, Parameters& parameters) {
  FrameReader from(cpu);
  parameters.count = count;
  for (unsigned i = 0; i < count; ++i) parameters.value[i] = from.pop(width);
  return from.ok();
}

Flow call_inner_ring(Cpu& cpu, const Descriptor& gate, Descriptor& code, std::uint32_t next) {
  CpuState& s = cpu.state;
  const unsigned width = gate.is(SystemType::call_gate32) ? 4 : 2;
  const unsigned cpl = code.dpl();
  const std::uint16_t sel = gate.gate_selector();
  if (!code.present()) return cpu.raise(vector::kNp, selector::error(sel));
  InnerStack inner;
  if (!fetch_inner_stack(cpu, cpl, 0, inner)) return Flow::fault;
  Parameters parameters;
  if (!read_parameters(cpu, gate.gate_parameters(), width, parameters)) return Flow::fault;
  FrameWriter frame(inner.ss, inner.esp, cpl, selector::error(inner.ss.selector));
  frame.push(s.segment(Seg::ss).selector, width);
  frame.push(s.gpr[kEsp], width);
  for (unsigned i = parameters.count; i > 0; --i) frame.push(parameters.value[i - 1], width);
  push_return(cpu, frame, next, width);
  if (!frame.check(cpu)) return Flow::fault;
  SegmentRegister cs;
  if (!finish_code_segment(cpu, sel, code, cpl, gate.gate_offset(), 0, cs)) return Flow::fault;
  frame.write(cpu);
  s.set_segment(Seg::cs, cs);
  s.set_segment(Seg::ss, inner.ss);
  s.gpr[kEsp] = frame.esp();
  s.eip = gate.gate_offset();
  return Flow::jump;
}

Flow call_through_gate(Cpu& cpu, std::uint16_t gate_sel, const Descriptor& gate, std::uint32_t next) {
  const unsigned cpl = cpu.state.cpl();
  if (gate.dpl() < cpl || gate.dpl() < selector::rpl(gate_sel)) {
    return cpu.raise(vector::kGp, selector::error(gate_sel));
  }
  if (!gate.present()) return cpu.raise(vector::kNp, selector::error(gate_sel));
  const std::uint16_t sel = gate.gate_selector();
  Descriptor code;
  if (!fetch_code_segment(cpu, sel, 0, code)) return Flow::fault;
  if (code.dpl() > cpl) return cpu.raise(vector::kGp, selector::error(sel));
  if (!code.conforming() && code.dpl() < cpl) return call_inner_ring(cpu, gate, code, next);
  const unsigned width = gate.is(SystemType::call_gate32) ? 4 : 2;
  return call_same_ring(cpu, sel, code, gate.gate_offset(), next, width);
}

Flow call_protected(Cpu& cpu, const FarTarget& target, std::uint32_t next, unsigned width) {
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
    return call_same_ring(cpu, sel, d, target.offset, next, width);
  }
  if (d.is(SystemType::call_gate16) || d.is(SystemType::call_gate32)) return call_through_gate(cpu, sel, d, next);
  if (d.is(SystemType::task_gate) || d.tss_available()) {
    if (cpu.mmu.frozen()) return Flow::fault;
    return transfer_to_task(cpu, sel, d, TaskSwitch::Cause::call, next);
  }
  return cpu.raise(vector::kGp, error);
}

Flow call(Cpu& cpu, const isa::Insn& insn, const FarTarget& target) {
  const std::uint32_t next = next_eip(cpu, insn);
  const unsigned width = insn.stack_operand;
  return uses_descriptors(cpu.state) ? call_protected(cpu, target, next, width)
                                     : call_real_or_v86(cpu, target, next, width);
}

}  // namespace

Flow execute_call_far(Cpu& cpu, const isa::Insn& insn) { return call(cpu, insn, far_immediate(insn)); }

Flow execute_call_far_indirect(Cpu& cpu, const isa::Insn& insn) {
  FarTarget target;
  if (!read_far_pointer(cpu, insn, target)) return Flow::fault;
  return call(cpu, insn, target);
}

}  // namespace ringshift
