// Segment register loads: checks, faults and what is cached.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

constexpr std::uint8_t kMovDsAx[] = {0x8E, 0xD8};
constexpr std::uint8_t kMovSsAx[] = {0x8E, 0xD0};

Flow mov_seg(SystemLab& lab, Seg seg, std::uint16_t sel) {
  lab.state().gpr[kEax] = sel;
  const std::uint8_t modrm = static_cast<std::uint8_t>(0xC0 | static_cast<unsigned>(seg) << 3);
  return lab.execute({0x8E, modrm});
}

struct LoadRow {
  const char* what;
  Seg seg;
  unsigned cpl, rpl;
  std::uint16_t attributes;
  int vec;  // -1: loads
};

class SegmentLoad : public testing::TestWithParam<LoadRow> {};

TEST_P(SegmentLoad, ChecksTypePrivilegeAndPresence) {
  const LoadRow& row = GetParam();
  SystemLab lab(row.cpl);
  const std::uint16_t sel = SystemLab::free_selector(0, row.rpl);
  lab.set_descriptor(sel, 0x1234000, 0xFFF, row.attributes);
  const auto before = lab.state().seg;
  const Flow flow = mov_seg(lab, row.seg, sel);
  if (row.vec < 0) {
    ASSERT_EQ(flow, Flow::next) << row.what;
    const SegmentRegister& r = lab.state().segment(row.seg);
    EXPECT_EQ(r.selector, sel);
    EXPECT_EQ(r.base, 0x1234000u);
    EXPECT_EQ(r.limit, 0xFFFu);
    EXPECT_EQ(r.attributes, row.attributes | segment::kAccessed);
    EXPECT_TRUE(lab.accessed(sel)) << "the descriptor in memory is marked";
  } else {
    ASSERT_EQ(flow, Flow::fault) << row.what;
    EXPECT_EQ(int{lab.cpu().fault.vector}, row.vec) << row.what;
    EXPECT_EQ(lab.cpu().fault.error, sel & 0xFFFCu);
    EXPECT_TRUE(lab.state().seg == before);
    EXPECT_FALSE(lab.accessed(sel));
  }
}

using attr::dpl;
constexpr std::uint16_t kAbsent = 0xFFFF & ~attr::kP;
INSTANTIATE_TEST_SUITE_P(
    Table, SegmentLoad,
    testing::Values(LoadRow{"data, ring 0", Seg::ds, 0, 0, attr::kData, -1},
                    LoadRow{"read-only data", Seg::es, 0, 0, attr::kReadOnly, -1},
                    LoadRow{"readable code", Seg::fs, 0, 0, attr::kCode, -1},
                    LoadRow{"execute-only code", Seg::gs, 0, 0, attr::kExecuteOnly, vector::kGp},
                    LoadRow{"ring 3 data from ring 0", Seg::ds, 0, 0, attr::kData | dpl(3), -1},
                    LoadRow{"RPL above DPL", Seg::ds, 0, 1, attr::kData, vector::kGp},
                    LoadRow{"CPL above DPL", Seg::ds, 3, 0, attr::kData, vector::kGp},
                    LoadRow{"conforming code is for everybody", Seg::ds, 3, 3, attr::kConforming, -1},
                    LoadRow{"a system descriptor", Seg::ds, 0, 0, attr::kLdt, vector::kGp},
                    LoadRow{"absent data", Seg::ds, 0, 0, attr::kData& kAbsent, vector::kNp},
                    LoadRow{"type comes before presence", Seg::ds, 0, 0, attr::kExecuteOnly& kAbsent, vector::kGp},
                    LoadRow{"stack", Seg::ss, 0, 0, attr::kData, -1},
                    LoadRow{"read-only stack", Seg::ss, 0, 0, attr::kReadOnly, vector::kGp},
                    LoadRow{"code as stack", Seg::ss, 0, 0, attr::kCode, vector::kGp},
                    LoadRow{"stack RPL differs from CPL", Seg::ss, 0, 3, attr::kData, vector::kGp},
                    LoadRow{"stack DPL differs from CPL", Seg::ss, 3, 3, attr::kData, vector::kGp},
                    LoadRow{"stack of ring 3", Seg::ss, 3, 3, attr::kData | dpl(3), -1},
                    LoadRow{"absent stack is #SS", Seg::ss, 0, 0, attr::kData& kAbsent, vector::kSs}));

