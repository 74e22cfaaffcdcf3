// SYSENTER and SYSEXIT (SDM vol. 2): flat segments out of one MSR.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemSysenter : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemSysenter, kEngines, engine_name);

const Bytes kSysenter = {0x0F, 0x34}, kSysexit = {0x0F, 0x35};
constexpr std::uint32_t kEntry = 0x25000, kEntryStack = 0x70000;

// The four descriptors in a row that SYSENTER and SYSEXIT count on: code 0, stack 0, code 3, stack 3.
constexpr std::uint16_t kBase = SystemLab::free_selector(0);

void prepare(SystemLab& lab, unsigned cpl) {
  lab.reset(cpl);
  lab.set_descriptor(kBase, 0, 0xFFFFF, attr::kCode | attr::kFlat);
  lab.set_descriptor(kBase + 8, 0, 0xFFFFF, attr::kData | attr::kFlat);
  lab.set_descriptor(kBase + 16, 0, 0xFFFFF, attr::kCode | attr::kFlat | attr::dpl(3));
  lab.set_descriptor(kBase + 24, 0, 0xFFFFF, attr::kData | attr::kFlat | attr::dpl(3));
  lab.state().msr.sysenter_cs = kBase;
  lab.state().msr.sysenter_esp = kEntryStack;
  lab.state().msr.sysenter_eip = kEntry;
}

TEST_P(SystemSysenter, EntersRing0FromAnyRing) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    SCOPED_TRACE(cpl);
    prepare(lab, cpl);
    lab.set_flags(eflags::kIf | eflags::kCf | eflags::kNt | 0x3000);
    const std::uint32_t flags = lab.flags();
    ASSERT_TRUE(lab.transfers(kSysenter));
    EXPECT_EQ(lab.state().cpl(), 0u);
    EXPECT_EQ(lab.eip(), kEntry);
    EXPECT_EQ(lab.esp(), kEntryStack);
    EXPECT_EQ(lab.sel(Seg::cs), kBase);
    EXPECT_EQ(lab.sel(Seg::ss), kBase + 8);
    EXPECT_TRUE(lab.segment(Seg::cs).flat(true));
    EXPECT_TRUE(lab.segment(Seg::ss).flat(false));
    EXPECT_EQ(lab.flags(), flags & ~eflags::kIf);
    EXPECT_EQ(lab.sel(Seg::ds), SystemLab::data(cpl)) << "data segments stay";
  }
}

TEST_P(SystemSysenter, EntersFromV86Mode) {
  SystemLab lab(GetParam());
  prepare(lab, 0);
  lab.enter_v86(0);
  ASSERT_TRUE(lab.transfers(kSysenter));
  EXPECT_FALSE(lab.state().v86());
  EXPECT_EQ(lab.eip(), kEntry);
  EXPECT_EQ(lab.state().cpl(), 0u);
}

TEST_P(SystemSysenter, TheSelectorsRplIsIgnored) {
  SystemLab lab(GetParam());
  prepare(lab, 3);
  lab.state().msr.sysenter_cs = kBase | 3U;
  ASSERT_TRUE(lab.transfers(kSysenter));
  EXPECT_EQ(lab.sel(Seg::cs), kBase);
  EXPECT_EQ(lab.state().cpl(), 0u);
}

TEST_P(SystemSysenter, ExitGoesToRing3WithEcxAndEdx) {
  SystemLab lab(GetParam());
  prepare(lab, 0);
  lab.gpr(kEcx) = SystemLab::stack_top(3);
  lab.gpr(kEdx) = 0x26000;
  lab.set_flags(eflags::kIf | eflags::kZf);
  ASSERT_TRUE(lab.transfers(kSysexit));
  EXPECT_EQ(lab.state().cpl(), 3u);
  EXPECT_EQ(lab.eip(), 0x26000u);
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(3));
  EXPECT_EQ(lab.sel(Seg::cs), (kBase + 16) | 3);
  EXPECT_EQ(lab.sel(Seg::ss), (kBase + 24) | 3);
  EXPECT_EQ(lab.flags(), eflags::kFixed | eflags::kIf | eflags::kZf);
}

TEST_P(SystemSysenter, ANullSelectorFaults) {
  SystemLab lab(GetParam());
  for (std::uint16_t null = 0; null < 4; ++null) {
    prepare(lab, 3);
    lab.state().msr.sysenter_cs = null;
    EXPECT_TRUE(lab.faults(kSysenter, vector::kGp, 0));
    lab.set_cpl(0);
    EXPECT_TRUE(lab.faults(kSysexit, vector::kGp, 0));
  }
}

TEST_P(SystemSysenter, ExitIsForRing0) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 1; cpl < 4; ++cpl) {
    prepare(lab, cpl);
    EXPECT_TRUE(lab.faults(kSysexit, vector::kGp, 0)) << cpl;
  }
}

TEST_P(SystemSysenter, RealModeHasNeither) {
  SystemLab lab(GetParam());
  lab.real_mode();
  lab.state().msr.sysenter_cs = kBase;
  EXPECT_TRUE(lab.faults(kSysenter, vector::kGp));
  EXPECT_TRUE(lab.faults(kSysexit, vector::kGp));
}

TEST_P(SystemSysenter, SystemCallsReturnManyTimes) {
  SystemLab lab(GetParam());
  prepare(lab, 3);
  lab.gpr(kEax) = 0;
  lab.gpr(kEsi) = 200;
  // Ring 3: mov ecx, esp; mov edx, behind; sysenter; behind: dec esi; jnz again; hlt
  constexpr std::uint32_t kBehind = SystemLab::kCode + 9;
  lab.place(SystemLab::kCode, {0x89, 0xE1, 0xBA, kBehind & 0xFF, (kBehind >> 8) & 0xFF, kBehind >> 16, 0, 0x0F, 0x34,
                               0x4E, 0x75, 0xF4, 0xF4});
  lab.place(kEntry, {0x40, 0x0F, 0x35});  // inc eax; sysexit
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kGp}) << "HLT in ring 3";
  EXPECT_EQ(lab.gpr(kEax), 200u);
  EXPECT_EQ(lab.gpr(kEsi), 0u);
}

}  // namespace
}  // namespace ringshift::test
