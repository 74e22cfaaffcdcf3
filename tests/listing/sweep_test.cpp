// Properties of the translation of everything that can be decoded, and of much that cannot.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "tests/listing/corpus.h"

namespace ringshift::testing {
namespace {

void expect_sound(const Source& source) {
  const std::string fault = find_fault(translate(source), source);
  if (fault.empty()) return;
  ADD_FAILURE() << fmt::format("{:02X} mode {}: {}", fmt::join(source.bytes, ""), source.mode.packed(), fault);
}

TEST(Sweep, OneByteOpcodes) { visit_one_byte_opcodes(expect_sound); }
TEST(Sweep, TwoByteOpcodes) { visit_two_byte_opcodes(expect_sound); }
TEST(Sweep, ThreeByteOpcodes) { visit_three_byte_opcodes(expect_sound); }
TEST(Sweep, RandomBytesInRandomModes) { visit_random_bytes(20260101, 200'000, expect_sound); }

}  // namespace
}  // namespace ringshift::testing
