// The page walker against SDM vol. 3, 4.3 (two-level), 4.4 (PAE), 4.6 (rights), 4.7 (error codes), 4.8 (A, D).
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x12345678;
constexpr PhysAddr kFrame = 0x00456000;
constexpr auto R = Access::read, WR = Access::write, F = Access::fetch;

// kOk or an error code.
constexpr std::uint32_t kOk = 0xFFFFFFFF;
std::uint32_t outcome(const Walk& result) { return result.ok ? kOk : result.error; }

TEST(PageWalk, PagingOffIsIdentityWithAllRights) {
  TestMemory m;
  const Walk result = walk(m.physical, PagingState{}, 0xFFFFF123, WR, true);
  EXPECT_TRUE(result.ok && result.writable && result.user && result.dirty);
  EXPECT_EQ(result.address, 0xFFFFF123U);
}

TEST(PageWalk, TwoLevelTranslates) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P);
  const Walk result = walk(m.physical, tables.paging(), kAt, R, false);
  ASSERT_TRUE(result.ok);
  EXPECT_EQ(result.address, kFrame | 0x678);
  EXPECT_EQ(result.page_size, 0x1000U);
  EXPECT_EQ(result.entry_address, tables.pte_at(kAt));
  EXPECT_EQ(result.upper_address, tables.pde_at(kAt));
  EXPECT_EQ(result.entry_value, tables.pte(kAt));
  EXPECT_EQ(result.upper_value, tables.pde(kAt));
}

struct RightsRow {
  std::uint32_t pde, pte;
  bool wp;
  Access access;
  bool user;
  std::uint32_t outcome;
};
// Error code: 1 protection (else not present), 2 write, 4 user.
constexpr RightsRow kRights[] = {
    {0, P, true, R, false, 0},                    // PDE not present
    {P, 0, true, R, false, 0},                    // PTE not present
    {P, 0, true, WR, false, 2},                   //
    {P, 0, true, R, true, 4},                     //
    {P, 0, true, WR, true, 6},                    //
    {P, 0, true, F, true, 4},                     // no I/D bit without NXE
    {P | U, P | U, true, R, true, kOk},           //
    {P, P | U, true, R, true, 5},                 // both levels must say U
    {P | U, P, true, R, true, 5},                 //
    {P | U, P, true, F, true, 5},                 //
    {P, P, true, R, false, kOk},                  //
    {P | U, P | U, true, R, false, kOk},          // a supervisor reads user pages
    {P | W | U, P | W | U, true, WR, true, kOk},  //
    {P | U, P | W | U, true, WR, true, 7},        // both levels must say W
    {P | W | U, P | U, true, WR, true, 7},        //
    {P | W | U, P | U, false, WR, true, 7},       // WP does not concern users
    {P | W, P | W, true, WR, false, kOk},         //
    {P | W, P, true, WR, false, 3},               // WP = 1
    {P, P | W, true, WR, false, 3},               //
    {P | W, P, false, WR, false, kOk},            // WP = 0: a supervisor writes anywhere
    {P, P, false, WR, false, kOk},                //
    {P | U, P | U, true, WR, false, 3},           //
};

TEST(PageWalk, RightsTwoLevel) {
  for (const RightsRow& row : kRights) {
    TestMemory m;
    TwoLevel tables(m);
    tables.set_pde(kAt, 0x101000U | row.pde);
    m.put<std::uint32_t>(0x101000 + (kAt >> 12 & 0x3FF) * 4, static_cast<std::uint32_t>(kFrame) | row.pte);
    PagingState paging = tables.paging();
    paging.write_protect = row.wp;
    EXPECT_EQ(outcome(walk(m.physical, paging, kAt, row.access, row.user)), row.outcome) << &row - kRights;
  }
}

TEST(PageWalk, RightsPae) {
  for (const RightsRow& row : kRights) {
    TestMemory m;
    Pae tables(m);
    tables.set_pde(kAt, 0x210000U | row.pde);
    m.put<std::uint64_t>(0x210000 + (kAt >> 12 & 0x1FF) * 8, kFrame | row.pte);
    PagingState paging = tables.paging();
    paging.write_protect = row.wp;
    paging.nxe = false;
    EXPECT_EQ(outcome(walk(m.physical, paging, kAt, row.access, row.user)), row.outcome) << &row - kRights;
  }
}

TEST(PageWalk, RightsLargePages) {
  // One entry decides: rows whose two levels agree.
  for (const RightsRow& row : kRights) {
    if (row.pde != row.pte) continue;
    TestMemory m;
    TwoLevel tables(m);
    tables.set_pde(kAt, 0x00800000U | PS | row.pde);
    PagingState paging = tables.paging();
    paging.write_protect = row.wp;
    EXPECT_EQ(outcome(walk(m.physical, paging, kAt, row.access, row.user)), row.outcome) << &row - kRights;
  }
}

