// One step at a time, for debuggers: the same for both engines.
#pragma once

#include "runtime/engine/engine.h"
#include "runtime/semantics/interpreter.h"

namespace ringshift::engine {

// Completes one instruction, or delivers one interrupt or exception and stands at its handler. StopReason::halted: only
// an interrupt can go on from here. Takes CpuState::pending's kStopRequest back.
[[nodiscard]] RunOutcome single_step(Cpu& cpu, Interpreter& interpreter);

}  // namespace ringshift::engine
