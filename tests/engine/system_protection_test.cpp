// LAR, LSL, VERR, VERW, ARPL, and the table registers.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

struct ViewRow {
  const char* what;
  unsigned cpl, rpl;
  std::uint16_t attributes;
  bool lar, lsl, verr, verw;
};

class Visibility : public testing::TestWithParam<ViewRow> {};

bool zf(SystemLab& lab) { return (lab.state().native_flags & eflags::kZf) != 0; }

TEST_P(Visibility, AnswersThroughZf) {
  const ViewRow& row = GetParam();
  SystemLab lab(row.cpl);
  const std::uint16_t sel = SystemLab::free_selector(0, row.rpl);
  lab.set_descriptor(sel, 0, 0xFEDCB, row.attributes);
  lab.state().gpr[kEax] = sel;

  lab.state().gpr[kEcx] = 0x55AA55AA;
  ASSERT_EQ(lab.execute({0x0F, 0x02, 0xC8}), Flow::next);  // lar ecx, eax
  EXPECT_EQ(zf(lab), row.lar) << row.what;
  const std::uint32_t rights = (row.attributes & 0xF0FFu) << 8 | 0xF0000u;
  EXPECT_EQ(lab.state().gpr[kEcx], row.lar ? rights : 0x55AA55AAu) << row.what;

  lab.state().gpr[kEcx] = 0x55AA55AA;
  ASSERT_EQ(lab.execute({0x0F, 0x03, 0xC8}), Flow::next);  // lsl ecx, eax
  EXPECT_EQ(zf(lab), row.lsl) << row.what;
  const std::uint32_t limit = (row.attributes & attr::kGran) != 0 ? 0xFEDCBFFFu : 0xFEDCBu;
  EXPECT_EQ(lab.state().gpr[kEcx], row.lsl ? limit : 0x55AA55AAu) << row.what;

  ASSERT_EQ(lab.execute({0x0F, 0x00, 0xE0}), Flow::next);  // verr ax
  EXPECT_EQ(zf(lab), row.verr) << row.what;
  ASSERT_EQ(lab.execute({0x0F, 0x00, 0xE8}), Flow::next);  // verw ax
  EXPECT_EQ(zf(lab), row.verw) << row.what;
}

using attr::dpl;
INSTANTIATE_TEST_SUITE_P(
    Table, Visibility,
    testing::Values(ViewRow{"data", 0, 0, attr::kData, true, true, true, true},
                    ViewRow{"granular data", 0, 0, attr::kData | attr::kGran, true, true, true, true},
                    ViewRow{"read-only data", 0, 0, attr::kReadOnly, true, true, true, false},
                    ViewRow{"code", 0, 0, attr::kCode, true, true, true, false},
                    ViewRow{"execute-only code", 0, 0, attr::kExecuteOnly, true, true, false, false},
                    ViewRow{"inner data", 3, 0, attr::kData, false, false, false, false},
                    ViewRow{"RPL hides", 0, 3, attr::kData, false, false, false, false},
                    ViewRow{"conforming code", 3, 3, attr::kConforming, true, true, true, false},
                    ViewRow{"absent data", 3, 3, attr::kS | 0x2 | dpl(3), true, true, true, true},
                    ViewRow{"TSS", 0, 0, attr::kTss32, true, true, false, false},
                    ViewRow{"LDT", 0, 0, attr::kLdt, true, true, false, false},
                    ViewRow{"call gate has no limit", 0, 0, attr::kP | 0xC, true, false, false, false},
                    ViewRow{"task gate has no limit", 0, 0, attr::kP | 0x5, true, false, false, false},
                    ViewRow{"interrupt gate", 0, 0, attr::kP | 0xE, false, false, false, false},
                    ViewRow{"reserved type", 0, 0, attr::kP | 0x8, false, false, false, false}));

TEST(Visibility, NullAndFarSelectorsAreInvisible) {
  SystemLab lab;
  for (const int raw : {0, 3, 0x200, 0x0C}) {
    const auto sel = static_cast<std::uint16_t>(raw);
    lab.state().gpr[kEax] = sel;
    lab.state().native_flags = eflags::kZf;
    ASSERT_EQ(lab.execute({0x0F, 0x02, 0xC8}), Flow::next);
    EXPECT_FALSE(zf(lab)) << sel;
  }
}

TEST(Visibility, OutsideProtectedModeTheInstructionsDoNotExist) {
  SystemLab real;
  real.real_mode(0x2000, 0);
  SystemLab v86;
  v86.enter_v86(3);
  for (SystemLab* lab : {&real, &v86}) {
    lab->expect_ud({0x0F, 0x02, 0xC8});  // lar
    lab->expect_ud({0x0F, 0x03, 0xC8});  // lsl
    lab->expect_ud({0x0F, 0x00, 0xE0});  // verr
    lab->expect_ud({0x0F, 0x00, 0xE8});  // verw
    lab->expect_ud({0x63, 0xC8});        // arpl
    lab->expect_ud({0x0F, 0x00, 0xC0});  // sldt
    lab->expect_ud({0x0F, 0x00, 0xC8});  // str
    lab->expect_ud({0x0F, 0x00, 0xD0});  // lldt
    lab->expect_ud({0x0F, 0x00, 0xD8});  // ltr
  }
}

