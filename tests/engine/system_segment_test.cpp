// Segment register loads: checks, faults and what is cached (SDM vol. 3, 5.3 to 5.6).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

using attr::dpl;
using attr::kAbsent;

class SegmentLoad : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SegmentLoad, kEngines, engine_name);

constexpr std::uint8_t modrm(Seg seg, unsigned rm) {
  return static_cast<std::uint8_t>(0xC0U | static_cast<unsigned>(seg) << 3 | rm);
}

struct LoadRow {
  const char* what;
  Seg seg;
  unsigned cpl, rpl;
  std::uint16_t attributes;
  int vec;  // -1: loads
};

constexpr LoadRow kLoads[] = {
    {"data, ring 0", Seg::ds, 0, 0, attr::kData, -1},
    {"read-only data", Seg::es, 0, 0, attr::kReadOnly, -1},
    {"expand-down data", Seg::es, 0, 0, attr::kExpandDown, -1},
    {"readable code", Seg::fs, 0, 0, attr::kCode, -1},
    {"execute-only code", Seg::gs, 0, 0, attr::kExecuteOnly, vector::kGp},
    {"execute-only conforming code", Seg::gs, 0, 0, attr::kP | attr::kS | 0xC, vector::kGp},
    {"ring 3 data from ring 0", Seg::ds, 0, 0, attr::kData | dpl(3), -1},
    {"ring 2 data from ring 1, RPL 2", Seg::ds, 1, 2, attr::kData | dpl(2), -1},
    {"RPL above DPL", Seg::ds, 0, 1, attr::kData, vector::kGp},
    {"CPL above DPL", Seg::ds, 3, 0, attr::kData, vector::kGp},
    {"ring 1 data from ring 2", Seg::fs, 2, 1, attr::kData | dpl(1), vector::kGp},
    {"nonconforming code of an inner ring", Seg::ds, 3, 3, attr::kCode, vector::kGp},
    {"conforming code is for everybody", Seg::ds, 3, 3, attr::kConforming, -1},
    {"a system descriptor", Seg::ds, 0, 0, attr::kLdt, vector::kGp},
    {"a call gate", Seg::es, 0, 0, attr::kP | gate_type::kCall32, vector::kGp},
    {"absent data", Seg::ds, 0, 0, attr::kData& kAbsent, vector::kNp},
    {"type comes before presence", Seg::ds, 0, 0, attr::kExecuteOnly& kAbsent, vector::kGp},
    {"privilege comes before presence", Seg::ds, 3, 3, attr::kData& kAbsent, vector::kGp},
    {"stack", Seg::ss, 0, 0, attr::kData, -1},
    {"expand-down stack", Seg::ss, 0, 0, attr::kExpandDown, -1},
    {"read-only stack", Seg::ss, 0, 0, attr::kReadOnly, vector::kGp},
    {"code as stack", Seg::ss, 0, 0, attr::kCode, vector::kGp},
    {"stack RPL differs from CPL", Seg::ss, 0, 3, attr::kData, vector::kGp},
    {"stack DPL differs from CPL", Seg::ss, 3, 3, attr::kData, vector::kGp},
    {"stack DPL above CPL", Seg::ss, 0, 0, attr::kData | dpl(3), vector::kGp},
    {"stack of ring 1", Seg::ss, 1, 1, attr::kData | dpl(1), -1},
    {"stack of ring 2", Seg::ss, 2, 2, attr::kData | dpl(2), -1},
    {"stack of ring 3", Seg::ss, 3, 3, attr::kData | dpl(3), -1},
    {"absent stack is #SS", Seg::ss, 0, 0, attr::kData& kAbsent, vector::kSs},
    {"stack type comes before presence", Seg::ss, 0, 0, attr::kReadOnly& kAbsent, vector::kGp},
};

