// Port input and output as instructions see it.
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"

namespace ringshift {

// Whether the current code may access `size` bytes of ports from `port`: CPL <= IOPL, or the I/O permission
// bitmap of the TSS (SDM vol. 1, 19.5). If not, a fault is in cpu.fault: #GP(0), or what reading the TSS
// raised.
[[nodiscard]] bool io_permitted(Cpu& cpu, std::uint16_t port, unsigned size);

}  // namespace ringshift