TEST(Arpl, RaisesTheRplAndTellsSo) {
  SystemLab lab;
  lab.state().gpr[kEax] = 0x12340040;
  lab.state().gpr[kEcx] = 3;
  ASSERT_EQ(lab.execute({0x63, 0xC8}), Flow::next);  // arpl ax, cx
  EXPECT_EQ(lab.state().gpr[kEax], 0x12340043u);
  EXPECT_TRUE(zf(lab));
  lab.state().gpr[kEcx] = 2;
  ASSERT_EQ(lab.execute({0x63, 0xC8}), Flow::next);
  EXPECT_EQ(lab.state().gpr[kEax], 0x12340043u);
  EXPECT_FALSE(zf(lab));
}

TEST(TableRegisters, LgdtWith16BitOperandTakes24BitsOfBase) {
  SystemLab lab;
  lab.poke<std::uint16_t>(GuestLab::kData, 0x1FF);
  lab.poke<std::uint32_t>(GuestLab::kData + 2, 0x89ABCDEF);
  lab.state().gpr[kEbx] = GuestLab::kData;
  ASSERT_EQ(lab.execute({0x66, 0x0F, 0x01, 0x13}), Flow::next);
  EXPECT_EQ(lab.state().gdtr, (TableRegister{0x00ABCDEF, 0x1FF}));
  ASSERT_EQ(lab.execute({0x0F, 0x01, 0x1B}), Flow::next);  // lidt
  EXPECT_EQ(lab.state().idtr, (TableRegister{0x89ABCDEF, 0x1FF}));
}

TEST(TableRegisters, AreStoredInAnyRingButLoadedInRing0) {
  SystemLab lab(3);
  lab.state().gpr[kEbx] = GuestLab::kData;
  ASSERT_EQ(lab.execute({0x0F, 0x01, 0x03}), Flow::next);  // sgdt
  EXPECT_EQ(lab.peek<std::uint16_t>(GuestLab::kData), GuestLab::kGdtEntries * 8 - 1);
  EXPECT_EQ(lab.peek<std::uint32_t>(GuestLab::kData + 2), GuestLab::kGdt);
  ASSERT_EQ(lab.execute({0x0F, 0x00, 0xC8}), Flow::next);  // str eax
  EXPECT_EQ(lab.state().gpr[kEax], GuestLab::kTssSelector);
  lab.expect_fault({0x0F, 0x01, 0x13}, vector::kGp, 0);  // lgdt
  lab.expect_fault({0x0F, 0x01, 0x1B}, vector::kGp, 0);  // lidt
  lab.expect_fault({0x0F, 0x00, 0xD0}, vector::kGp, 0);  // lldt
  lab.expect_fault({0x0F, 0x00, 0xD8}, vector::kGp, 0);  // ltr
}

TEST(TaskRegister, LoadMarksTheTssBusyAndRefusesABusyOne) {
  SystemLab lab;
  lab.set_descriptor(0x40, SystemLab::kSecondTss, 0x67, attr::kTss32);
  lab.state().gpr[kEax] = 0x40;
  ASSERT_EQ(lab.execute({0x0F, 0x00, 0xD8}), Flow::next);
  EXPECT_EQ(lab.state().tr, (SegmentRegister{0x40, attr::kTss32Busy, SystemLab::kSecondTss, 0x67}));
  EXPECT_EQ(lab.peek<std::uint8_t>(GuestLab::kGdt + 0x45), attr::kTss32Busy);
  lab.expect_fault({0x0F, 0x00, 0xD8}, vector::kGp, 0x40);
  lab.state().gpr[kEax] = 0;
  lab.expect_fault({0x0F, 0x00, 0xD8}, vector::kGp, 0);
  lab.set_descriptor(0x40, 0, 0x67, 0x9);  // absent
  lab.state().gpr[kEax] = 0x40;
  lab.expect_fault({0x0F, 0x00, 0xD8}, vector::kNp, 0x40);
}

TEST(LocalTable, LldtChecksItsDescriptor) {
  SystemLab lab;
  lab.state().gpr[kEax] = GuestLab::kData0;
  lab.expect_fault({0x0F, 0x00, 0xD0}, vector::kGp, GuestLab::kData0);
  lab.set_descriptor(0x40, SystemLab::kLdtBase, 0xFF, attr::kLdt);
  lab.state().gpr[kEax] = 0x40;
  ASSERT_EQ(lab.execute({0x0F, 0x00, 0xD0}), Flow::next);
  EXPECT_EQ(lab.state().ldtr.base, SystemLab::kLdtBase);
  lab.state().gpr[kEax] = 0x44;
  lab.expect_fault({0x0F, 0x00, 0xD0}, vector::kGp, 0x44);
  lab.state().gpr[kEax] = 0;
  ASSERT_EQ(lab.execute({0x0F, 0x00, 0xD0}), Flow::next);
  EXPECT_FALSE(lab.state().ldtr.usable());
}

}  // namespace
}  // namespace ringshift::test
