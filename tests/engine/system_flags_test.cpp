// PUSHF, POPF, CLI, STI, HLT: what each ring may change.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

constexpr std::uint8_t kPopf = 0x9D, kPushf = 0x9C, kCli = 0xFA, kSti = 0xFB, kHlt = 0xF4;

struct PopfRow {
  unsigned cpl;
  std::uint32_t before, popped, after;
};

class Popfd : public testing::TestWithParam<PopfRow> {};

// Bits that the ring may not change are ignored, not faulted (SDM vol. 2, POPF).
TEST_P(Popfd, FiltersByCplAndIopl) {
  SystemLab lab(GetParam().cpl);
  lab.state().set_eflags(GetParam().before);
  lab.push32(GetParam().popped);
  const std::uint32_t esp = lab.esp();
  ASSERT_EQ(lab.execute({kPopf}), Flow::next);
  EXPECT_EQ(lab.state().eflags(), GetParam().after);
  EXPECT_EQ(lab.esp(), esp + 4);
}

INSTANTIATE_TEST_SUITE_P(Rings, Popfd,
                         testing::Values(PopfRow{0, 0x0002, 0x3202, 0x3202},   // ring 0: IF and IOPL load
                                         PopfRow{1, 0x1002, 0x3202, 0x1202},   // CPL <= IOPL: IF loads, IOPL kept
                                         PopfRow{2, 0x2002, 0x0202, 0x2202},   // the same in ring 2
                                         PopfRow{2, 0x1202, 0x3002, 0x1202},   // CPL > IOPL: both kept
                                         PopfRow{3, 0x0202, 0x3002, 0x0202},   // ring 3 without IOPL
                                         PopfRow{3, 0x3202, 0x0002, 0x3002},   // ring 3 with IOPL 3: IF may be cleared
                                         PopfRow{0, 0x0002, 0x30000, 0x0002},  // VM and RF cannot be popped
                                         PopfRow{0, 0x10002, 0x0002, 0x0002},  // RF is cleared
                                         PopfRow{3, 0x0002, 0x244DD5, 0x244DD7},    // arithmetic, DF, NT, TF, AC, ID
                                         PopfRow{0, 0x0002, 0xFFD80000, 0x0002}));  // VIF, VIP, reserved: read as 0

TEST(Popf, SixteenBitOperandKeepsTheUpperHalf) {
  SystemLab lab;
  lab.state().set_eflags(eflags::kFixed | eflags::kAc | eflags::kId);
  lab.push16(0x0ED5);
  ASSERT_EQ(lab.execute({0x66, kPopf}), Flow::next);
  EXPECT_EQ(lab.state().eflags(), 0x240000u | 0x0ED7u);
}

TEST(Popf, FaultsInV86WithoutIopl3) {
  for (unsigned iopl = 0; iopl < 3; ++iopl) {
    SystemLab lab;
    lab.enter_v86(iopl);
    lab.expect_fault({kPopf}, vector::kGp, 0);
    lab.expect_fault({kPushf}, vector::kGp, 0);
  }
}

TEST(Popf, ChangesIfButNotIoplInV86WithIopl3) {
  SystemLab lab;
  lab.enter_v86(3);
  lab.push16(0x0202);
  ASSERT_EQ(lab.execute({kPopf}), Flow::next);
  EXPECT_EQ(lab.state().eflags(), eflags::kVm | 0x3202u);
}

TEST(Popf, PageFaultLeavesEverything) {
  SystemLab lab;
  lab.identity_paging();
  lab.set_page(GuestLab::kKernelStackTop - 4096, 0);
  lab.push32(0);
  lab.expect_fault({kPopf}, vector::kPf, 0);
}

TEST(Pushf, HidesVmAndRf) {
  SystemLab lab;
  lab.state().set_eflags(0x10202);
  ASSERT_EQ(lab.execute({kPushf}), Flow::next);
  EXPECT_EQ(lab.stack(0), 0x202u);
}

TEST(Cli, NeedsIoplInProtectedMode) {
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    for (unsigned iopl = 0; iopl < 4; ++iopl) {
      SystemLab lab(cpl);
      lab.state().set_eflags(eflags::kFixed | eflags::kIf | (iopl << eflags::kIoplShift));
      if (cpl > iopl) {
        lab.expect_fault({kCli}, vector::kGp, 0);
        lab.expect_fault({kSti}, vector::kGp, 0);
      } else {
        EXPECT_EQ(lab.execute({kCli}), Flow::next);
        EXPECT_EQ(lab.state().interrupt_flag, 0);
      }
    }
  }
}

TEST(Sti, HoldsInterruptsForOneInstructionOnlyIfTheyWereOff) {
  SystemLab lab;
  ASSERT_EQ(lab.execute({kSti}), Flow::next);
  EXPECT_EQ(lab.state().interrupt_flag, 1);
  EXPECT_EQ(lab.state().interrupt_shadow, 1);
  lab.state().interrupt_shadow = 0;
  ASSERT_EQ(lab.execute({kSti}), Flow::next);
  EXPECT_EQ(lab.state().interrupt_shadow, 0);
}

TEST(Hlt, IsForRing0) {
  SystemLab ring0;
  EXPECT_EQ(ring0.execute({kHlt}), Flow::halt);
  EXPECT_EQ(ring0.state().halted, 1);
  SystemLab ring3(3);
  ring3.expect_fault({kHlt}, vector::kGp, 0);
}

}  // namespace
}  // namespace ringshift::test
