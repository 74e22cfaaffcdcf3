// IRET in all its forms but the task switch (SDM vol. 2, IRET/IRETD). Its checks of CS and SS are with those of RETF.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemIret : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemIret, kEngines, engine_name);

constexpr std::uint32_t kTarget = 0x24680;
const Bytes kIret = {0xCF}, kIretw = {0x66, 0xCF};

void push_frame(SystemLab& lab, std::uint32_t eip, std::uint16_t cs, std::uint32_t flags) {
  lab.push32(flags);
  lab.push32(cs);
  lab.push32(eip);
}

struct FlagsRow {
  unsigned cpl;
  std::uint32_t before, popped, after;
};

TEST_P(SystemIret, SameRingFiltersFlagsAsPopfDoes) {
  constexpr FlagsRow kRows[] = {
      {0, 0x0002, 0x3202, 0x3202},      // ring 0: IF and IOPL load
      {1, 0x1002, 0x3202, 0x1202},      // CPL <= IOPL: IF loads, IOPL kept
      {1, 0x0202, 0x3002, 0x0202},      // CPL > IOPL: both kept
      {2, 0x2002, 0x0202, 0x2202},      // IOPL kept
      {3, 0x0002, 0x3202, 0x0002},      // neither
      {3, 0x3202, 0x0002, 0x3002},      // IF by IOPL 3
      {3, 0x0002, 0x20002, 0x0002},     // VM is for ring 0
      {1, 0x0002, 0x20002, 0x0002},     // the same
      {3, 0x0002, 0x240CD5, 0x240CD7},  // arithmetic, DF, AC, ID
      {0, 0x0002, 0x180002, 0x0002},    // VIF and VIP: the CPU has no VME
      {0, 0x0002, 0xFFC08028, 0x0002},  // reserved bits
      {3, 0x0002, 0x4002, 0x4002},      // NT may be set
  };
  SystemLab lab(GetParam());
  for (const FlagsRow& row : kRows) {
    SCOPED_TRACE(testing::Message() << "ring " << row.cpl << std::hex << ' ' << row.before << ' ' << row.popped);
    lab.reset(row.cpl);
    lab.set_flags(row.before);
    push_frame(lab, kTarget, SystemLab::code(row.cpl), row.popped);
    ASSERT_TRUE(lab.transfers(kIret));
    EXPECT_EQ(lab.flags(), row.after);
    EXPECT_EQ(lab.eip(), kTarget);
    EXPECT_EQ(lab.esp(), SystemLab::stack_top(row.cpl));
  }
}

TEST_P(SystemIret, ToAnOuterRingLoadsTheStackToo) {
  SystemLab lab(GetParam());
  for (unsigned inner = 0; inner < 3; ++inner) {
    for (unsigned outer = inner + 1; outer < 4; ++outer) {
      SCOPED_TRACE(testing::Message() << "ring " << inner << " to " << outer);
      lab.reset(inner);
      lab.push32(SystemLab::data(outer));
      lab.push32(0x1C000);
      push_frame(lab, kTarget, SystemLab::code(outer), 0x3202);
      ASSERT_TRUE(lab.transfers(kIret));
      EXPECT_EQ(lab.state().cpl(), outer);
      EXPECT_EQ(lab.eip(), kTarget);
      EXPECT_EQ(lab.esp(), 0x1C000u);
      EXPECT_EQ(lab.sel(Seg::ss), SystemLab::data(outer));
      // The ring that executes IRET decides about IF and IOPL, with the old IOPL (0).
      EXPECT_EQ(lab.flags(), inner == 0 ? 0x3202u : 0x0002u);
      for (const Seg seg : {Seg::ds, Seg::es, Seg::fs, Seg::gs}) {
        EXPECT_FALSE(lab.segment(seg).usable());
        EXPECT_EQ(lab.sel(seg), 0);
      }
    }
  }
}

TEST_P(SystemIret, ToAnOuterRingKeepsSegmentsThatRingMayUse) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = SystemLab::data(3);
  ASSERT_TRUE(lab.completes({0x8E, 0xD8}));  // mov ds, ax
  ASSERT_TRUE(lab.completes({0x8E, 0xE8}));  // mov gs, ax
  lab.push32(SystemLab::data(3));
  lab.push32(SystemLab::stack_top(3));
  push_frame(lab, kTarget, SystemLab::code(3), 2);
  ASSERT_TRUE(lab.transfers(kIret));
  EXPECT_EQ(lab.sel(Seg::ds), SystemLab::data(3));
  EXPECT_EQ(lab.sel(Seg::gs), SystemLab::data(3));
  EXPECT_EQ(lab.sel(Seg::es), 0);
  EXPECT_TRUE(lab.faults({0x26, 0xA1, 0, 0, 3, 0}, vector::kGp, 0)) << "es: is null now";
}

TEST_P(SystemIret, SixteenBitFormPopsWords) {
  SystemLab lab(GetParam());
  lab.set_flags(eflags::kAc | eflags::kId);
  lab.push16(0x3ED7);
  lab.push16(SystemLab::code(0));
  lab.push16(0x7680);
  ASSERT_TRUE(lab.transfers(kIretw));
  EXPECT_EQ(lab.eip(), 0x7680u);
  EXPECT_EQ(lab.flags(), 0x243ED7u) << "the upper half of EFLAGS stays";
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0));
}

