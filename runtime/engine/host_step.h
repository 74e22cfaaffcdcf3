// Host code that was interrupted between two instructions of the guest: what it does next. Usable on a signal stack.
#pragma once

#include <ucontext.h>

#include <cstdint>

namespace ringshift::engine {

struct HostInsn {
  std::uint8_t length = 0;  // 0: not decodable
  bool branch = false;
};
[[nodiscard]] HostInsn decode_host(std::uint64_t rip);

// Carries out the branch at the registers' rip: direct jumps and calls, those through a register, conditions, JRCXZ and
// RET. False: it is another one, and nothing has changed.
[[nodiscard]] bool take_branch(gregset_t& regs);

}  // namespace ringshift::engine
