// Port access: IOPL, the I/O permission bitmap, operand sizes (SDM vol. 1, 19.5).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemIo : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemIo, kEngines, engine_name);

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

constexpr IoRow kRows[] = {
    {"ring 0", 0, 0, false, 0x60, 1, 0x60, 32, true},
    {"ring 1 without IOPL", 1, 0, false, 0x60, 1, 0x60, 32, false},
    {"ring 1 with IOPL 1", 1, 1, false, 0x60, 1, 0x60, 32, true},
    {"ring 2 with IOPL 1", 2, 1, false, 0x60, 1, 0x60, 32, false},
    {"ring 2 with IOPL 2", 2, 2, false, 0x60, 1, 0x60, 32, true},
    {"ring 3 with IOPL 3", 3, 3, false, 0x60, 1, 0x60, 32, true},
    {"ring 3, bit clear", 3, 0, false, 0x60, 1, -1, 32, true},
    {"ring 3, bit set", 3, 0, false, 0x60, 1, 0x60, 32, false},
    {"word, second bit set", 3, 0, false, 0x60, 2, 0x61, 32, false},
    {"doubleword over a byte boundary", 3, 0, false, 0x66, 4, 0x69, 32, false},
    {"neighbour below denied only", 3, 0, false, 0x60, 4, 0x5F, 32, true},
    {"neighbour above denied only", 3, 0, false, 0x60, 4, 0x64, 32, true},
    {"two bytes are read: the last map byte alone is too few", 3, 0, false, 0x60, 1, -1, 13, false},
    {"one byte more suffices", 3, 0, false, 0x60, 1, -1, 14, true},
    {"the highest port", 3, 0, false, 0xFFFF, 1, -1, 0x2001, true},
    {"the highest port without the byte behind the map", 3, 0, false, 0xFFFF, 1, -1, 0x2000, false},
    {"V86 uses the map even with IOPL 3", 3, 3, true, 0x60, 1, 0x60, 32, false},
    {"V86, bit clear", 3, 0, true, 0x60, 1, -1, 32, true},
};

TEST_P(SystemIo, FollowsIoplAndBitmap) {
  SystemLab lab(GetParam());
  for (const IoRow& row : kRows) {
    SCOPED_TRACE(row.what);
    lab.reset(row.cpl);
    lab.platform().reads.clear();
    for (std::uint32_t i = 0; i < 0x2002; ++i) lab.poke<std::uint8_t>(SystemLab::kSecondTss + kMap + i, 0);
    for (std::uint32_t i = 0; i < kMap; i += 4) {
      lab.poke<std::uint32_t>(SystemLab::kSecondTss + i, lab.peek<std::uint32_t>(SystemLab::kTss + i));
    }
    lab.state().tr.base = SystemLab::kSecondTss;
    lab.state().tr.limit = kMap + row.map_bytes - 1;
    if (row.denied_port >= 0) {
      const std::uint32_t at = SystemLab::kSecondTss + kMap + static_cast<std::uint32_t>(row.denied_port) / 8;
      lab.poke<std::uint8_t>(at, static_cast<std::uint8_t>(1U << (row.denied_port % 8)));
    }
    lab.set_iopl(row.iopl);
    if (row.v86) lab.enter_v86(row.iopl);
    lab.gpr(kEdx) = row.port;
    const bool prefixed = row.size != 1 && (row.size == 4) != lab.segment(Seg::cs).big();
    const auto opcode = static_cast<std::uint8_t>(row.size == 1 ? 0xEC : 0xED);
    const Bytes plain = {opcode};
    const Bytes with_prefix = {0x66, opcode};
    const Bytes bytes = prefixed ? with_prefix : plain;
    EXPECT_TRUE(row.allowed ? lab.completes(bytes) : lab.faults(bytes, vector::kGp, 0));
    EXPECT_EQ(lab.platform().reads.size(), row.allowed ? 1u : 0u);
  }
}

TEST_P(SystemIo, OutInsAndOutsAreCheckedTheSame) {
  SystemLab lab(GetParam(), 3);
  lab.gpr(kEdx) = 0x60;
  lab.gpr(kEsi) = lab.gpr(kEdi) = SystemLab::kData;
  lab.gpr(kEcx) = 1;
  EXPECT_TRUE(lab.faults({0xE6, 0x60}, vector::kGp, 0));  // out 60h, al
  EXPECT_TRUE(lab.faults({0xEF}, vector::kGp, 0));        // out dx, eax
  EXPECT_TRUE(lab.faults({0xE5, 0x60}, vector::kGp, 0));  // in eax, 60h
  EXPECT_TRUE(lab.faults({0x6C}, vector::kGp, 0));        // insb
  EXPECT_TRUE(lab.faults({0x6F}, vector::kGp, 0));        // outsd
  EXPECT_TRUE(lab.faults({0xF3, 0x6E}, vector::kGp, 0));  // rep outsb
  EXPECT_TRUE(lab.platform().writes.empty());
  EXPECT_TRUE(lab.platform().reads.empty());
}

