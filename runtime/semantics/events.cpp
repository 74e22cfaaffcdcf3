#include "runtime/semantics/events.h"

#include <utility>

#include "runtime/semantics/interrupt.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kDr6Bs = 1U << 14;
constexpr std::uint32_t kDr7Gd = 1U << 13;

// SDM table 6-4.
bool contributory(std::uint8_t vec) { return vec == vector::kDe || (vec >= vector::kTs && vec <= vector::kGp); }

// SDM table 6-5: a second exception while the first was being delivered.
bool doubles(std::uint8_t first, std::uint8_t second) {
  if (first == vector::kPf) return contributory(second) || second == vector::kPf;
  return contributory(first) && contributory(second);
}

Event exception_event(const Cpu& cpu, const GuestFault& fault) {
  Event event;
  event.vector = fault.vector;
  event.source = EventSource::exception;
  event.has_error = fault.has_error;
  event.error = fault.error;
  event.return_eip = cpu.state.eip;
  event.resume = !fault.trap && fault.vector != vector::kDb;
  return event;
}

}  // namespace

bool deliver_fault(Cpu& cpu, const GuestFault& fault) {
  GuestFault current = fault;
  cpu.state.interrupt_shadow = 0;
  for (;;) {
    if (current.vector == vector::kPf) cpu.state.cr2 = current.cr2;
    if (enter_handler(cpu, exception_event(cpu, current))) {
      if (current.vector == vector::kDb) cpu.state.dr[7] &= ~kDr7Gd;
      return true;
    }
    const GuestFault second = cpu.fault;
    if (second.vector == vector::kPf) cpu.state.cr2 = second.cr2;
    if (current.vector == vector::kDf && (contributory(second.vector) || second.vector == vector::kPf)) return false;
    if (doubles(current.vector, second.vector)) {
      current = GuestFault{vector::kDf, true, false, 0, 0};
    } else {
      current = second;
    }
  }
}

bool deliver_interrupt(Cpu& cpu, std::uint8_t vec) {
  cpu.state.halted = 0;
  cpu.state.interrupt_shadow = 0;
  Event event;
  event.vector = vec;
  event.return_eip = cpu.state.eip;
  if (enter_handler(cpu, event)) return true;
  return deliver_fault(cpu, GuestFault{cpu.fault});
}

bool deliver_nmi(Cpu& cpu) {
  cpu.nmi_blocked = true;
  return deliver_interrupt(cpu, vector::kNmi);
}

bool debug_trap(Cpu& cpu, bool stepped) {
  // What was met meanwhile is reported behind the next instruction.
  if (std::exchange(cpu.no_debug_trap, false)) return false;
  const std::uint32_t hits = std::exchange(cpu.watch_hits, 0);
  if (!stepped && hits == 0) return false;
  cpu.state.dr[6] |= hits | (stepped ? kDr6Bs : 0U);
  cpu.raise(vector::kDb);
  cpu.fault.trap = true;
  return true;
}

bool instruction_breakpoint(Cpu& cpu) {
  CpuState& s = cpu.state;
  if ((s.system_flags & eflags::kRf) != 0) return false;
  const std::uint32_t hits = breakpoint_hits(s, s.segment(Seg::cs).base + s.eip, 1, BreakpointKind::execute);
  if (hits == 0) return false;
  s.dr[6] |= hits;
  cpu.raise(vector::kDb);
  return true;
}

void update_paging(Cpu& cpu) {
  const CpuState& s = cpu.state;
  mmu::PagingState wanted;
  wanted.enabled = (s.cr0 & cr0::kPg) != 0;
  wanted.write_protect = (s.cr0 & cr0::kWp) != 0;
  wanted.pse = (s.cr4 & cr4::kPse) != 0;
  wanted.pae = (s.cr4 & cr4::kPae) != 0;
  wanted.global = (s.cr4 & cr4::kPge) != 0;
  wanted.nxe = (s.msr.efer & kEferNxe) != 0;
  wanted.pse36 = has_feature_edx(cpu.model, feature::kPse36);
  wanted.a20_masked = cpu.mmu.paging().a20_masked;
  wanted.cr3 = s.cr3;
  for (unsigned i = 0; i < 4; ++i) wanted.pdpte[i] = s.pdpte[i];
  if (!(wanted == cpu.mmu.paging())) cpu.mmu.set_paging(wanted);
  cpu.platform.mode_changed();
}

}  // namespace ringshift
