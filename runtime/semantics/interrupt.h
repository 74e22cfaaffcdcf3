// One event through the interrupt vector or descriptor table (SDM vol. 3, 6.10 to 6.14 and 20.3).
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"

namespace ringshift {

// Who caused an event.
enum class EventSource : std::uint8_t {
  external,   // the interrupt pin
  exception,  // an instruction's fault or trap; also INT1, which no gate's DPL guards
  software,   // INT n, INT3, INTO: the gate's DPL is checked, and errors do not carry EXT
};

struct Event {
  std::uint8_t vector = 0;
  EventSource source = EventSource::external;
  bool has_error = false;
  std::uint32_t error = 0;
  std::uint32_t return_eip = 0;
  bool resume = false;  // push EFLAGS with RF set, so that the restarted instruction meets no breakpoint
};

// Passes control to the handler. False: in Cpu::fault, with the state as before (except for a task
// gate whose new task could not be entered, or stopped at once by its T bit).
[[nodiscard]] bool enter_handler(Cpu& cpu, const Event& event);

// INT n and its like: enter_handler() with the instruction's own rules about single stepping.
Flow software_interrupt(Cpu& cpu, const Event& event);

}  // namespace ringshift
