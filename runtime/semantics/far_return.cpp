#include "runtime/semantics/far_return.h"

#include "runtime/semantics/far.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/segment_load.h"

namespace ringshift {

bool check_return(Cpu& cpu, std::uint16_t cs, std::uint32_t eip, unsigned width, FrameReader& frame,
                  ReturnTarget& target) {
  const unsigned cpl = cpu.state.cpl();
  const unsigned new_cpl = selector::rpl(cs);
  Descriptor code;
  if (!fetch_code_segment(cpu, cs, 0, code)) return false;
  const bool forbidden = code.conforming() ? code.dpl() > new_cpl : code.dpl() != new_cpl;
  if (new_cpl < cpl || forbidden) {
    cpu.raise(vector::kGp, selector::error(cs));
    return false;
  }
  if (!code.present()) {
    cpu.raise(vector::kNp, selector::error(cs));
    return false;
  }
  target.outer = new_cpl > cpl;
  if (target.outer) {
    target.esp = frame.pop(width);
    const auto ss = static_cast<std::uint16_t>(frame.pop(width));
    if (!frame.ok()) return false;
    if (!check_stack_segment(cpu, ss, new_cpl, vector::kGp, 0, target.ss)) return false;
  }
  target.eip = eip;
  return finish_code_segment(cpu, cs, code, new_cpl, eip, 0, target.cs);
}

void commit_return(Cpu& cpu, const ReturnTarget& target, const FrameReader& frame, std::uint32_t parameters) {
  CpuState& s = cpu.state;
  s.set_segment(Seg::cs, target.cs);
  s.eip = target.eip;
  if (!target.outer) {
    s.gpr[kEsp] = frame.esp();
    return;
  }
  s.set_segment(Seg::ss, target.ss);
  set_esp(cpu, target.esp + parameters);
  drop_inner_segments(cpu, s.cpl());
}

// RET far, also with the number of parameter bytes to release (SDM vol. 2, RET).
Flow execute_ret_far(Cpu& cpu, const isa::Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned width = insn.stack_operand;
  const std::uint32_t parameters = insn.form == isa::Form::imm ? insn.imm & 0xFFFFU : 0;
  FrameReader frame(cpu);
  const std::uint32_t eip = frame.pop(width);
  const auto cs = static_cast<std::uint16_t>(frame.pop(width));
  if (!frame.ok()) return Flow::fault;
  frame.skip(parameters);
  if (!uses_descriptors(s)) {
    if (eip > s.segment(Seg::cs).limit) return cpu.raise(vector::kGp, 0);
    s.gpr[kEsp] = frame.esp();
    load_cs_real_or_v86(cpu, cs);
    s.eip = eip;
    return Flow::jump;
  }
  ReturnTarget target;
  if (!check_return(cpu, cs, eip, width, frame, target)) return Flow::fault;
  commit_return(cpu, target, frame, parameters);
  return Flow::jump;
}

}  // namespace ringshift
