// `ringshift run`: builds the machine that the options describe and runs it.
#pragma once

#include "cli/run_options.h"

namespace ringshift::cli {

// Returns the process's exit status.
[[nodiscard]] int run(const RunOptions& options);

}  // namespace ringshift::cli
