// Two machines side by side, one translated and one interpreted, compared after every step.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/machine/machine.h"

namespace ringshift::machine {

struct LockstepEnd {
  RunEnd end;
  bool differs = false;
  std::string difference;          // several lines: what differs and where it came from
  std::uint64_t instructions = 0;  // retired by each machine
  std::uint64_t steps = 0;
};

// Both machines are fresh, with the same configuration but for the engine: virtual time, and the translator
// deterministic. Each step runs one fragment or one instruction of `translated`, and as many instructions of
// `interpreted`; then all registers are compared. Guest memory is compared regularly and at the end.
LockstepEnd run_lockstep(Machine& translated, Machine& interpreted);

}  // namespace ringshift::machine
