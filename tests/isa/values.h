// Numbers that instructions stumble over.
#pragma once

#include <cstdint>
#include <random>

#include "tests/isa/case.h"

namespace ringshift::test {

using Rng = std::mt19937_64;

[[nodiscard]] inline bool one_in(Rng& rng, unsigned n) { return rng() % n == 0; }
[[nodiscard]] std::uint32_t interesting(Rng& rng);
[[nodiscard]] std::uint8_t interesting_byte(Rng& rng);

// x87, MMX and SSE state: numbers of all classes, control words with all exceptions masked most of the time.
void randomise_fx(Rng& rng, FxImage& fx);
// Floating-point operands in memory.
void fill_operand(Rng& rng, std::uint8_t* to, std::size_t bytes);

}  // namespace ringshift::test
