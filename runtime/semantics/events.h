// Delivery of exceptions and interrupts through the IDT, and what else happens between instructions
// (SDM vol. 3, chapter 6). Interpreter and translator share these functions.
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"

namespace ringshift {

// Delivers an exception raised by an instruction: gate, stack switch, pushes, error code; a fault on
// the way becomes #DF (SDM table 6-5). Loads CR2 for a page fault. False: triple fault, shutdown.
[[nodiscard]] bool deliver_fault(Cpu& cpu, const GuestFault& fault);

// Delivers an external interrupt. The caller has checked IF and the interrupt shadow. Clears `halted`.
[[nodiscard]] bool deliver_interrupt(Cpu& cpu, std::uint8_t vec);

// Delivers an NMI, which is not asked whether it is welcome: neither blocked nor in an interrupt shadow.
[[nodiscard]] bool deliver_nmi(Cpu& cpu);

// True if an external interrupt may be taken now (IF, no shadow).
[[nodiscard]] inline bool interruptible(const CpuState& state) {
  return state.interrupt_flag != 0 && state.interrupt_shadow == 0;
}

// After a completed instruction: raises the #DB of single-stepping, if the instruction began with EFLAGS.TF set
// (`stepped`), and of the data breakpoints that it met. True if one must be delivered (it is in cpu.fault).
[[nodiscard]] bool debug_trap(Cpu& cpu, bool stepped);

// DR7 enables some breakpoint: instructions must run one at a time, checked.
[[nodiscard]] inline bool breakpoints_armed(const CpuState& state) { return (state.dr[7] & 0xFFU) != 0; }
// An instruction breakpoint at the current eip (RF clear): raises #DB as a fault.
[[nodiscard]] bool instruction_breakpoint(Cpu& cpu);

// Called by every writer of CR0, CR4, EFER or CR3: hands the paging state to the Mmu and tells the
// platform that translated code may need other fragments.
void update_paging(Cpu& cpu);

}  // namespace ringshift
