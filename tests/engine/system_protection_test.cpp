// LAR, LSL, VERR, VERW, ARPL, and the table registers.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemProtection : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemProtection, kEngines, engine_name);

using attr::dpl;

struct ViewRow {
  const char* what;
  unsigned cpl, rpl;
  std::uint16_t attributes;
  bool lar, lsl, verr, verw;
};

constexpr ViewRow kViews[] = {
    {"data", 0, 0, attr::kData, true, true, true, true},
    {"granular data", 0, 0, attr::kData | attr::kGran, true, true, true, true},
    {"expand-down data", 0, 0, attr::kExpandDown, true, true, true, true},
    {"read-only data", 0, 0, attr::kReadOnly, true, true, true, false},
    {"code", 0, 0, attr::kCode, true, true, true, false},
    {"execute-only code", 0, 0, attr::kExecuteOnly, true, true, false, false},
    {"inner data", 3, 0, attr::kData, false, false, false, false},
    {"data of ring 1 seen from ring 2", 2, 1, attr::kData | dpl(1), false, false, false, false},
    {"data of ring 2 seen from ring 1", 1, 1, attr::kData | dpl(2), true, true, true, true},
    {"RPL hides", 0, 3, attr::kData, false, false, false, false},
    {"conforming code", 3, 3, attr::kConforming, true, true, true, false},
    {"inner nonconforming code", 3, 3, attr::kCode, false, false, false, false},
    {"absent data", 3, 3, attr::kS | 0x2 | dpl(3), true, true, true, true},
    {"16-bit TSS", 0, 0, attr::kTss16, true, true, false, false},
    {"busy 16-bit TSS", 0, 0, attr::kTss16Busy, true, true, false, false},
    {"TSS", 0, 0, attr::kTss32, true, true, false, false},
    {"busy TSS", 0, 0, attr::kTss32Busy, true, true, false, false},
    {"TSS of ring 0 seen from ring 3", 3, 0, attr::kTss32, false, false, false, false},
    {"LDT", 0, 0, attr::kLdt, true, true, false, false},
    {"call gate has no limit", 0, 0, attr::kP | gate_type::kCall32, true, false, false, false},
    {"16-bit call gate", 0, 0, attr::kP | gate_type::kCall16, true, false, false, false},
    {"task gate has no limit", 0, 0, attr::kP | gate_type::kTask, true, false, false, false},
    {"interrupt gate", 0, 0, attr::kP | gate_type::kInterrupt32, false, false, false, false},
    {"trap gate", 0, 0, attr::kP | gate_type::kTrap32, false, false, false, false},
    {"16-bit interrupt gate", 0, 0, attr::kP | gate_type::kInterrupt16, false, false, false, false},
    {"reserved type 0", 0, 0, attr::kP | 0x0, false, false, false, false},
    {"reserved type 8", 0, 0, attr::kP | 0x8, false, false, false, false},
    {"reserved type 10", 0, 0, attr::kP | 0xA, false, false, false, false},
    {"reserved type 13", 0, 0, attr::kP | 0xD, false, false, false, false},
};

bool zf(const SystemLab& lab) { return (lab.flags() & eflags::kZf) != 0; }

TEST_P(SystemProtection, VisibilityIsAnsweredThroughZf) {
  SystemLab lab(GetParam());
  for (const ViewRow& row : kViews) {
    SCOPED_TRACE(row.what);
    lab.reset(row.cpl);
    const std::uint16_t sel = SystemLab::free_selector(0, row.rpl);
    lab.set_descriptor(sel, 0, 0xFEDCB, row.attributes);
    lab.gpr(kEax) = sel;
    lab.gpr(kEcx) = 0x55AA55AA;
    ASSERT_TRUE(lab.completes({0x0F, 0x02, 0xC8}));  // lar ecx, eax
    EXPECT_EQ(zf(lab), row.lar);
    const std::uint32_t rights = (row.attributes & 0xF0FFu) << 8 | 0xF0000u;
    EXPECT_EQ(lab.gpr(kEcx), row.lar ? rights : 0x55AA55AAu);
    lab.gpr(kEcx) = 0x55AA55AA;
    ASSERT_TRUE(lab.completes({0x0F, 0x03, 0xC8}));  // lsl ecx, eax
    EXPECT_EQ(zf(lab), row.lsl);
    const std::uint32_t limit = (row.attributes & attr::kGran) != 0 ? 0xFEDCBFFFu : 0xFEDCBu;
    EXPECT_EQ(lab.gpr(kEcx), row.lsl ? limit : 0x55AA55AAu);
    ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xE0}));  // verr ax
    EXPECT_EQ(zf(lab), row.verr);
    ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xE8}));  // verw ax
    EXPECT_EQ(zf(lab), row.verw);
    EXPECT_FALSE((row.attributes & attr::kS) != 0 && lab.accessed(sel)) << "looking is no access";
  }
}

