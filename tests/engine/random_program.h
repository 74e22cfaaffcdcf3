// Random straight-line and branching guest programs, as bytes.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace ringshift::test {

using Bytes = std::vector<std::uint8_t>;

// One random instruction of 32-bit code. Memory operands go anywhere; branches are short and forward;
// repeated string instructions are preceded by a small load of ecx.
void append_random_instruction(std::mt19937& random, Bytes& code);

// `count` of them and a HLT.
[[nodiscard]] Bytes random_program(std::mt19937& random, unsigned count);

}  // namespace ringshift::test
