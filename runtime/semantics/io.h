// Who may touch an I/O port (SDM vol. 1, 19.5).
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"

namespace ringshift {

// True if the current program may access `size` bytes of ports from `port`: by IOPL, or by the I/O
// permission bitmap of the TSS. False: #GP(0) or a page fault, in Cpu::fault.
[[nodiscard]] bool io_permitted(Cpu& cpu, std::uint16_t port, unsigned size);

// After a completed port access: true if an I/O breakpoint matches (CR4.DE). DR6 is updated and
// cpu.fault holds a #DB trap, to be delivered with eip behind the instruction.
[[nodiscard]] bool io_breakpoint(Cpu& cpu, std::uint16_t port, unsigned size);

}  // namespace ringshift