TEST_P(SystemProtection, SixteenBitDestinationsKeepTheUpperHalf) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = SystemLab::data(0);
  lab.gpr(kEcx) = 0x55AA55AA;
  ASSERT_TRUE(lab.completes({0x66, 0x0F, 0x02, 0xC8}));
  EXPECT_EQ(lab.gpr(kEcx), 0x55AA9300u);
  ASSERT_TRUE(lab.completes({0x66, 0x0F, 0x03, 0xC8}));
  EXPECT_EQ(lab.gpr(kEcx), 0x55AAFFFFu);
}

TEST_P(SystemProtection, NullAndFarSelectorsAreInvisible) {
  SystemLab lab(GetParam());
  for (const unsigned sel : {0U, 3U, unsigned{SystemLab::kNoEntry}, 0x0CU}) {
    for (const Bytes& bytes : {Bytes{0x0F, 0x02, 0xC8}, Bytes{0x0F, 0x03, 0xC8}, Bytes{0x0F, 0x00, 0xE0}}) {
      lab.gpr(kEax) = sel;
      lab.set_flags(eflags::kZf | eflags::kCf);
      ASSERT_TRUE(lab.completes(bytes));
      EXPECT_EQ(lab.flags(), eflags::kFixed | eflags::kCf) << sel;
    }
  }
}

TEST_P(SystemProtection, OutsideProtectedModeTheInstructionsDoNotExist) {
  SystemLab lab(GetParam());
  for (const bool v86 : {false, true}) {
    if (v86) {
      lab.reset(0);
      lab.enter_v86(3);
    } else {
      lab.real_mode();
    }
    EXPECT_TRUE(lab.faults({0x0F, 0x02, 0xC8}, vector::kUd));  // lar
    EXPECT_TRUE(lab.faults({0x0F, 0x03, 0xC8}, vector::kUd));  // lsl
    EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xE0}, vector::kUd));  // verr
    EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xE8}, vector::kUd));  // verw
    EXPECT_TRUE(lab.faults({0x63, 0xC8}, vector::kUd));        // arpl
    EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xC0}, vector::kUd));  // sldt
    EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xC8}, vector::kUd));  // str
    EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD0}, vector::kUd));  // lldt
    EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD8}, vector::kUd));  // ltr
  }
}

TEST_P(SystemProtection, ArplRaisesTheRplAndTellsSo) {
  SystemLab lab(GetParam(), 3);
  for (unsigned rpl = 0; rpl < 4; ++rpl) {
    for (unsigned wanted = 0; wanted < 4; ++wanted) {
      lab.gpr(kEax) = 0x12340040 | rpl;
      lab.gpr(kEcx) = wanted;
      ASSERT_TRUE(lab.completes({0x63, 0xC8}));  // arpl ax, cx
      EXPECT_EQ(lab.gpr(kEax), 0x12340040u | std::max(rpl, wanted));
      EXPECT_EQ(zf(lab), rpl < wanted);
    }
  }
  lab.poke<std::uint32_t>(SystemLab::kData, 0xABCD0040);
  lab.gpr(kEbx) = SystemLab::kData;
  ASSERT_TRUE(lab.completes({0x63, 0x0B}));  // arpl [ebx], cx
  EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::kData), 0xABCD0043u);
}

