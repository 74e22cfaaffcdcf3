// A20 masked: address bit 20 of whatever leaves the CPU is 0 (SDM vol. 3, 20.1.1).
#include "mmu/page_walk.h"
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Access RD = Access::read, WR = Access::write;
constexpr Linear kOdd = 0x100000;
constexpr View kSupervisor = View::supervisor;

PagingState masked(PagingState paging) {
  paging.a20_masked = true;
  return paging;
}

TEST(A20Walk, WithoutPagingOddMegabytesAreEvenOnes) {
  TestMemory m;
  EXPECT_EQ(walk(m.physical, masked({}), 0x12345678, WR, false).address, 0x12245678U);
  EXPECT_EQ(walk(m.physical, masked({}), 0x00245678, WR, false).address, 0x00245678U);
  EXPECT_EQ(probe(m.physical, masked({}), 0xFFFFFFFF).address, 0xFFEFFFFFU);
}

TEST(A20Walk, MasksTheAddressesOfTablesAndOfWhatTheyLeadTo) {
  TestMemory m;
  TwoLevel tables(m, 0x200000);
  tables.map(0x5000, 0x700000 | P | W);
  PagingState paging = masked(tables.paging());
  paging.cr3 |= kOdd;
  const Walk found = walk(m.physical, paging, 0x5123, RD, false);
  ASSERT_TRUE(found.ok);
  EXPECT_EQ(found.address, 0x600123U);
  EXPECT_EQ(found.entry_address, tables.pte_at(0x5000));
}

TEST(A20Walk, MasksWithinLargePages) {
  TestMemory m;
  TwoLevel tables(m, 0x200000);
  tables.set_pde(0x400000, 0x800000 | P | W | PS);
  EXPECT_EQ(walk(m.physical, masked(tables.paging()), 0x512345, RD, false).address, 0x812345U);
}

TEST(A20Window, ShowsAnEvenMegabyteTwice) {
  WindowLab lab;
  lab.put<std::uint32_t>(0x0000, 1);
  lab.put<std::uint32_t>(kOdd, 2);
  lab.activate(masked({}), kSupervisor);
  ASSERT_EQ(lab.fill(kOdd, WR), Fill::mapped);
  EXPECT_EQ(lab.load32(kOdd), 1U);
  lab.store(kOdd, 3);
  EXPECT_EQ(lab.get<std::uint32_t>(0), 3U);
  ASSERT_EQ(lab.fill(0x2FF000, RD), Fill::mapped);  // the end of an even one does not run into the next
  EXPECT_EQ(lab.rights(0x300000), kNone);
}

TEST(A20Window, IsAnotherWithTheLineEnabled) {
  WindowLab lab;
  lab.put<std::uint32_t>(0x0000, 1);
  lab.put<std::uint32_t>(kOdd, 2);
  lab.load({}, kSupervisor);
  ASSERT_EQ(lab.fill(kOdd, RD), Fill::mapped);
  lab.load(masked({}), kSupervisor);
  ASSERT_EQ(lab.fill(kOdd, RD), Fill::mapped);
  EXPECT_EQ(lab.load32(kOdd), 1U);
  lab.load({}, kSupervisor);
  EXPECT_EQ(lab.load32(kOdd), 2U);
}

TEST(A20Window, BothAddressesOfAPageWithCodeAreReadOnly) {
  WindowLab lab;
  lab.activate(masked({}), kSupervisor);
  ASSERT_EQ(lab.fill(0x3000, WR), Fill::mapped);
  ASSERT_EQ(lab.fill(kOdd | 0x3000, WR), Fill::mapped);
  lab.code.set(0x3000);
  lab.pool().protect_code(0x3000);
  EXPECT_EQ(lab.rights(0x3000), kReadOnly);
  EXPECT_EQ(lab.rights(kOdd | 0x3000), kReadOnly);
  EXPECT_EQ(lab.rights(0x4000), kReadWrite);
  EXPECT_EQ(lab.fill(kOdd | 0x3000, WR), Fill::emulate);
}

TEST(A20Mmu, SoftwareTranslationFollowsTheGate) {
  TestMemory m;
  m.put<std::uint8_t>(0, 1);
  m.put<std::uint8_t>(kOdd, 2);
  Mmu mmu(m.physical, m.code, nullptr);
  std::uint32_t error = 0;
  const auto read = [&] { return mmu.read(*mmu.translate(kOdd, RD, false, error), kOdd, 1); };
  EXPECT_EQ(read(), 2U);
  mmu.mask_a20(true);
  EXPECT_EQ(read(), 1U);
  mmu.mask_a20(false);
  EXPECT_EQ(read(), 2U);
}

}  // namespace
}  // namespace ringshift::mmu
