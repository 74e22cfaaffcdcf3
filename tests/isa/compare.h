// What differs between two outcomes of a case, where they must agree.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "tests/isa/case.h"
#include "translator/isa/op.h"

namespace ringshift::test {

// Results that differ but need not agree, by operation and what of it: "flags", "registers", ...
using Ignored = std::map<std::pair<isa::Op, std::string_view>, std::uint64_t>;

// Empty if they agree. `expected` is the host's. What differs and is left open is counted in `ignored`, if there is
// one.
[[nodiscard]] std::string difference(const Case& c, const Outcome& expected, const Outcome& actual,
                                     Ignored* ignored = nullptr);

// The same of a sequence of instructions, in code that it may write.
[[nodiscard]] std::string sequence_difference(const Case& c, const Outcome& expected, const Outcome& actual);

// Registers and memory before the case, as text.
[[nodiscard]] std::string describe_state(const Case& c);

// The case as text: bytes, disassembly, registers and memory.
[[nodiscard]] std::string describe(const Case& c);

}  // namespace ringshift::test