TEST(SegmentNull, LoadsIntoDataRegistersAndFaultsOnUse) {
  SystemLab lab;
  for (const int raw : {0, 1, 2, 3}) {
    const auto sel = static_cast<std::uint16_t>(raw);
    ASSERT_EQ(mov_seg(lab, Seg::ds, sel), Flow::next);
    EXPECT_EQ(lab.sel(Seg::ds), sel);
    EXPECT_FALSE(lab.state().segment(Seg::ds).usable());
  }
  EXPECT_FALSE(lab.cpu().read<std::uint8_t>(Seg::ds, 0).ok);
  EXPECT_EQ(unsigned{lab.cpu().fault.vector}, unsigned{vector::kGp});
}

TEST(SegmentNull, IsNoStack) {
  SystemLab lab;
  lab.state().gpr[kEax] = 0;
  lab.expect_fault({kMovSsAx[0], kMovSsAx[1]}, vector::kGp, 0);
}

TEST(SegmentTable, LimitIsChecked) {
  SystemLab lab;
  lab.state().gdtr.limit = 0x40 + 6;  // the last byte of entry 0x40 is missing
  lab.state().gpr[kEax] = 0x40;
  lab.expect_fault({kMovDsAx[0], kMovDsAx[1]}, vector::kGp, 0x40);
}

TEST(SegmentTable, LdtSelectorsNeedAnLdt) {
  SystemLab lab;
  lab.state().gpr[kEax] = 0x0C;
  lab.expect_fault({kMovDsAx[0], kMovDsAx[1]}, vector::kGp, 0x0C);
}

TEST(SegmentTable, LdtEntryLoads) {
  SystemLab lab;
  lab.state().ldtr = SegmentRegister{0x48, attr::kLdt, SystemLab::kLdtBase, 0xF};
  lab.poke<std::uint64_t>(SystemLab::kLdtBase + 8, lab.peek<std::uint64_t>(GuestLab::kGdt + GuestLab::kData0));
  ASSERT_EQ(mov_seg(lab, Seg::es, 0x0C), Flow::next);
  EXPECT_EQ(lab.sel(Seg::es), 0x0C);
  EXPECT_TRUE(lab.state().segment(Seg::es).flat(false));
}

TEST(SegmentLoadCs, MovToCsIsInvalid) {
  SystemLab lab;
  lab.expect_ud({0x8E, 0xC8});
}

TEST(SegmentRealMode, LoadKeepsALimitFromProtectedMode) {
  SystemLab lab;
  ASSERT_EQ(mov_seg(lab, Seg::ds, GuestLab::kData0), Flow::next);
  lab.state().gpr[kEax] = lab.state().cr0 & ~cr0::kPe;
  ASSERT_EQ(lab.execute({0x0F, 0x22, 0xC0}), Flow::next);
  ASSERT_EQ(mov_seg(lab, Seg::ds, 0x1234), Flow::next);
  EXPECT_EQ(lab.state().segment(Seg::ds).base, 0x12340u);
  EXPECT_EQ(lab.state().segment(Seg::ds).limit, 0xFFFFFFFFu);
}

TEST(SegmentV86, LoadIsAParagraphOf64KiB) {
  SystemLab lab;
  lab.enter_v86(3);
  ASSERT_EQ(mov_seg(lab, Seg::ds, 0xB800), Flow::next);
  EXPECT_EQ(lab.state().segment(Seg::ds), v86_register(0xB800));
}

