#include "runtime/semantics/interrupt.h"

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/far_stack.h"
#include "runtime/semantics/segment_load.h"
#include "runtime/semantics/task_switch.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kIdtBit = 2;  // in an error code: the index is of the IDT
constexpr std::uint32_t kClearedOnEntry = eflags::kTf | eflags::kNt | eflags::kRf | eflags::kVm;

struct Handler {
  std::uint16_t cs = 0;
  std::uint32_t eip = 0;
  unsigned width = 4;  // of the pushes
  bool masks = false;  // an interrupt gate: clears IF
};

std::uint32_t pushed_flags(const Cpu& cpu, const Event& event) {
  const std::uint32_t flags = cpu.state.eflags();
  return event.resume ? flags | eflags::kRf : flags;
}

bool fail(Cpu& cpu, std::uint8_t vec, std::uint32_t error) {
  cpu.raise(vec, error);
  return false;
}

void enter(Cpu& cpu, const SegmentRegister& cs, const Handler& handler) {
  std::uint32_t flags = cpu.state.eflags() & ~kClearedOnEntry;
  if (handler.masks) flags &= ~eflags::kIf;
  cpu.state.set_eflags(flags);
  cpu.state.set_segment(Seg::cs, cs);
  cpu.state.eip = handler.eip;
}

// The real-mode vector table: four bytes a vector.
bool real_mode(Cpu& cpu, const Event& event) {
  CpuState& s = cpu.state;
  const std::uint32_t offset = event.vector * 4U;
  if (offset + 3 > s.idtr.limit) return fail(cpu, vector::kGp, 0);
  const auto entry = cpu.read_linear<std::uint32_t>(s.idtr.base + offset, false);
  if (!entry) return false;
  FrameWriter frame(s.segment(Seg::ss), s.gpr[kEsp], 0, 0);
  frame.push(pushed_flags(cpu, event) & 0xFFFFU, 2);
  frame.push(s.segment(Seg::cs).selector, 2);
  frame.push(event.return_eip & 0xFFFFU, 2);
  if (!frame.check(cpu)) return false;
  frame.write(cpu);
  s.gpr[kEsp] = frame.esp();
  s.set_eflags(s.eflags() & ~(eflags::kIf | eflags::kTf | eflags::kAc | eflags::kRf));
  load_cs_real_or_v86(cpu, static_cast<std::uint16_t>(*entry >> 16));
  s.eip = *entry & 0xFFFFU;
  return true;
}

bool through_task_gate(Cpu& cpu, const Event& event, const Descriptor& gate, std::uint32_t ext) {
  if (cpu.mmu.frozen()) return false;
  const std::uint16_t sel = gate.gate_selector();
  if (selector::is_null(sel) || selector::in_ldt(sel)) return fail(cpu, vector::kGp, selector::error(sel, ext));
  Descriptor tss;
  if (!fetch_descriptor_or_raise(cpu, sel, tss, vector::kGp, ext)) return false;
  if (!tss.tss_available()) return fail(cpu, vector::kGp, selector::error(sel, ext));
  if (!tss.present()) return fail(cpu, vector::kNp, selector::error(sel, ext));
  TaskSwitch request;
  request.cause = TaskSwitch::Cause::interrupt;
  request.selector = sel;
  request.descriptor = tss;
  request.saved_eip = event.return_eip;
  request.saved_flags = pushed_flags(cpu, event);
  request.ext = ext;
  request.has_error = event.has_error;
  request.error = event.error;
  return switch_task(cpu, request);
}

// The handler runs at a more privileged level: its stack comes from the TSS.
bool to_inner_ring(Cpu& cpu, const Event& event, const Handler& handler, Descriptor& code, std::uint32_t ext) {
  CpuState& s = cpu.state;
  const unsigned cpl = code.dpl();
  const bool from_v86 = s.v86();
  InnerStack inner;
  if (!fetch_inner_stack(cpu, cpl, ext, inner)) return false;
  FrameWriter frame(inner.ss, inner.esp, cpl, selector::error(inner.ss.selector, ext));
  if (from_v86) {
    for (const Seg seg : {Seg::gs, Seg::fs, Seg::ds, Seg::es}) frame.push(s.segment(seg).selector, handler.width);
  }
  frame.push(s.segment(Seg::ss).selector, handler.width);
  frame.push(s.gpr[kEsp], handler.width);
  frame.push(pushed_flags(cpu, event), handler.width);
  frame.push(s.segment(Seg::cs).selector, handler.width);
  frame.push(event.return_eip, handler.width);
  if (event.has_error) frame.push(event.error, handler.width);
  if (!frame.check(cpu)) return false;
  SegmentRegister cs;
  if (!finish_code_segment(cpu, handler.cs, code, cpl, handler.eip, ext, cs)) return false;
  frame.write(cpu);
  if (from_v86) {
    for (const Seg seg : {Seg::gs, Seg::fs, Seg::ds, Seg::es}) s.set_segment(seg, null_register(0));
  }
  enter(cpu, cs, handler);
  s.set_segment(Seg::ss, inner.ss);
  s.gpr[kEsp] = frame.esp();
  return true;
}