TEST_P(SystemIo, A16BitTssPermitsNothing) {
  SystemLab lab(GetParam(), 3);
  lab.state().tr.limit = 0x2067;
  lab.poke<std::uint32_t>(SystemLab::kTss + 2, SystemLab::stack_top(0) - 0x8000);  // sp0
  lab.poke<std::uint16_t>(SystemLab::kTss + 4, SystemLab::data(0));                // ss0
  lab.state().tr.attributes = attr::kTss16Busy;
  EXPECT_TRUE(lab.faults({0xE4, 0x60}, vector::kGp, 0));
}

TEST_P(SystemIo, AMissingTssPageIsAPageFaultOfTheSupervisor) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.state().tr.limit = 0x1FFF;
  lab.poke<std::uint16_t>(SystemLab::kTss + 0x66, 0x1000);  // the map is on the next page
  lab.set_page(SystemLab::kTss + 0x1000, 0);
  // The handlers are on that page, too: let #PF have one elsewhere.
  lab.set_idt_gate(vector::kPf, SystemLab::gate(SystemLab::code(0), SystemLab::kCode + 0x1000, 0xE, 0));
  lab.execute({0xE4, 0x60});
  EXPECT_EQ(lab.eip() & ~0xFU, SystemLab::kCode + 0x1000);
  EXPECT_EQ(lab.stack(0), 0u) << "read, supervisor, not present";
  EXPECT_EQ(lab.state().cr2, SystemLab::kTss + 0x1000 + 0x60 / 8);
}

TEST_P(SystemIo, InWritesOnlyItsPartOfEax) {
  SystemLab lab(GetParam());
  lab.platform().port_value = 0xA1B2C3D4;
  lab.gpr(kEax) = 0x11223344;
  ASSERT_TRUE(lab.completes({0xE4, 0x60}));
  EXPECT_EQ(lab.gpr(kEax), 0x112233D4u);
  ASSERT_TRUE(lab.completes({0x66, 0xE5, 0x60}));
  EXPECT_EQ(lab.gpr(kEax), 0x1122C3D4u);
  ASSERT_TRUE(lab.completes({0xE5, 0x60}));
  EXPECT_EQ(lab.gpr(kEax), 0xA1B2C3D4u);
}

TEST_P(SystemIo, OutSendsItsPartOfEax) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = 0xA1B2C3D4;
  lab.gpr(kEdx) = 0xABCD03F8;
  ASSERT_TRUE(lab.completes({0xEE}));
  ASSERT_TRUE(lab.completes({0x66, 0xEF}));
  ASSERT_TRUE(lab.completes({0xE7, 0x80}));
  ASSERT_EQ(lab.platform().writes.size(), 3u);
  EXPECT_EQ(lab.platform().writes[0].port, 0x3F8);
  EXPECT_EQ(lab.platform().writes[0].value, 0xD4u);
  EXPECT_EQ(lab.platform().writes[1].value, 0xC3D4u);
  EXPECT_EQ(lab.platform().writes[2].port, 0x80);
  EXPECT_EQ(lab.platform().writes[2].value, 0xA1B2C3D4u);
}

TEST_P(SystemIo, BreakpointTrapsBehindTheInstruction) {
  SystemLab lab(GetParam());
  lab.state().cr4 |= cr4::kDe;
  lab.state().dr[0] = 0x60;
  lab.state().dr[7] = 0x400 | 1 | 2U << 16;  // L0, I/O, one byte
  EXPECT_TRUE(lab.completes({0xE4, 0x61}));
  const std::uint32_t eip = lab.eip();
  EXPECT_EQ(lab.execute({0xE4, 0x60}).handler, 1u);
  EXPECT_EQ(lab.stack(0), eip + 2);
  EXPECT_EQ(lab.state().dr[6] & 0xFU, 1u);
  EXPECT_EQ(lab.platform().reads.size(), 2u);
}

}  // namespace
}  // namespace ringshift::test