TEST(PageWalk, FourMibPage) {
  TestMemory m;
  TwoLevel tables(m);
  tables.set_pde(kAt, 0x00800000U | P | W | PS);
  const Walk result = walk(m.physical, tables.paging(), kAt, WR, false);
  ASSERT_TRUE(result.ok);
  EXPECT_EQ(result.address, 0x00800000U | (kAt & 0x3FFFFF));
  EXPECT_EQ(result.page_size, 0x400000U);
  EXPECT_EQ(result.upper_address, 0U);
  EXPECT_EQ(tables.pde(kAt), 0x00800000U | P | W | PS | A | D);
}

TEST(PageWalk, WithoutPseBit7OfAPdeIsIgnored) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P, P | PS);
  PagingState paging = tables.paging();
  paging.pse = false;
  EXPECT_EQ(walk(m.physical, paging, kAt, R, false).address, kFrame | 0x678);
}

TEST(PageWalk, Pse36PutsBits16To13IntoAddressBits35To32) {
  TestMemory m;
  TwoLevel tables(m);
  tables.set_pde(kAt, 0x00800000U | (0xBU << 13) | P | PS);
  EXPECT_EQ(walk(m.physical, tables.paging(), kAt, R, false).address, 0xB00800000U | (kAt & 0x3FFFFF));
}

TEST(PageWalk, ReservedBitsOfAFourMibPageFault) {
  for (unsigned bit = 17; bit <= 21; ++bit) {
    TestMemory m;
    TwoLevel tables(m);
    tables.set_pde(kAt, P | W | U | PS | (1U << bit));
    EXPECT_EQ(walk(m.physical, tables.paging(), kAt, WR, true).error, 15U) << bit;
    EXPECT_EQ(walk(m.physical, tables.paging(), kAt, R, false).error, 9U) << bit;
  }
}

TEST(PageWalk, WithoutPse36AllBitsBelowTheAddressAreReserved) {
  for (unsigned bit = 12; bit <= 21; ++bit) {
    TestMemory m;
    TwoLevel tables(m);
    PagingState paging = tables.paging();
    paging.pse36 = false;
    tables.set_pde(kAt, P | W | U | PS);
    EXPECT_TRUE(walk(m.physical, paging, kAt, R, false).ok);
    tables.set_pde(kAt, P | W | U | PS | (1U << bit));
    EXPECT_EQ(walk(m.physical, paging, kAt, R, false).error, 9U) << bit;
  }
}

TEST(PageWalk, PatBitOfAFourMibPageIsNotReserved) {
  TestMemory m;
  TwoLevel tables(m);
  tables.set_pde(kAt, P | PS | (1U << 12));
  EXPECT_TRUE(walk(m.physical, tables.paging(), kAt, R, false).ok);
}

TEST(PageWalk, PaeTranslates) {
  TestMemory m;
  Pae tables(m);
  for (const Linear linear : {0x12345678U, 0x52345678U, 0x92345678U, 0xFFFFFFFFU}) {
    tables.map(linear, 0x800000000U | P);
    const Walk result = walk(m.physical, tables.paging(), linear, R, false);
    ASSERT_TRUE(result.ok);
    EXPECT_EQ(result.address, 0x800000000U | (linear & 0xFFF));
    EXPECT_EQ(result.page_size, 0x1000U);
  }
}

TEST(PageWalk, PaeMissingPdpteIsNotPresent) {
  TestMemory m;
  Pae tables(m);
  tables.map(kAt, kFrame | P);
  PagingState paging = tables.paging();
  paging.pdpte[0] = 0;
  EXPECT_EQ(outcome(walk(m.physical, paging, kAt, WR, true)), 6U);
}

TEST(PageWalk, TwoMibPageNeedsNoPse) {
  TestMemory m;
  Pae tables(m);
  tables.set_pde(kAt, 0x00600000U | P | W | PS);
  const Walk result = walk(m.physical, tables.paging(), kAt, R, false);
  ASSERT_TRUE(result.ok);
  EXPECT_EQ(result.address, 0x00600000U | (kAt & 0x1FFFFF));
  EXPECT_EQ(result.page_size, 0x200000U);
}

TEST(PageWalk, PaeReservedBitsFault) {
  for (unsigned bit = 36; bit <= 62; ++bit) {
    const std::uint64_t reserved = std::uint64_t{1} << bit;
    TestMemory m;
    Pae tables(m);
    tables.map(kAt, kFrame | P | U | reserved);
    EXPECT_EQ(walk(m.physical, tables.paging(), kAt, R, true).error, 13U) << bit;
    tables.set_pte(kAt, kFrame | P | U);
    tables.set_pde(kAt, tables.pde(kAt) | reserved);
    EXPECT_EQ(walk(m.physical, tables.paging(), kAt, R, true).error, 13U) << bit;
  }
  for (unsigned bit = 13; bit <= 20; ++bit) {
    TestMemory m;
    Pae tables(m);
    tables.set_pde(kAt, P | PS | (std::uint64_t{1} << bit));
    EXPECT_EQ(walk(m.physical, tables.paging(), kAt, WR, false).error, 11U) << bit;
  }
}

