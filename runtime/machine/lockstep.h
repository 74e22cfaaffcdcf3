// Two machines side by side, one translated and one interpreted, compared after every step.
#pragma once

#include <cstdint>
#include <functional>
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
//
// `between_steps` is called before each step: the place to give both machines the same input. False stops the run.
LockstepEnd run_lockstep(Machine& translated, Machine& interpreted, std::function<bool()> between_steps = {});

}  // namespace ringshift::machine