TEST(SegmentStack, MovAndPopSsHoldEventsButLssDoesNot) {
  SystemLab lab;
  lab.state().set_eflags(eflags::kFixed | eflags::kTf);
  ASSERT_EQ(mov_seg(lab, Seg::ss, GuestLab::kData0), Flow::next);
  EXPECT_EQ(lab.state().interrupt_shadow, 1);
  EXPECT_FALSE(single_step_trap(lab.cpu())) << "no trap between mov ss and the next instruction";
  EXPECT_TRUE(single_step_trap(lab.cpu()));
  lab.state().interrupt_shadow = 0;
  lab.push32(GuestLab::kData0);
  ASSERT_EQ(lab.execute({0x17}), Flow::next);
  EXPECT_EQ(lab.state().interrupt_shadow, 1);
  lab.state().interrupt_shadow = 0;
  lab.poke<std::uint32_t>(GuestLab::kData, 0x5000);
  lab.poke<std::uint16_t>(GuestLab::kData + 4, GuestLab::kData0);
  lab.state().gpr[kEbx] = GuestLab::kData;
  ASSERT_EQ(lab.execute({0x0F, 0xB2, 0x23}), Flow::next);  // lss esp, [ebx]
  EXPECT_EQ(lab.esp(), 0x5000u);
  EXPECT_EQ(lab.state().interrupt_shadow, 0);
}

TEST(SegmentPop, FaultRestoresEsp) {
  SystemLab lab;
  lab.push32(0x1F0);  // an empty descriptor
  lab.expect_fault({0x1F}, vector::kGp, 0x1F0);
}

TEST(SegmentPush, ZeroExtendsASelector) {
  SystemLab lab;
  lab.poke<std::uint32_t>(lab.esp() - 4, 0xDEADBEEF);
  ASSERT_EQ(lab.execute({0x1E}), Flow::next);
  EXPECT_EQ(lab.stack(0), GuestLab::kData0);
}

TEST(SegmentMovFrom, StoresAWordOrAWholeRegister) {
  SystemLab lab;
  lab.state().gpr[kEax] = 0xDEADBEEF;
  ASSERT_EQ(lab.execute({0x8C, 0xD8}), Flow::next);  // mov eax, ds
  EXPECT_EQ(lab.state().gpr[kEax], GuestLab::kData0);
  lab.state().gpr[kEax] = 0xDEADBEEF;
  ASSERT_EQ(lab.execute({0x66, 0x8C, 0xD8}), Flow::next);  // mov ax, ds
  EXPECT_EQ(lab.state().gpr[kEax], 0xDEAD0000u | GuestLab::kData0);
  lab.poke<std::uint32_t>(GuestLab::kData, 0xDEADBEEF);
  lab.state().gpr[kEbx] = GuestLab::kData;
  ASSERT_EQ(lab.execute({0x8C, 0x1B}), Flow::next);  // mov [ebx], ds
  EXPECT_EQ(lab.peek<std::uint32_t>(GuestLab::kData), 0xDEAD0000u | GuestLab::kData0);
}

TEST(SegmentFarPointer, FaultInTheSelectorKeepsTheRegister) {
  SystemLab lab;
  lab.state().gpr[kEbx] = GuestLab::kData;
  lab.poke<std::uint32_t>(GuestLab::kData, 0x11223344);
  lab.poke<std::uint16_t>(GuestLab::kData + 4, 0x1F0);
  lab.expect_fault({0xC5, 0x0B}, vector::kGp, 0x1F0);  // lds ecx, [ebx]
}

TEST(SegmentAccessed, ReadOnlyTableFaults) {
  SystemLab lab;
  lab.identity_paging();
  lab.set_descriptor(0x40, 0, 0xFFF, attr::kData);
  lab.set_page(GuestLab::kGdt, GuestLab::kGdt | 5U);
  lab.state().gpr[kEax] = 0x40;
  lab.expect_fault({kMovDsAx[0], kMovDsAx[1]}, vector::kPf, mmu::pf::kPresent | mmu::pf::kWrite);
  EXPECT_EQ(lab.cpu().fault.cr2, GuestLab::kGdt + 0x45);
}

}  // namespace
}  // namespace ringshift::test