TEST_P(SystemProtection, LgdtWith16BitOperandTakes24BitsOfBase) {
  SystemLab lab(GetParam());
  lab.poke<std::uint16_t>(SystemLab::kData, 0x1FF);
  lab.poke<std::uint32_t>(SystemLab::kData + 2, 0x89ABCDEF);
  lab.gpr(kEbx) = SystemLab::kData;
  ASSERT_TRUE(lab.completes({0x66, 0x0F, 0x01, 0x13}));
  EXPECT_EQ(lab.state().gdtr, (TableRegister{0x00ABCDEF, 0x1FF}));
  ASSERT_TRUE(lab.completes({0x0F, 0x01, 0x13}));
  EXPECT_EQ(lab.state().gdtr, (TableRegister{0x89ABCDEF, 0x1FF}));
  ASSERT_TRUE(lab.completes({0x66, 0x0F, 0x01, 0x1B}));  // lidt
  EXPECT_EQ(lab.state().idtr, (TableRegister{0x00ABCDEF, 0x1FF}));
}

TEST_P(SystemProtection, TableInstructionsNeedMemory) {
  SystemLab lab(GetParam());
  EXPECT_TRUE(lab.faults({0x0F, 0x01, 0xD3}, vector::kUd));  // lgdt with a register
  EXPECT_TRUE(lab.faults({0x0F, 0x01, 0xDB}, vector::kUd));  // lidt
  EXPECT_TRUE(lab.faults({0x0F, 0x01, 0xFB}, vector::kUd));  // invlpg
}

TEST_P(SystemProtection, LtrMarksTheTssBusyAndRefusesABusyOne) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, SystemLab::kSecondTss, 0x67, attr::kTss32);
  lab.gpr(kEax) = sel;
  ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xD8}));
  EXPECT_EQ(lab.state().tr, (SegmentRegister{sel, attr::kTss32Busy, SystemLab::kSecondTss, 0x67}));
  EXPECT_EQ(lab.type_byte(sel), attr::kTss32Busy);
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD8}, vector::kGp, sel));
  lab.set_descriptor(sel, SystemLab::kSecondTss, 0x2B, attr::kTss16);
  ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xD8}));
  EXPECT_EQ(lab.type_byte(sel), attr::kTss16Busy);
}

TEST_P(SystemProtection, LtrChecksItsDescriptor) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, 0, 0x67, attr::kTss32 & attr::kAbsent);
  lab.gpr(kEax) = sel;
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD8}, vector::kNp, sel));
  lab.gpr(kEax) = 0;
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD8}, vector::kGp, 0));
  lab.gpr(kEax) = SystemLab::kNoEntry;
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD8}, vector::kGp, SystemLab::kNoEntry));
  lab.gpr(kEax) = sel | selector::kLdt;
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD8}, vector::kGp, sel | selector::kLdt));
  lab.gpr(kEax) = SystemLab::data(0);
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD8}, vector::kGp, SystemLab::data(0)));
}

TEST_P(SystemProtection, LldtChecksItsDescriptor) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.gpr(kEax) = SystemLab::data(0);
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD0}, vector::kGp, SystemLab::data(0)));
  lab.set_descriptor(sel, SystemLab::kLdtBase, 0xFF, attr::kLdt & attr::kAbsent);
  lab.gpr(kEax) = sel;
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD0}, vector::kNp, sel));
  lab.set_descriptor(sel, SystemLab::kLdtBase, 0xFF, attr::kLdt);
  ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xD0}));
  EXPECT_EQ(lab.state().ldtr, (SegmentRegister{sel, attr::kLdt, SystemLab::kLdtBase, 0xFF}));
  lab.gpr(kEax) = sel | selector::kLdt;
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xD0}, vector::kGp, sel | selector::kLdt));
  lab.gpr(kEax) = 0;
  ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xD0}));
  EXPECT_FALSE(lab.state().ldtr.usable());
}

}  // namespace
}  // namespace ringshift::test