TEST_P(SegmentLoad, ChecksTypePrivilegeAndPresence) {
  SystemLab lab(GetParam());
  for (const LoadRow& row : kLoads) {
    SCOPED_TRACE(row.what);
    lab.reset(row.cpl);
    const std::uint16_t sel = SystemLab::free_selector(0, row.rpl);
    lab.set_descriptor(sel, 0, 0x8FFF, row.attributes);
    if (row.seg == Seg::ss) lab.set_descriptor(sel, lab.esp() - 0x4000, 0x3FFF, row.attributes);
    lab.gpr(kEax) = sel;
    const Bytes mov = {0x8E, modrm(row.seg, kEax)};
    if (row.vec >= 0) {
      EXPECT_TRUE(lab.faults(mov, static_cast<unsigned>(row.vec), sel & 0xFFFCU));
      EXPECT_FALSE(lab.accessed(sel));
      continue;
    }
    ASSERT_TRUE(lab.completes(mov));
    EXPECT_EQ(lab.segment(row.seg).selector, sel);
    EXPECT_EQ(lab.segment(row.seg).limit, row.seg == Seg::ss ? 0x3FFFu : 0x8FFFu);
    EXPECT_EQ(lab.segment(row.seg).attributes, row.attributes | segment::kAccessed);
    EXPECT_TRUE(lab.accessed(sel)) << "the descriptor in memory is marked";
  }
}

// POP and the LDS family make the same checks; a fault leaves esp and the general register.
TEST_P(SegmentLoad, PopAndFarPointersCheckAsMovDoes) {
  SystemLab lab(GetParam());
  for (const LoadRow& row : kLoads) {
    SCOPED_TRACE(row.what);
    if (row.seg == Seg::ss) continue;
    lab.reset(row.cpl);
    const std::uint16_t sel = SystemLab::free_selector(0, row.rpl);
    lab.set_descriptor(sel, 0x12340, 0x8FFF, row.attributes);
    lab.push32(0xABCD0000U | sel);
    lab.poke<std::uint32_t>(SystemLab::kData, 0x11223344);
    lab.poke<std::uint16_t>(SystemLab::kData + 4, sel);
    lab.gpr(kEbx) = SystemLab::kData;
    if (row.vec >= 0) {
      const auto vec = static_cast<unsigned>(row.vec);
      EXPECT_TRUE(lab.faults({0x0F, 0xA9}, vec, sel & 0xFFFCU));        // pop gs
      EXPECT_TRUE(lab.faults({0x0F, 0xB4, 0x0B}, vec, sel & 0xFFFCU));  // lfs ecx, [ebx]
      continue;
    }
    ASSERT_TRUE(lab.completes({0x0F, 0xB4, 0x0B}));
    EXPECT_EQ(lab.gpr(kEcx), 0x11223344u);
    EXPECT_EQ(lab.segment(Seg::fs).base, 0x12340u);
    ASSERT_TRUE(lab.completes({0x0F, 0xA9}));
    EXPECT_EQ(lab.segment(Seg::gs).base, 0x12340u);
    EXPECT_EQ(lab.esp(), SystemLab::stack_top(row.cpl));
  }
}

TEST_P(SegmentLoad, BaseAndLimitAreScatteredInTheDescriptor) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.gpr(kEax) = sel;
  lab.set_descriptor(sel, 0x89ABCDEF, 0xFEDCB, attr::kData);
  ASSERT_TRUE(lab.completes({0x8E, 0xE0}));  // mov fs, ax
  EXPECT_EQ(lab.segment(Seg::fs).base, 0x89ABCDEFu);
  EXPECT_EQ(lab.segment(Seg::fs).limit, 0xFEDCBu);
  lab.set_descriptor(sel, 0, 0xFEDCB, attr::kData | attr::kGran);
  ASSERT_TRUE(lab.completes({0x8E, 0xE0}));
  EXPECT_EQ(lab.segment(Seg::fs).limit, 0xFEDCBFFFu);
}

