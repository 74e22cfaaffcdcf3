// The hardware task switch (SDM vol. 3, 7.3).
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"
#include "runtime/semantics/descriptor.h"

namespace ringshift {

struct TaskSwitch {
  enum class Cause : std::uint8_t {
    jump,
    call,
    interrupt,
    iret
  };
  Cause cause = Cause::jump;
  std::uint16_t selector = 0;   // of the new TSS
  Descriptor descriptor;        // its descriptor; privilege, type and presence are already checked
  std::uint32_t saved_eip = 0;  // where the old task resumes
  std::uint32_t saved_flags = 0;
  std::uint32_t ext = 0;   // 1: error codes carry EXT
  bool has_error = false;  // interrupt: pushed on the new task's stack
  std::uint32_t error = 0;
};

// False: in Cpu::fault. Faults before the switch commits leave the old task as it was; later ones belong
// to the new task, whose state is then the current one. A T bit in the new TSS also comes back as
// false, with a #DB trap.
[[nodiscard]] bool switch_task(Cpu& cpu, const TaskSwitch& request);

// JMP and CALL to a TSS or task gate `descriptor` that `sel` selects; checks privilege.
Flow transfer_to_task(Cpu& cpu, std::uint16_t sel, const Descriptor& descriptor, TaskSwitch::Cause cause,
                      std::uint32_t next_eip);
// IRET with NT set.
Flow return_to_previous_task(Cpu& cpu, std::uint32_t next_eip);

}  // namespace ringshift
