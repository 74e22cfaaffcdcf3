// Random programs for segments that are not flat: what compilers and firmware of 16-bit systems write, and odd uses of
// it. A program may go astray; the engines must do so in the same way.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace ringshift::test {

struct Code16Shape {
  bool code32 = false;      // 32-bit code, in segments with a base
  bool paragraphs = false;  // real or V86 mode: selectors are bases
  std::uint16_t code = 0;   // selector of the code
  std::uint16_t alias = 0;  // another one, `alias_base` bytes above it
  std::uint32_t alias_base = 0;
  std::uint32_t begin = 0;               // offset of the program
  std::vector<std::uint16_t> selectors;  // worth to be loaded
  unsigned length = 30;                  // units
};

[[nodiscard]] std::vector<std::uint8_t> code16_program(const Code16Shape& shape, std::mt19937& random);

}  // namespace ringshift::test
