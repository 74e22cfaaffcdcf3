// MOV, PUSH and POP of segment registers; LDS, LES, LSS, LFS, LGS.
#include "runtime/semantics/events.h"
#include "runtime/semantics/far.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/rm_operand.h"
#include "runtime/semantics/segment_load.h"

namespace ringshift {

namespace {

// A new SS: nothing may come between it and the instruction that loads ESP (SDM vol. 3, 6.8.3).
void hold_events_after_ss(Cpu& cpu) {
  cpu.state.interrupt_shadow = 1;
  if ((cpu.state.system_flags & eflags::kTf) != 0 || breakpoints_armed(cpu.state)) cpu.no_debug_trap = true;
}

Flow load_far_pointer(Cpu& cpu, const isa::Insn& insn, Seg seg) {
  FarTarget pointer;
  if (!read_far_pointer(cpu, insn, pointer)) return Flow::fault;
  if (!load_segment(cpu, seg, pointer.selector)) return Flow::fault;
  write_register(cpu, insn.reg, insn.stack_operand, pointer.offset);
  return Flow::next;
}

}  // namespace

Flow execute_mov_from_seg(Cpu& cpu, const isa::Insn& insn) {
  return store_rm(cpu, insn, cpu.state.seg[insn.reg].selector);
}

Flow execute_mov_to_seg(Cpu& cpu, const isa::Insn& insn) {
  if (insn.reg >= kSegCount || insn.reg == static_cast<std::uint8_t>(Seg::cs)) return cpu.raise(vector::kUd);
  const auto seg = static_cast<Seg>(insn.reg);
  const auto sel = read_rm16(cpu, insn);
  if (!sel || !load_segment(cpu, seg, *sel)) return Flow::fault;
  if (seg == Seg::ss) hold_events_after_ss(cpu);
  return Flow::next;
}

// With a 32-bit operand the selector is zero-extended, as AMD silicon does it; Intel's may leave the
// upper half of the stack slot alone.
Flow execute_push_seg(Cpu& cpu, const isa::Insn& insn) {
  return cpu.push(cpu.state.seg[insn.reg].selector, insn.stack_operand) ? Flow::next : Flow::fault;
}

Flow execute_pop_seg(Cpu& cpu, const isa::Insn& insn) {
  const auto seg = static_cast<Seg>(insn.reg);
  const std::uint32_t esp = cpu.state.gpr[kEsp];
  const auto value = cpu.pop(insn.stack_operand);
  if (!value) return Flow::fault;
  if (!load_segment(cpu, seg, static_cast<std::uint16_t>(*value))) {
    cpu.state.gpr[kEsp] = esp;
    return Flow::fault;
  }
  if (seg == Seg::ss) hold_events_after_ss(cpu);
  return Flow::next;
}

Flow execute_lds(Cpu& cpu, const isa::Insn& insn) { return load_far_pointer(cpu, insn, Seg::ds); }
Flow execute_les(Cpu& cpu, const isa::Insn& insn) { return load_far_pointer(cpu, insn, Seg::es); }
Flow execute_lss(Cpu& cpu, const isa::Insn& insn) { return load_far_pointer(cpu, insn, Seg::ss); }
Flow execute_lfs(Cpu& cpu, const isa::Insn& insn) { return load_far_pointer(cpu, insn, Seg::fs); }
Flow execute_lgs(Cpu& cpu, const isa::Insn& insn) { return load_far_pointer(cpu, insn, Seg::gs); }

}  // namespace ringshift
