// Whether the CPU must leave guest code for its dispatcher.
#pragma once

#include "runtime/semantics/events.h"
#include "runtime/state/cpu_state.h"

namespace ringshift {

// True if the dispatcher is asked for at the next instruction boundary: a stop was requested, or an interrupt
// waits that may be taken now.
[[nodiscard]] inline bool dispatcher_needed(const CpuState& state) {
  const std::uint8_t pending = state.pending;
  if (pending == 0) [[likely]]
    return false;
  return (pending & kStopRequest) != 0 || interruptible(state);
}

}  // namespace ringshift
