// Capstone's register names as numbers and widths.
#pragma once

#include <capstone/capstone.h>

#include <cstdint>

namespace ringshift::verify {

enum class RegisterClass : std::uint8_t {
  other,  // segment, control, debug, instruction pointer, AVX and so on: never acceptable
  general,
  vector,  // st, mm, xmm0 to xmm7
};

struct Register {
  RegisterClass cls = RegisterClass::other;
  std::uint8_t number = 0;
  std::uint8_t width = 0;  // bytes, of a general register
};

[[nodiscard]] Register classify(x86_reg reg);

}  // namespace ringshift::verify
