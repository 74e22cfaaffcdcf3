// The Mmu's software translations: rights, coherence (SDM vol. 3, 4.10), code pages, devices.
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x40001000;
constexpr auto R = Access::read, WR = Access::write, F = Access::fetch;

class TlbTest : public ::testing::Test, public TestMemory, public CodeWriteListener {
 protected:
  TlbTest() : tables(*this), mmu(physical, code, nullptr) {
    code.add_listener(*this);
    mmu.set_paging(tables.paging());
  }
  void on_code_write(PhysAddr address, std::uint32_t size) override {
    code_writes.emplace_back(address, size);
    seen_before_write = get<std::uint32_t>(address);
  }
  const TlbEntry* go(Linear linear, Access access, bool user = false) {
    return mmu.translate(linear, access, user, error);
  }
  void load_cr3() { mmu.load_cr3(mmu.paging().cr3, mmu.paging().pdpte); }
  // Physical page that a read reaches; ~0 for a fault.
  PhysAddr page(Linear linear, bool user = false) {
    const TlbEntry* entry = go(linear, R, user);
    return entry != nullptr ? entry->page : ~PhysAddr{0};
  }

  TwoLevel tables;
  Mmu mmu;
  std::uint32_t error = 0;
  std::vector<std::pair<PhysAddr, std::uint32_t>> code_writes;
  std::uint32_t seen_before_write = 0;
};

TEST_F(TlbTest, ReadsAndWritesReachRam) {
  tables.map(kAt, 0x300000 | P | W);
  mmu.write(*go(kAt + 8, WR), kAt + 8, 4, 0x12345678);
  EXPECT_EQ(get<std::uint32_t>(0x300008), 0x12345678U);
  EXPECT_EQ(mmu.read(*go(kAt + 8, R), kAt + 9, 2), 0x3456U);
  EXPECT_EQ(mmu.phys_of(kAt + 8), 0x300008U);
}

TEST_F(TlbTest, AFaultGivesItsErrorCode) {
  EXPECT_EQ(go(kAt, WR, true), nullptr);
  EXPECT_EQ(error, 6U);
  EXPECT_EQ(mmu.stats().page_faults, 1U);
}

TEST_F(TlbTest, ASecondAccessDoesNotWalk) {
  tables.map(kAt, 0x300000 | P);
  EXPECT_EQ(go(kAt, R), go(kAt + 4, R));
  EXPECT_EQ(mmu.stats().tlb_misses, 1U);
}

TEST_F(TlbTest, UserRightsAreCachedApart) {
  tables.map(kAt, 0x300000 | P);
  EXPECT_NE(go(kAt, R, false), nullptr);
  EXPECT_EQ(go(kAt, R, true), nullptr);
  EXPECT_EQ(error, 5U);
}

TEST_F(TlbTest, AWriteAfterAReadSetsDirty) {
  tables.map(kAt, 0x300000 | P | W);
  EXPECT_FALSE(go(kAt, R)->writable);
  EXPECT_EQ(tables.pte(kAt) & D, 0U);
  EXPECT_TRUE(go(kAt, WR)->writable);
  EXPECT_EQ(tables.pte(kAt) & D, D);
}

TEST_F(TlbTest, NotPresentIsNeverCached) {
  EXPECT_EQ(go(kAt, R), nullptr);
  tables.map(kAt, 0x300000 | P);
  EXPECT_NE(go(kAt, R), nullptr);
}

TEST_F(TlbTest, AChangedEntryIsSeenAfterInvlpg) {
  tables.map(kAt, 0x300000 | P | G);
  EXPECT_EQ(page(kAt), 0x300000U);
  tables.set_pte(kAt, 0x301000 | P | G);
  EXPECT_EQ(page(kAt), 0x300000U) << "cached";
  mmu.invlpg(kAt + 0x123);
  EXPECT_EQ(page(kAt), 0x301000U);
}

TEST_F(TlbTest, InvlpgDropsAllPartsOfALargePage) {
  tables.set_pde(kAt, 0x00800000 | P | PS);
  EXPECT_EQ(page(kAt), 0x00801000U);
  EXPECT_EQ(page(kAt + 0x5000), 0x00806000U);
  tables.set_pde(kAt, 0x00C00000 | P | PS);
  mmu.invlpg(kAt + 0x20000);
  EXPECT_EQ(page(kAt), 0x00C01000U);
  EXPECT_EQ(page(kAt + 0x5000), 0x00C06000U);
}

TEST_F(TlbTest, LoadingCr3KeepsGlobalPagesOnly) {
  tables.map(kAt, 0x300000 | P | G);
  tables.map(kAt + 0x1000, 0x301000 | P);
  page(kAt);
  page(kAt + 0x1000);
  tables.set_pte(kAt, 0);
  tables.set_pte(kAt + 0x1000, 0);
  load_cr3();
  EXPECT_EQ(page(kAt), 0x300000U);
  EXPECT_EQ(page(kAt + 0x1000), ~PhysAddr{0});
}

