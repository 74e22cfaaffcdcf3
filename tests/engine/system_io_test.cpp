// Port access: IOPL, the I/O permission bitmap, operand sizes.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

constexpr std::uint32_t kMap = 0x68;  // offset of the bitmap in the TSS

struct IoRow {
  const char* what;
  unsigned cpl, iopl;
  bool v86;
  std::uint16_t port;
  unsigned size;
  int denied_port;  // its bit is set in the bitmap; -1: none
  std::uint32_t map_bytes;
  bool allowed;
};

class IoPermission : public testing::TestWithParam<IoRow> {};

TEST_P(IoPermission, FollowsIoplAndBitmap) {
  const IoRow& row = GetParam();
  SystemLab lab(row.cpl);
  lab.state().tr.limit = kMap + row.map_bytes - 1;
  if (row.denied_port >= 0) {
    const std::uint32_t at = GuestLab::kTss + kMap + static_cast<std::uint32_t>(row.denied_port) / 8;
    lab.poke<std::uint8_t>(at, static_cast<std::uint8_t>(1U << (row.denied_port % 8)));
  }
  lab.state().set_eflags(eflags::kFixed | (row.iopl << eflags::kIoplShift));
  if (row.v86) lab.enter_v86(row.iopl);
  lab.state().gpr[kEdx] = row.port;
  const bool dword = (row.size == 4) == lab.state().segment(Seg::cs).big();
  Flow flow = Flow::next;
  if (row.size == 1) {
    flow = lab.execute({0xEC});
  } else {
    flow = dword ? lab.execute({0xED}) : lab.execute({0x66, 0xED});
  }
  EXPECT_EQ(flow, row.allowed ? Flow::next : Flow::fault) << row.what;
  EXPECT_EQ(lab.platform().reads.size(), row.allowed ? 1u : 0u) << row.what;
  if (!row.allowed) {
    EXPECT_EQ(unsigned{lab.cpu().fault.vector}, unsigned{vector::kGp});
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, IoPermission,
    testing::Values(IoRow{"ring 0", 0, 0, false, 0x60, 1, 0x60, 32, true},
                    IoRow{"ring 3 with IOPL 3", 3, 3, false, 0x60, 1, 0x60, 32, true},
                    IoRow{"ring 3, bit clear", 3, 0, false, 0x60, 1, -1, 32, true},
                    IoRow{"ring 3, bit set", 3, 0, false, 0x60, 1, 0x60, 32, false},
                    IoRow{"word, second bit set", 3, 0, false, 0x60, 2, 0x61, 32, false},
                    IoRow{"doubleword over a byte boundary", 3, 0, false, 0x66, 4, 0x69, 32, false},
                    IoRow{"neighbour denied only", 3, 0, false, 0x60, 4, 0x64, 32, true},
                    IoRow{"two bytes are read: the last map byte alone is too few", 3, 0, false, 0x60, 1, -1, 13,
                          false},
                    IoRow{"one byte more suffices", 3, 0, false, 0x60, 1, -1, 14, true},
                    IoRow{"V86 uses the map even with IOPL 3", 3, 3, true, 0x60, 1, 0x60, 32, false},
                    IoRow{"V86, bit clear", 3, 0, true, 0x60, 1, -1, 32, true}));

TEST(IoPermission, A16BitTssPermitsNothing) {
  SystemLab lab(3);
  lab.state().tr = SegmentRegister{GuestLab::kTssSelector, segment::kPresent | 0x3, GuestLab::kTss, 0xFFF};
  lab.expect_fault({0xE4, 0x60}, vector::kGp, 0);
}

TEST(In, WritesOnlyItsPartOfEax) {
  SystemLab lab;
  lab.platform().port_value = 0xA1B2C3D4;
  lab.state().gpr[kEax] = 0x11223344;
  ASSERT_EQ(lab.execute({0xE4, 0x60}), Flow::next);
  EXPECT_EQ(lab.state().gpr[kEax], 0x112233D4u);
  ASSERT_EQ(lab.execute({0x66, 0xE5, 0x60}), Flow::next);
  EXPECT_EQ(lab.state().gpr[kEax], 0x1122C3D4u);
  ASSERT_EQ(lab.execute({0xE5, 0x60}), Flow::next);
  EXPECT_EQ(lab.state().gpr[kEax], 0xA1B2C3D4u);
}

TEST(Out, SendsItsPartOfEax) {
  SystemLab lab;
  lab.state().gpr[kEax] = 0xA1B2C3D4;
  lab.state().gpr[kEdx] = 0xABCD03F8;
  ASSERT_EQ(lab.execute({0xEE}), Flow::next);
  ASSERT_EQ(lab.execute({0x66, 0xEF}), Flow::next);
  ASSERT_EQ(lab.platform().writes.size(), 2u);
  EXPECT_EQ(lab.platform().writes[0].port, 0x3F8);
  EXPECT_EQ(lab.platform().writes[0].value, 0xD4u);
  EXPECT_EQ(lab.platform().writes[1].value, 0xC3D4u);
}

TEST(IoBreakpoint, TrapsBehindTheInstruction) {
  SystemLab lab;
  lab.state().cr4 |= cr4::kDe;
  lab.state().dr[0] = 0x60;
  lab.state().dr[7] = 0x400 | 1 | 2U << 16;  // L0, I/O, one byte
  const std::uint32_t eip = lab.state().eip;
  EXPECT_EQ(lab.execute({0xE4, 0x61}), Flow::next);
  EXPECT_EQ(lab.execute({0xE4, 0x60}), Flow::fault);
  EXPECT_EQ(unsigned{lab.cpu().fault.vector}, unsigned{vector::kDb});
  EXPECT_TRUE(lab.cpu().fault.trap);
  EXPECT_EQ(lab.state().eip, eip + 4);
  EXPECT_EQ(lab.state().dr[6] & 0xFU, 1u);
}

}  // namespace
}  // namespace ringshift::test
