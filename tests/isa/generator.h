// Turns a form into experiments: operands, registers, flags and memory, random and at the boundaries.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "tests/isa/case.h"
#include "tests/isa/form.h"
#include "tests/isa/values.h"

namespace ringshift::test {

struct GeneratorOptions {
  bool low_pages = true;   // 16-bit addresses can reach memory
  bool flat_only = false;  // all segments flat
};

// Random bytes of `form`, decoded: prefixes, ModRM, displacement and immediate as they come. Nothing if they are none.
[[nodiscard]] std::optional<isa::Insn> random_encoding(const Form& form, Rng& rng);
// EFLAGS as a program may have them.
[[nodiscard]] std::uint32_t random_flags(Rng& rng);

// A case of `form` in `slot`, decided by `rng` alone. Nothing if these random bits make no instruction.
[[nodiscard]] std::optional<Case> generate(const Form& form, unsigned slot, Rng& rng, const GeneratorOptions& options);

}  // namespace ringshift::test