TEST_P(SystemIret, SixteenBitFormToAnOuterRing) {
  SystemLab lab(GetParam());
  lab.push16(SystemLab::data(3));
  lab.push16(0xC000);
  lab.push16(0x0202);
  lab.push16(SystemLab::code(3));
  lab.push16(0x7680);
  ASSERT_TRUE(lab.transfers(kIretw));
  EXPECT_EQ(lab.state().cpl(), 3u);
  EXPECT_EQ(lab.esp(), 0xC000u);
  EXPECT_EQ(lab.flags(), 0x0202u);
}

// The upper half of ESP survives a return to a 16-bit stack: espfix exists because of this.
TEST_P(SystemIret, AnOuter16BitStackTakesSpOnly) {
  SystemLab lab(GetParam());
  const std::uint16_t ss = SystemLab::free_selector(0, 3);
  lab.set_descriptor(ss, SystemLab::kData, 0xFFFF, attr::kData | attr::dpl(3));
  lab.gpr(kEsp) = SystemLab::stack_top(0);
  lab.push32(ss);
  lab.push32(0xABCD0800);
  push_frame(lab, kTarget, SystemLab::code(3), 2);
  const std::uint32_t upper = lab.esp() & 0xFFFF0000U;
  ASSERT_TRUE(lab.transfers(kIret));
  EXPECT_EQ(lab.esp() & 0xFFFFU, 0x800u);
  EXPECT_EQ(lab.esp() & 0xFFFF0000U, upper);
}

TEST_P(SystemIret, TheOffsetIsCheckedAgainstTheLimit) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, 0, 0xFFF, attr::kCode | attr::kBig);
  push_frame(lab, 0x1000, sel, 2);
  EXPECT_TRUE(lab.faults(kIret, vector::kGp, 0));
}

TEST_P(SystemIret, AStackThatEndsFaultsBeforeAnythingChanges) {
  SystemLab lab(GetParam(), 3);
  lab.set_descriptor(SystemLab::free_selector(0, 3), 0, 0x1BFFF, attr::kData | attr::kBig | attr::dpl(3));
  lab.gpr(kEax) = SystemLab::free_selector(0, 3);
  ASSERT_TRUE(lab.completes({0x8E, 0xD0}));
  lab.gpr(kEsp) = 0x1BFF8;  // two of three doublewords
  EXPECT_TRUE(lab.faults(kIret, vector::kSs, 0));
  lab.poke<std::uint64_t>(0x1BFF8, 0);
  EXPECT_TRUE(lab.faults({0xCB}, vector::kGp, 0)) << "retf finds two, and a null selector";
}

TEST_P(SystemIret, APageFaultLeavesEverything) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.set_cpl(3);
  lab.set_page(SystemLab::kData, 0);
  lab.gpr(kEsp) = SystemLab::kData - 4;
  EXPECT_TRUE(lab.faults(kIret, vector::kPf, mmu::pf::kUser));
  EXPECT_TRUE(lab.faults({0xCB}, vector::kPf, mmu::pf::kUser));
}

// ---- virtual-8086 mode -----------------------------------------------------------------------------------

void push_v86_frame(SystemLab& lab, std::uint32_t eip, std::uint32_t flags) {
  for (const std::uint32_t sel : {0x6000U, 0x5000U, 0x4000U, 0x3000U}) lab.push32(0xABCD0000U | sel);  // gs fs ds es
  lab.push32(0x1400);                                                                                  // ss
  lab.push32(0x800);                                                                                   // esp
  push_frame(lab, eip, 0x2400, flags);
}

TEST_P(SystemIret, Ring0EntersV86Mode) {
  SystemLab lab(GetParam());
  push_v86_frame(lab, 0x680, eflags::kVm | 0x3202);
  ASSERT_TRUE(lab.transfers(kIret));
  EXPECT_TRUE(lab.state().v86());
  EXPECT_EQ(lab.flags(), eflags::kVm | 0x3202u);
  EXPECT_EQ(lab.segment(Seg::cs), v86_register(0x2400));
  EXPECT_EQ(lab.segment(Seg::ss), v86_register(0x1400));
  EXPECT_EQ(lab.segment(Seg::es), v86_register(0x3000));
  EXPECT_EQ(lab.segment(Seg::ds), v86_register(0x4000));
  EXPECT_EQ(lab.segment(Seg::fs), v86_register(0x5000));
  EXPECT_EQ(lab.segment(Seg::gs), v86_register(0x6000));
  EXPECT_EQ(lab.eip(), 0x680u);
  EXPECT_EQ(lab.esp(), 0x800u);
}

TEST_P(SystemIret, V86EntryChecksEip) {
  SystemLab lab(GetParam());
  push_v86_frame(lab, 0x10000, eflags::kVm | 2);
  EXPECT_TRUE(lab.faults(kIret, vector::kGp, 0));
}

TEST_P(SystemIret, OnlyRing0EntersV86Mode) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 1; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.set_iopl(3);
    push_frame(lab, kTarget, SystemLab::code(cpl), eflags::kVm | 2);
    ASSERT_TRUE(lab.transfers(kIret));
    EXPECT_FALSE(lab.state().v86());
    EXPECT_EQ(lab.eip(), kTarget);
  }
}

TEST_P(SystemIret, SixteenBitFormDoesNotEnterV86Mode) {
  SystemLab lab(GetParam());
  lab.push16(2);
  lab.push16(SystemLab::code(0));
  lab.push16(0x7680);
  ASSERT_TRUE(lab.transfers(kIretw));
  EXPECT_FALSE(lab.state().v86());
}

}  // namespace
}  // namespace ringshift::test
