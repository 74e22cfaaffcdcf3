// `ringshift run --engine lockstep`.
#pragma once

#include "cli/host_side.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

// Runs two machines made from `config`, which have serial output, log and images, and compares them. Only the first
// is heard. Returns the process's exit status.
[[nodiscard]] int run_lockstep(machine::MachineConfig config, HostSide& host, bool stats);

}  // namespace ringshift::cli
