// What differs between two outcomes of a case, where they must agree.
#pragma once

#include <string>

#include "tests/isa/case.h"

namespace ringshift::test {

// Empty if they agree. `expected` is the host's.
[[nodiscard]] std::string difference(const Case& c, const Outcome& expected, const Outcome& actual);

// The same of a sequence of instructions, in code that it may write.
[[nodiscard]] std::string sequence_difference(const Case& c, const Outcome& expected, const Outcome& actual);

// Registers and memory before the case, as text.
[[nodiscard]] std::string describe_state(const Case& c);

// The case as text: bytes, disassembly, registers and memory.
[[nodiscard]] std::string describe(const Case& c);

}  // namespace ringshift::test