// The register keeps what it loaded, whatever happens to the table (SDM vol. 3, 3.4.3).
TEST_P(SegmentLoad, CachesTheDescriptor) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, SystemLab::kData, 0xFFF, attr::kData);
  lab.gpr(kEax) = sel;
  ASSERT_TRUE(lab.completes({0x8E, 0xD8}));
  lab.set_descriptor(sel, 0, 0, 0);
  lab.poke<std::uint32_t>(SystemLab::kData + 0x10, 0x600D600D);
  ASSERT_TRUE(lab.completes({0x8B, 0x0D, 0x10, 0, 0, 0}));  // mov ecx, [10h]
  EXPECT_EQ(lab.gpr(kEcx), 0x600D600Du);
}

TEST_P(SegmentLoad, NullLoadsIntoDataRegistersAndFaultsOnUse) {
  SystemLab lab(GetParam());
  for (std::uint16_t sel = 0; sel < 4; ++sel) {
    lab.gpr(kEax) = sel;
    ASSERT_TRUE(lab.completes({0x8E, 0xD8}));  // mov ds, ax
    EXPECT_EQ(lab.sel(Seg::ds), sel);
    EXPECT_TRUE(lab.faults({0xA1, 0, 0, 3, 0}, vector::kGp, 0));           // mov eax, [30000h]
    EXPECT_TRUE(lab.faults({0xC6, 0x05, 0, 0, 3, 0, 7}, vector::kGp, 0));  // mov byte [30000h], 7
    EXPECT_TRUE(lab.completes({0x26, 0xA1, 0, 0, 3, 0})) << "es still works";
  }
}

TEST_P(SegmentLoad, NullIsNoStack) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    for (std::uint16_t sel = 0; sel < 4; ++sel) {
      lab.gpr(kEax) = sel;
      EXPECT_TRUE(lab.faults({0x8E, 0xD0}, vector::kGp, 0)) << cpl << ' ' << sel;
    }
  }
}

TEST_P(SegmentLoad, TableLimitIsChecked) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, 0, 0xFFF, attr::kData);
  lab.gpr(kEax) = sel;
  lab.state().gdtr.limit = sel + 6;  // the last byte of the entry is missing
  EXPECT_TRUE(lab.faults({0x8E, 0xD8}, vector::kGp, sel));
  lab.state().gdtr.limit = sel + 7;
  EXPECT_TRUE(lab.completes({0x8E, 0xD8}));
}

TEST_P(SegmentLoad, LdtSelectorsNeedAnLdtWithinItsLimit) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = 0x0C;
  EXPECT_TRUE(lab.faults({0x8E, 0xD8}, vector::kGp, 0x0C));
  lab.poke<std::uint64_t>(SystemLab::kLdtBase + 8, lab.peek<std::uint64_t>(SystemLab::kGdt + SystemLab::data(0)));
  lab.state().ldtr = SegmentRegister{SystemLab::free_selector(0), attr::kLdt, SystemLab::kLdtBase, 0xE};
  EXPECT_TRUE(lab.faults({0x8E, 0xD8}, vector::kGp, 0x0C));
  lab.state().ldtr.limit = 0xF;
  ASSERT_TRUE(lab.completes({0x8E, 0xC0}));  // mov es, ax
  EXPECT_EQ(lab.sel(Seg::es), 0x0C);
  EXPECT_TRUE(lab.segment(Seg::es).flat(false));
  lab.gpr(kEax) = 0x04;  // index 0 of the LDT is an entry as any other, not null
  lab.poke<std::uint64_t>(SystemLab::kLdtBase, 0);
  EXPECT_TRUE(lab.faults({0x8E, 0xC0}, vector::kGp, 0x04));
}

TEST_P(SegmentLoad, MovToCsIsInvalid) {
  SystemLab lab(GetParam());
  EXPECT_TRUE(lab.faults({0x8E, 0xC8}, vector::kUd));
  EXPECT_TRUE(lab.faults({0x8E, 0xF0}, vector::kUd)) << "there is no segment register 6";
  EXPECT_TRUE(lab.faults({0x8C, 0xF8}, vector::kUd)) << "nor 7";
}