bool to_same_ring(Cpu& cpu, const Event& event, const Handler& handler, Descriptor& code, std::uint32_t ext) {
  CpuState& s = cpu.state;
  const unsigned cpl = s.cpl();
  FrameWriter frame(s.segment(Seg::ss), s.gpr[kEsp], cpl, ext);
  frame.push(pushed_flags(cpu, event), handler.width);
  frame.push(s.segment(Seg::cs).selector, handler.width);
  frame.push(event.return_eip, handler.width);
  if (event.has_error) frame.push(event.error, handler.width);
  if (!frame.check(cpu)) return false;
  SegmentRegister cs;
  if (!finish_code_segment(cpu, handler.cs, code, cpl, handler.eip, ext, cs)) return false;
  frame.write(cpu);
  s.gpr[kEsp] = frame.esp();
  enter(cpu, cs, handler);
  return true;
}

bool protected_mode(Cpu& cpu, const Event& event) {
  CpuState& s = cpu.state;
  const std::uint32_t ext = event.source == EventSource::software ? 0 : 1;
  const std::uint32_t offset = event.vector * 8U;
  const std::uint32_t idt_error = offset | kIdtBit | ext;
  if (offset + 7 > s.idtr.limit) return fail(cpu, vector::kGp, idt_error);
  const auto entry = cpu.read_linear<std::uint64_t>(s.idtr.base + offset, false);
  if (!entry) return false;
  const Descriptor gate{static_cast<std::uint32_t>(*entry), static_cast<std::uint32_t>(*entry >> 32), 0};
  const bool is_task = gate.is(SystemType::task_gate);
  const bool is_interrupt = gate.is(SystemType::interrupt_gate16) || gate.is(SystemType::interrupt_gate32);
  const bool is_trap = gate.is(SystemType::trap_gate16) || gate.is(SystemType::trap_gate32);
  if (!is_task && !is_interrupt && !is_trap) return fail(cpu, vector::kGp, idt_error);
  if (event.source == EventSource::software && gate.dpl() < s.cpl()) return fail(cpu, vector::kGp, idt_error);
  if (!gate.present()) return fail(cpu, vector::kNp, idt_error);
  if (is_task) return through_task_gate(cpu, event, gate, ext);

  Handler handler;
  handler.cs = gate.gate_selector();
  handler.eip = gate.gate_offset();
  handler.width = (gate.type() & 8U) != 0 ? 4 : 2;
  handler.masks = is_interrupt;
  Descriptor code;
  if (!fetch_code_segment(cpu, handler.cs, ext, code)) return false;
  const std::uint32_t code_error = selector::error(handler.cs, ext);
  if (code.dpl() > s.cpl()) return fail(cpu, vector::kGp, code_error);
  if (!code.present()) return fail(cpu, vector::kNp, code_error);
  const bool inner = !code.conforming() && code.dpl() < s.cpl();
  // Virtual-8086 mode is left for ring 0 only, and never through a conforming segment.
  if (s.v86() && (!inner || code.dpl() != 0)) return fail(cpu, vector::kGp, code_error);
  return inner ? to_inner_ring(cpu, event, handler, code, ext) : to_same_ring(cpu, event, handler, code, ext);
}

}  // namespace

bool enter_handler(Cpu& cpu, const Event& event) {
  return cpu.state.protected_mode() ? protected_mode(cpu, event) : real_mode(cpu, event);
}

Flow software_interrupt(Cpu& cpu, const Event& event) {
  const bool stepping = (cpu.state.system_flags & eflags::kTf) != 0;
  if (!enter_handler(cpu, event)) return Flow::fault;
  // Entry has cleared TF: single stepping passes over the whole handler (SDM vol. 3, 17.3.1.4).
  if (stepping) cpu.no_debug_trap = true;
  return Flow::jump;
}

}  // namespace ringshift
