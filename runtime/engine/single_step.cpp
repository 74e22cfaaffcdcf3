#include "runtime/engine/single_step.h"

#include "runtime/semantics/events.h"

namespace ringshift::engine {

RunOutcome single_step(Cpu& cpu, Interpreter& interpreter) {
  CpuState& state = cpu.state;
  for (;;) {
    __atomic_fetch_and(&state.pending, static_cast<std::uint8_t>(~kStopRequest), __ATOMIC_SEQ_CST);
    if (state.pending != 0 && interruptible(state) && cpu.platform.interrupt_pending()) {
      const bool delivered = deliver_interrupt(cpu, cpu.platform.interrupt_acknowledge());
      return {delivered ? StopReason::budget : StopReason::shutdown, 0};
    }
    if (state.halted != 0) return {StopReason::halted, 0};
    const RunResult result = interpreter.run(1);
    switch (result.stop) {
      case Stop::pending:
        continue;  // somebody wants something that can wait
      case Stop::shutdown:
        return {StopReason::shutdown, result.retired};
      case Stop::budget:
      case Stop::halted:
        return {StopReason::budget, result.retired};
    }
  }
}

}  // namespace ringshift::engine
