// Finds the few instructions of a failing program that make it fail.
#pragma once

#include <functional>

#include "tests/isa/program.h"

namespace ringshift::test {

// Leaves out instructions, and sets registers to zero, as long as `fails` stays true; it is true of `program`. What is
// left fails, and leaving out any one instruction more would make it pass.
[[nodiscard]] Program shrink(Program program, const std::function<bool(const Program&)>& fails);

}  // namespace ringshift::test
