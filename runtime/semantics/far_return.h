// The part of a return from a far call or an interrupt that RET and IRET share.
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"
#include "runtime/semantics/far_stack.h"

namespace ringshift {

// Where a protected-mode return goes, with everything checked and nothing changed.
struct ReturnTarget {
  SegmentRegister cs;
  std::uint32_t eip = 0;
  bool outer = false;  // to a less privileged ring: the stack changes, too
  SegmentRegister ss;  // outer only
  std::uint32_t esp = 0;
};

// Checks CS:EIP as popped and, for an outer ring, pops and checks SS:ESP through `frame`, whose
// position is behind what the return itself releases. False: in Cpu::fault.
[[nodiscard]] bool check_return(Cpu& cpu, std::uint16_t cs, std::uint32_t eip, unsigned width, FrameReader& frame,
                                ReturnTarget& target);

// Loads what check_return() found; for the same ring esp is `frame`'s. Then releases `parameters` bytes
// of the outer stack.
void commit_return(Cpu& cpu, const ReturnTarget& target, const FrameReader& frame, std::uint32_t parameters);

}  // namespace ringshift
