// What differs between two outcomes of a case, where they must agree.
#pragma once

#include <string>

#include "tests/isa/case.h"
#include "translator/isa/insn.h"

namespace ringshift::test {

// Empty if they agree. `expected` is the host's.
[[nodiscard]] std::string difference(const Case& c, const Outcome& expected, const Outcome& actual);

// The case as text: bytes, disassembly, registers and memory.
[[nodiscard]] std::string describe(const Case& c);

// The flags that an instruction leaves undefined.
[[nodiscard]] std::uint32_t undefined_flags(const isa::Insn& insn, const Registers& before);

}  // namespace ringshift::test
