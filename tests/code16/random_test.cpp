// Random programs whose segments are not flat: every engine comes to the same registers and memory as the interpreter.
#include <gtest/gtest.h>

#include <array>

#include "testkit/test_machine.h"
#include "tests/code16/lab.h"

namespace ringshift::test {
namespace {

class Code16 : public ::testing::TestWithParam<Code16Mode> {};

TEST_P(Code16, EnginesAgree) {
  Code16Lab lab;
  constexpr std::uint32_t kPrograms = 600;
  for (std::uint32_t i = 0; i < kPrograms; ++i) ASSERT_EQ(lab.run(GetParam(), i), "");
}

TEST_P(Code16, MostOfItIsTranslated) {
  Code16Lab lab;
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(lab.run(GetParam(), 1'000'000 + i), "");
  EXPECT_GT(lab.translated(), lab.interpreted());
}

// Each turn is in a code segment of its own, at one and the same linear address: far more than the translator keeps.
TEST(Code16Segments, AreMoreThanAreKept) {
  testkit::TestMachine machine(testkit::EngineKind::linked_blocks);
  machine.real_mode();
  CpuState& s = machine.state();
  constexpr std::uint32_t kAt = testkit::TestMachine::kCode, kEip = 0xFFE0;
  constexpr std::uint16_t kTurns = 3000;
  // mov ax, cs; inc ax; push ax; call $+3; pop bx; sub bx, 7+16; push bx; dec cx; jz $+3; retf; hlt
  constexpr std::array<std::uint8_t, 17> kTurn{0x8C, 0xC8, 0x40, 0x50, 0xE8, 0x00, 0x00, 0x5B, 0x83,
                                               0xEB, 0x17, 0x53, 0x49, 0x74, 0x01, 0xCB, 0xF4};
  for (std::uint32_t i = 0; i < kTurn.size(); ++i) machine.poke<std::uint8_t>(kAt + i, kTurn[i]);
  SegmentRegister cs = s.segment(Seg::cs);
  cs.base = kAt - kEip;
  cs.selector = static_cast<std::uint16_t>(cs.base >> 4);
  s.set_segment(Seg::cs, cs);
  s.eip = kEip;
  s.gpr[kEcx] = kTurns;
  machine.run_code(kAt, static_cast<std::uint32_t>(kTurn.size()));
  EXPECT_EQ(s.gpr[kEcx], 0U);
  EXPECT_EQ(s.segment(Seg::cs).selector, cs.selector + kTurns - 1);
  EXPECT_EQ(s.eip, kEip - 16 * (kTurns - 1) + kTurn.size());
}

std::string named(const ::testing::TestParamInfo<Code16Mode>& info) { return std::string(name(info.param)); }
INSTANTIATE_TEST_SUITE_P(Modes, Code16, ::testing::ValuesIn(kCode16Modes), named);

}  // namespace
}  // namespace ringshift::test