TEST(PageWalk, ReservedBitsOfAnEntryThatIsNotPresentDoNotCount) {
  TestMemory m;
  Pae tables(m);
  tables.map(kAt, std::uint64_t{1} << 40);
  EXPECT_EQ(walk(m.physical, tables.paging(), kAt, R, false).error, 0U);
}

struct NxRow {
  std::uint64_t pde, pte;
  bool nxe;
  Access access;
  std::uint32_t outcome;
};

TEST(PageWalk, NoExecute) {
  constexpr NxRow kRows[] = {
      {0, NX, true, F, 0x15},  // 0x10: fetch
      {NX, 0, true, F, 0x15},  // either level
      {0, NX, true, R, kOk},   // data is not concerned
      {0, 0, true, F, kOk},    //
      {0, NX, false, F, 0xD},  // NXE = 0: a reserved bit, and no fetch bit in the code
      {0, NX, false, R, 0xD},  //
      {NX, 0, false, R, 0xD},  //
  };
  for (const NxRow& row : kRows) {
    TestMemory m;
    Pae tables(m);
    tables.map(kAt, kFrame | P | U | row.pte, P | U | row.pde);
    PagingState paging = tables.paging();
    paging.nxe = row.nxe;
    EXPECT_EQ(outcome(walk(m.physical, paging, kAt, row.access, true)), row.outcome) << &row - kRows;
  }
}

TEST(PageWalk, NotPresentFetchReportsTheFetchBitOnlyWithNxe) {
  TestMemory m;
  Pae tables(m);
  PagingState paging = tables.paging();
  EXPECT_EQ(walk(m.physical, paging, kAt, F, true).error, 0x14U);
  paging.nxe = false;
  EXPECT_EQ(walk(m.physical, paging, kAt, F, true).error, 4U);
  PagingState two_level = TwoLevel(m).paging();
  two_level.nxe = true;
  EXPECT_EQ(walk(m.physical, two_level, kAt, F, true).error, 4U);
}

TEST(PageWalk, ReadSetsAccessedInBothLevels) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P | W);
  const Walk result = walk(m.physical, tables.paging(), kAt, R, false);
  EXPECT_EQ(tables.pte(kAt), kFrame | P | W | A);
  EXPECT_EQ(tables.pde(kAt) & 0xFFF, P | W | U | A);
  EXPECT_FALSE(result.dirty);
}

TEST(PageWalk, WriteSetsDirtyInTheLastLevelOnly) {
  TestMemory m;
  Pae tables(m);
  tables.map(kAt, kFrame | P | W);
  EXPECT_TRUE(walk(m.physical, tables.paging(), kAt, WR, false).dirty);
  EXPECT_EQ(tables.pte(kAt), kFrame | P | W | A | D);
  EXPECT_EQ(tables.pde(kAt) & 0xFFF, P | W | U | A);
}

TEST(PageWalk, AFaultSetsNoBits) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P | U);
  EXPECT_FALSE(walk(m.physical, tables.paging(), kAt, WR, true).ok);
  EXPECT_EQ(tables.pte(kAt), kFrame | P | U);
  EXPECT_EQ(tables.pde(kAt) & A, 0U);
}

TEST(PageWalk, GlobalOnlyWithPge) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P | G);
  PagingState paging = tables.paging();
  EXPECT_TRUE(walk(m.physical, paging, kAt, R, false).global);
  paging.global = false;
  EXPECT_FALSE(walk(m.physical, paging, kAt, R, false).global);
}

TEST(PageWalk, GlobalBitOfAPdeAboveATableIsIgnored) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P, P | G);
  EXPECT_FALSE(walk(m.physical, tables.paging(), kAt, R, false).global);
}

TEST(PageWalk, Cr3FlagsAreNotPartOfTheAddress) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P);
  PagingState paging = tables.paging();
  paging.cr3 |= 0xFFF;
  EXPECT_TRUE(walk(m.physical, paging, kAt, R, false).ok);
}

TEST(PageWalk, ProbeChecksNoRightsAndSetsNoBits) {
  TestMemory m;
  TwoLevel tables(m);
  tables.map(kAt, kFrame | P, P);
  const Walk result = probe(m.physical, tables.paging(), kAt);
  EXPECT_TRUE(result.ok);
  EXPECT_EQ(result.address, kFrame | 0x678);
  EXPECT_EQ(tables.pte(kAt), kFrame | P);
  EXPECT_FALSE(probe(m.physical, tables.paging(), 0x90000000).ok);
}

TEST(PageWalk, TablesInRomAreReadAndLeftAlone) {
  TestMemory m;
  TwoLevel tables(m);
  tables.set_pde(kAt, static_cast<std::uint32_t>(kRomAt) | P | W | A);
  const PhysAddr pte_in_file = kRam + (kAt >> 12 & 0x3FF) * 4;
  m.put<std::uint32_t>(pte_in_file, kFrame | P | W);
  EXPECT_EQ(walk(m.physical, tables.paging(), kAt, WR, false).address, kFrame | 0x678);
  EXPECT_EQ(m.get<std::uint32_t>(pte_in_file), kFrame | P | W);
}

}  // namespace
}  // namespace ringshift::mmu
