// Environments whose guests are shell scripts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/bench/environment.h"

namespace ringshift::test {

// `script` is the body of a loop that has read $row and $units.
std::unique_ptr<cli::BenchEnvironment> scripted(std::string name, std::string_view script);

// Answers with a time of `unit_ns` for a unit and the checksum `sum` (hexadecimal), after it has slept for the time.
std::unique_ptr<cli::BenchEnvironment> answering(std::string name, unsigned unit_ns, std::string_view sum);

}  // namespace ringshift::test
