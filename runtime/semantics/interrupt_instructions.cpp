// INT n, INT3, INT1 and INTO.
#include "runtime/semantics/far.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/interrupt.h"

namespace ringshift {

namespace {

Event event_after(const Cpu& cpu, const isa::Insn& insn, std::uint8_t vec, EventSource source) {
  Event event;
  event.vector = vec;
  event.source = source;
  event.return_eip = next_eip(cpu, insn);
  return event;
}

}  // namespace

Flow execute_int_n(Cpu& cpu, const isa::Insn& insn) {
  if (cpu.state.v86() && cpu.state.iopl() < 3) return cpu.raise(vector::kGp, 0);
  return software_interrupt(cpu, event_after(cpu, insn, static_cast<std::uint8_t>(insn.imm), EventSource::software));
}

Flow execute_int3(Cpu& cpu, const isa::Insn& insn) {
  return software_interrupt(cpu, event_after(cpu, insn, vector::kBp, EventSource::software));
}

Flow execute_int1(Cpu& cpu, const isa::Insn& insn) {
  return software_interrupt(cpu, event_after(cpu, insn, vector::kDb, EventSource::exception));
}

Flow execute_into(Cpu& cpu, const isa::Insn& insn) {
  if ((cpu.state.native_flags & eflags::kOf) == 0) return Flow::next;
  return software_interrupt(cpu, event_after(cpu, insn, vector::kOf, EventSource::software));
}

}  // namespace ringshift