TEST_P(SegmentLoad, ReadOnlyTableFaultsWhereTheAccessedBitGoes) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, 0, 0xFFF, attr::kData);
  lab.set_page(SystemLab::kGdt, SystemLab::kGdt | 5U);
  lab.gpr(kEax) = sel;
  EXPECT_TRUE(lab.faults({0x8E, 0xD8}, vector::kPf, mmu::pf::kPresent | mmu::pf::kWrite));
  lab.set_page(SystemLab::kGdt, SystemLab::kGdt | 7U);
  lab.set_descriptor(sel, 0, 0xFFF, attr::kData | segment::kAccessed);
  lab.set_page(SystemLab::kGdt, SystemLab::kGdt | 5U);
  EXPECT_TRUE(lab.completes({0x8E, 0xD8})) << "an accessed descriptor is not written";
}

TEST_P(SegmentLoad, PushStoresTheSelectorAndMovAWordOrAWholeRegister) {
  SystemLab lab(GetParam());
  lab.poke<std::uint32_t>(lab.esp() - 4, 0xDEADBEEF);
  ASSERT_TRUE(lab.completes({0x1E}));  // push ds
  EXPECT_EQ(lab.stack(0), SystemLab::data(0));
  lab.gpr(kEax) = 0xDEADBEEF;
  ASSERT_TRUE(lab.completes({0x8C, 0xD8}));  // mov eax, ds
  EXPECT_EQ(lab.gpr(kEax), SystemLab::data(0));
  lab.gpr(kEax) = 0xDEADBEEF;
  ASSERT_TRUE(lab.completes({0x66, 0x8C, 0xD8}));  // mov ax, ds
  EXPECT_EQ(lab.gpr(kEax), 0xDEAD0000u | SystemLab::data(0));
  lab.poke<std::uint32_t>(SystemLab::kData, 0xDEADBEEF);
  lab.gpr(kEbx) = SystemLab::kData;
  ASSERT_TRUE(lab.completes({0x8C, 0x1B}));  // mov [ebx], ds
  EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::kData), 0xDEAD0000u | SystemLab::data(0));
}

TEST_P(SegmentLoad, SixteenBitPushAndPopMoveTwoBytes) {
  SystemLab lab(GetParam());
  ASSERT_TRUE(lab.completes({0x66, 0x06}));  // push es
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0) - 2);
  EXPECT_EQ(lab.stack16(0), SystemLab::data(0));
  ASSERT_TRUE(lab.completes({0x66, 0x0F, 0xA1}));  // pop fs
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0));
}

// "Unreal" mode: a limit loaded in protected mode stays when the base follows a real-mode selector.
TEST_P(SegmentLoad, RealModeKeepsALimitFromProtectedMode) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = lab.state().cr0 & ~cr0::kPe;
  ASSERT_TRUE(lab.completes({0x0F, 0x22, 0xC0}));
  lab.gpr(kEax) = 0x1234;
  ASSERT_TRUE(lab.completes({0x8E, 0xD8}));
  EXPECT_EQ(lab.segment(Seg::ds).base, 0x12340u);
  EXPECT_EQ(lab.segment(Seg::ds).limit, 0xFFFFFFFFu);
}

TEST_P(SegmentLoad, RealModeSegmentsWrapNowhere) {
  SystemLab lab(GetParam());
  lab.real_mode();
  EXPECT_TRUE(lab.completes({0xA0, 0xFF, 0xFF}));            // mov al, [FFFF]
  EXPECT_TRUE(lab.faults({0xA1, 0xFF, 0xFF}, vector::kGp));  // mov ax, [FFFF]
}

TEST_P(SegmentLoad, V86LoadIsAParagraphOf64KiB) {
  SystemLab lab(GetParam());
  lab.enter_v86(3);
  lab.gpr(kEax) = 0xB800;
  ASSERT_TRUE(lab.completes({0x8E, 0xD8}));
  EXPECT_EQ(lab.segment(Seg::ds), v86_register(0xB800));
  lab.gpr(kEax) = 0;
  ASSERT_TRUE(lab.completes({0x8E, 0xC0}));
  EXPECT_EQ(lab.segment(Seg::es), v86_register(0)) << "0 is no null selector";
}

}  // namespace
}  // namespace ringshift::test