TEST_F(TlbTest, ClearingPgeFlushesGlobalPages) {
  tables.map(kAt, 0x300000 | P | G);
  page(kAt);
  tables.set_pte(kAt, 0);
  PagingState paging = mmu.paging();
  paging.global = false;
  mmu.set_paging(paging);
  EXPECT_EQ(page(kAt), ~PhysAddr{0});
}

TEST_F(TlbTest, TurningPagingOffMakesLinearPhysical) {
  tables.map(kAt, 0x300000 | P);
  tables.map(0x5000, 0x300000 | P);
  page(0x5000);
  mmu.set_paging(PagingState{});
  EXPECT_EQ(page(0x5000), 0x5000U);
}

TEST_F(TlbTest, SupervisorWriteFollowsWp) {
  tables.map(kAt, 0x300000 | P);
  EXPECT_EQ(go(kAt, WR), nullptr);
  EXPECT_EQ(error, 3U);
  PagingState paging = mmu.paging();
  paging.write_protect = false;
  mmu.set_paging(paging);
  EXPECT_NE(go(kAt, WR), nullptr);
}

TEST_F(TlbTest, FetchNeedsExecute) {
  Pae pae(*this);
  pae.map(kAt, 0x300000 | P | NX);
  pae.map(kAt + 0x1000, 0x301000 | P);
  mmu.set_paging(pae.paging());
  EXPECT_NE(go(kAt, R), nullptr);
  EXPECT_EQ(go(kAt, F), nullptr) << "although cached for reading";
  EXPECT_EQ(error, 0x11U);
  EXPECT_NE(go(kAt + 0x1000, F), nullptr);
}

TEST_F(TlbTest, DevicesAreReachedThroughEntriesWithoutHost) {
  tables.map(kAt, static_cast<std::uint32_t>(kMmioAt) | P | W);
  const TlbEntry* entry = go(kAt, R);
  EXPECT_EQ(entry->host, nullptr);
  EXPECT_EQ(mmu.read(*entry, kAt + 4, 4), 0x44332211U);
  mmu.write(*go(kAt, WR), kAt + 8, 2, 0xBEEF);
  const std::vector<TestDevice::Call> expected = {{4, 4, false, 0}, {8, 2, true, 0xBEEF}};
  EXPECT_EQ(device.calls, expected);
}

TEST_F(TlbTest, WritesToRomAreIgnored) {
  put<std::uint32_t>(kRam, 0x12345678);
  tables.map(kAt, static_cast<std::uint32_t>(kRomAt) | P | W);
  mmu.write(*go(kAt, WR), kAt, 4, 0);
  mmu.write(*go(kAt, WR), kAt, 4, 0);
  EXPECT_EQ(mmu.read(*go(kAt, R), kAt, 4), 0x12345678U);
}

TEST_F(TlbTest, WritesToCodeAreAnnouncedBeforeTheyHappen) {
  tables.map(kAt, 0x300000 | P | W);
  mmu.write(*go(kAt, WR), kAt, 4, 1);
  EXPECT_TRUE(code_writes.empty());
  code.set(0x300000);
  mmu.protect_code(0x300000);
  mmu.write(*go(kAt + 4, WR), kAt + 4, 4, 2);
  mmu.write(*go(kAt, WR), kAt, 4, 3);
  const std::vector<std::pair<PhysAddr, std::uint32_t>> expected = {{0x300004, 4}, {0x300000, 4}};
  EXPECT_EQ(code_writes, expected);
  EXPECT_EQ(seen_before_write, 1U);
  EXPECT_EQ(get<std::uint32_t>(0x300000), 3U);
}

TEST_F(TlbTest, LosingItsCodeMakesAPageOrdinaryAgain) {
  tables.map(kAt, 0x300000 | P | W);
  code.set(0x300000);
  mmu.protect_code(0x300000);
  go(kAt, WR);
  code.clear(0x300000);
  mmu.unprotect_code(0x300000);
  EXPECT_TRUE(go(kAt, WR)->writable);
  mmu.write(*go(kAt, WR), kAt, 4, 1);
  EXPECT_TRUE(code_writes.empty());
}

TEST_F(TlbTest, EntriesOfTwoNeighbouringCodePagesAreValidTogether) {
  tables.map(kAt, 0x300000 | P | W);
  tables.map(kAt + 0x1000, 0x305000 | P | W);
  code.set(0x300000);
  code.set(0x305000);
  const TlbEntry* low = go(kAt, WR);
  const TlbEntry* high = go(kAt + 0x1000, WR);
  EXPECT_EQ(low->page, 0x300000U);
  EXPECT_EQ(high->page, 0x305000U);
}

TEST_F(TlbTest, AChangeOfThePhysicalMapIsSeen) {
  tables.map(kAt, 0x300000 | P | W | G);
  EXPECT_NE(go(kAt, R)->host, nullptr);
  TestDevice over;
  physical.add_mmio(0x300000, 0x1000, over);
  mmu.physical_map_changed();
  EXPECT_EQ(go(kAt, R)->host, nullptr);
}

}  // namespace
}  // namespace ringshift::mmu
