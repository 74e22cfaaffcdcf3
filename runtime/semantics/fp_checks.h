// What must hold before an x87, MMX or SSE instruction may begin (SDM vol. 3, 2.5, 12.1 and 13.1).
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"
#include "translator/isa/insn.h"

namespace ringshift::fp {

// The register file an instruction belongs to, which decides its faults.
enum class Unit : std::uint8_t {
  x87,
  mmx,      // general MMX registers only: no OSFXSR check, but pending x87 exceptions are raised
  sse,      // XMM registers or MXCSR
  sse_mmx,  // both (cvtpi2ps, movq2dq ...): all checks
  none,     // neither state: movnti
};

struct Traits {
  Unit unit = Unit::none;
  bool waits = false;               // raises a pending x87 exception first
  CpuModel first = CpuModel::i486;  // the oldest model of ours that has it
};

[[nodiscard]] Traits traits(const isa::Insn& insn);

// The checks of `t` in the order of silicon; Flow::next if the instruction may run.
[[nodiscard]] Flow check(Cpu& cpu, const Traits& t);

// The pending x87 exception, delivered as #MF. With CR0.NE = 0 silicon raises FERR# and the PC's IRQ 13
// instead: not wired, so that is reported, once, and #MF is raised too.
[[nodiscard]] Flow raise_x87(Cpu& cpu);

}  // namespace ringshift::fp
