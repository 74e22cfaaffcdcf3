// Windows follow the architecture's rules for cached translations (SDM vol. 3, 4.10).
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x40010000;
constexpr auto R = Access::read, WR = Access::write;
constexpr auto kUser = View::user, kSupervisor = View::supervisor;
constexpr std::uint32_t kAll = P | W | U | A | D;

class Coherence : public ::testing::Test, public WindowLab {
 protected:
  Coherence() : tables(*this) {}
  // Pages kAt, kAt + 0x1000, ... at 0x300000, 0x301000, ...
  void map_and_fill(std::uint32_t pages, std::uint32_t bits) {
    for (std::uint32_t i = 0; i < pages; ++i) tables.map(at(i), (0x300000 + i * 0x1000) | bits);
    load(tables.paging(), kUser);
    for (std::uint32_t i = 0; i < pages; ++i) ASSERT_EQ(fill(at(i), R), Fill::mapped);
    observer.drops.clear();
    observer.wiped.clear();
  }
  static Linear at(std::uint32_t page) { return kAt + page * 0x1000; }
  void reload() { load(tables.paging(), kUser); }
  TwoLevel tables;
};

TEST_F(Coherence, InvlpgDropsAPageThatIsGone) {
  map_and_fill(3, kAll);
  tables.set_pte(at(1), 0);
  EXPECT_EQ(rights(at(1)), kReadWrite) << "no invalidation yet";
  invlpg(at(1) + 0x123);
  EXPECT_EQ(rights(at(0)), kReadWrite);
  EXPECT_EQ(rights(at(1)), kNone);
  EXPECT_EQ(rights(at(2)), kReadWrite);
  const std::vector<TestObserver::Drop> expected = {{pool().current_id(), at(1), 1}};
  EXPECT_EQ(observer.drops, expected);
}

// Copy on write: the next access needs no fault.
TEST_F(Coherence, InvlpgReplacesAPageThatMoved) {
  map_and_fill(3, kAll);
  tables.set_pte(at(1), 0x400000 | kAll);
  put<std::uint32_t>(0x400000, 4);
  invlpg(at(1));
  EXPECT_EQ(rights(at(1)), kReadWrite);
  EXPECT_EQ(load32(at(1)), 4U);
  const std::vector<TestObserver::Drop> expected = {{pool().current_id(), at(1), 1}};
  EXPECT_EQ(observer.drops, expected);
  EXPECT_EQ(pool().stats().prefills, 1U);
}

TEST_F(Coherence, InvlpgSetsNoBitsAndGrantsNoMoreThanTheViewMay) {
  map_and_fill(3, kAll);
  const std::uint32_t entries[3] = {0x400000 | P | W | U | D, 0x401000 | P | W | U | A, 0x402000 | P | W | A | D};
  for (std::uint32_t i = 0; i < 3; ++i) {
    tables.set_pte(at(i), entries[i]);
    invlpg(at(i));
  }
  EXPECT_EQ(rights(at(0)), kNone) << "not accessed";
  EXPECT_EQ(rights(at(1)), kReadOnly) << "not dirty";
  EXPECT_EQ(rights(at(2)), kNone) << "the supervisor's";
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(tables.pte(at(i)), entries[i]);
}

// A range is invalidated page by page; the first of them finds all stale neighbours.
TEST_F(Coherence, InvlpgDropsStaleNeighboursAtOnce) {
  map_and_fill(16, kAll);
  for (std::uint32_t i = 4; i < 12; ++i) tables.set_pte(at(i), 0);
  for (std::uint32_t i = 4; i < 12; ++i) invlpg(at(i));
  const std::vector<TestObserver::Drop> expected = {{pool().current_id(), at(4), 8}};
  EXPECT_EQ(observer.drops, expected);
}

TEST_F(Coherence, InvlpgReachesTheOtherViewOfTheSameTables) {
  map_and_fill(1, kAll);
  activate(tables.paging(), kSupervisor);
  fill(at(0), R);
  tables.set_pte(at(0), 0);
  invlpg(at(0));
  EXPECT_EQ(rights(at(0)), kNone);
  activate(tables.paging(), kUser);
  EXPECT_EQ(rights(at(0)), kNone);
}

TEST_F(Coherence, ManyInvlpgsAreAnsweredByOneComparison) {
  map_and_fill(512, kAll);
  activate(tables.paging(), kSupervisor);
  for (std::uint32_t i = 0; i < 512; i += 2) tables.set_pte(at(i), 0);
  const auto before = pool().stats().revalidations;
  for (std::uint32_t i = 0; i < 512; i += 2) invlpg(at(i));
  activate(tables.paging(), kUser);
  EXPECT_EQ(pool().stats().revalidations, before + 1);
  for (std::uint32_t i = 0; i < 512; ++i) EXPECT_EQ(rights(at(i)), i % 2 == 0 ? kNone : kReadWrite) << i;
}

TEST_F(Coherence, ACr3LoadDropsExactlyTheChangedPages) {
  map_and_fill(64, kAll);
  tables.set_pte(at(5), 0);                            // unmapped
  tables.set_pte(at(9), 0x500000 | kAll);              // moved
  tables.set_pte(at(20), tables.pte(at(20)) & ~A);     // aged: A must be seen to come again
  tables.set_pte(at(30), tables.pte(at(30)) & ~U);     // taken from the user
  tables.set_pte(at(40), tables.pte(at(40)) | 0xE18);  // caching and available bits: no matter
  reload();
  for (std::uint32_t i = 0; i < 64; ++i) {
    const bool changed = i == 5 || i == 9 || i == 20 || i == 30;
    EXPECT_EQ(rights(at(i)), changed ? kNone : kReadWrite) << i;
  }
  EXPECT_EQ(pool().stats().drops, 4U);
  EXPECT_EQ(observer.drops.size(), 4U);
}

TEST_F(Coherence, UnchangedTablesCostNoUnmapping) {
  map_and_fill(64, kAll);
  reload();
  EXPECT_EQ(pool().stats().drops, 0U);
  EXPECT_TRUE(observer.drops.empty());
}

TEST_F(Coherence, NeighbouringChangesAreDroppedTogether) {
  map_and_fill(16, kAll);
  for (std::uint32_t i = 4; i < 12; ++i) tables.set_pte(at(i), 0);
  reload();
  const std::vector<TestObserver::Drop> expected = {{pool().current_id(), at(4), 8}};
  EXPECT_EQ(observer.drops, expected);
}

TEST_F(Coherence, LosingTheRightToWriteKeepsThePageReadable) {
  map_and_fill(16, kAll);
  for (std::uint32_t i = 0; i < 16; i += 2) tables.set_pte(at(i), tables.pte(at(i)) & ~W);  // as fork does
  reload();
  for (std::uint32_t i = 0; i < 16; ++i) EXPECT_EQ(rights(at(i)), i % 2 == 0 ? kReadOnly : kReadWrite) << i;
  EXPECT_EQ(pool().fill(at(0), WR).error, 7U);
  EXPECT_TRUE(observer.drops.empty());
  tables.set_pte(at(0), tables.pte(at(0)) | W);
  reload();
  EXPECT_EQ(fill(at(0), WR), Fill::mapped);
  EXPECT_EQ(rights(at(0)), kReadWrite);
}

TEST_F(Coherence, AClearedDirtyBitIsSetAgainByTheNextWrite) {
  map_and_fill(1, kAll);
  tables.set_pte(at(0), tables.pte(at(0)) & ~D);
  reload();
  EXPECT_EQ(rights(at(0)), kReadOnly);
  EXPECT_EQ(fill(at(0), WR), Fill::mapped);
  EXPECT_EQ(tables.pte(at(0)) & D, D);
}

TEST_F(Coherence, ADirtyBitSetBehindOurBackIsNoChange) {
  map_and_fill(1, P | W | U);
  tables.set_pte(at(0), tables.pte(at(0)) | D);
  reload();
  EXPECT_EQ(rights(at(0)), kReadOnly);
  tables.set_pte(at(0), tables.pte(at(0)) & ~D);
  reload();
  EXPECT_EQ(rights(at(0)), kReadOnly);
  EXPECT_EQ(pool().stats().drops, 0U);
}

TEST_F(Coherence, GlobalPagesSurviveACr3Load) {
  map_and_fill(2, kAll | G);
  tables.set_pte(at(0), 0);
  reload();
  EXPECT_EQ(rights(at(0)), kReadWrite);
  invlpg(at(0));
  EXPECT_EQ(rights(at(0)), kNone);
  EXPECT_EQ(rights(at(1)), kReadWrite);
}

TEST_F(Coherence, AGlobalAndALocalPageOfOneTableAreToldApart) {
  map_and_fill(1, kAll | G);
  map_and_fill(0, 0);
  tables.map(at(1), 0x301000 | kAll);
  fill(at(1), R);
  tables.set_pte(at(0), 0);
  tables.set_pte(at(1), 0);
  reload();
  EXPECT_EQ(rights(at(0)), kReadWrite);
  EXPECT_EQ(rights(at(1)), kNone);
}

TEST_F(Coherence, WithoutPgeTheGlobalBitMeansNothing) {
  map_and_fill(1, kAll | G);
  PagingState paging = tables.paging();
  paging.global = false;
  pool().flush_all();
  activate(paging, kUser);
  EXPECT_EQ(rights(at(0)), kReadWrite) << "still as the tables say";
  tables.set_pte(at(0), 0);
  load(paging, kUser);
  EXPECT_EQ(rights(at(0)), kNone);
}

TEST_F(Coherence, FlushAllSeesChangedGlobalPages) {
  map_and_fill(2, kAll | G);
  tables.set_pte(at(0), 0);
  pool().flush_all();
  activate(tables.paging(), kUser);
  EXPECT_EQ(rights(at(0)), kNone);
  EXPECT_EQ(rights(at(1)), kReadWrite);
}

TEST_F(Coherence, InvlpgOfAGlobalPageReachesWindowsThatAreNotInUse) {
  TwoLevel other(*this, 0x180000);
  map_and_fill(2, kAll | G);
  const std::uint32_t id = pool().current_id();
  load(other.paging(), kUser);
  EXPECT_NE(pool().current_id(), id);
  tables.set_pte(at(0), 0);
  tables.set_pte(at(1), 0);
  invlpg(at(0));
  reload();
  EXPECT_EQ(pool().current_id(), id);
  EXPECT_EQ(rights(at(0)), kNone);
}

TEST_F(Coherence, AChangedDirectoryEntryDropsItsWholeSlot) {
  map_and_fill(8, kAll);
  fill(at(0), R);
  const std::uint32_t old = tables.pde(kAt);
  tables.set_pde(kAt, 0x190000 | kAll);  // another page table
  reload();
  for (std::uint32_t i = 0; i < 8; ++i) EXPECT_EQ(rights(at(i)), kNone) << i;
  tables.set_pde(kAt, old);
}

TEST_F(Coherence, AReusedPageTableIsNotTrusted) {
  map_and_fill(2, kAll);
  const PhysAddr table = tables.pte_at(kAt);
  for (std::uint32_t i = 0; i < 1024; ++i) put<std::uint32_t>((table & ~0xFFFULL) + i * 4, 0x5A5A5A5A);
  reload();
  EXPECT_EQ(rights(at(0)), kNone);
  EXPECT_EQ(rights(at(1)), kNone);
}

TEST_F(Coherence, ALargePageIsComparedThroughItsDirectoryEntry) {
  tables.set_pde(0xC0000000, 0x00800000 | P | W | U | PS | D);
  tables.set_pde(0xC0400000, 0x00C00000 | P | W | U | PS | D | G);
  reload();
  fill(0xC0000000, R);
  fill(0xC0400000, R);
  tables.set_pde(0xC0000000, 0x01000000 | P | W | U | PS | D);
  tables.set_pde(0xC0400000, 0x01000000 | P | W | U | PS | D);
  reload();
  EXPECT_EQ(rights(0xC0000000), kNone);
  EXPECT_EQ(rights(0xC03FF000), kNone);
  EXPECT_EQ(rights(0xC0400000), kReadWrite) << "global";
  invlpg(0xC0412345);
  EXPECT_EQ(rights(0xC0400000), kNone);
}

TEST_F(Coherence, ALargePageSplitIntoSmallOnesIsDropped) {
  tables.set_pde(kAt, 0x00800000 | P | W | U | PS | D);
  reload();
  fill(kAt, R);
  tables.set_pde(kAt, 0);
  tables.map(kAt, 0x300000 | kAll);
  reload();
  EXPECT_EQ(rights(kAt), kNone);
  put<std::uint32_t>(0x300000, 3);
  fill(kAt, R);
  EXPECT_EQ(load32(kAt), 3U);
  EXPECT_EQ(rights(kAt + 0x1000), kNone);
}

TEST_F(Coherence, AFaultNextToAStaleDirectoryEntryStartsTheSlotAnew) {
  map_and_fill(2, kAll);
  TwoLevel scratch(*this, 0x1A0000);
  scratch.map(at(2), 0x600000 | kAll);
  tables.set_pde(kAt, scratch.pde(kAt));
  EXPECT_EQ(fill(at(2), R), Fill::mapped);
  EXPECT_EQ(rights(at(0)), kNone);
  EXPECT_EQ(rights(at(2)), kReadWrite);
}

TEST_F(Coherence, AFaultOnAMovedPageTellsTheObserver) {
  map_and_fill(1, P | W | U);
  tables.set_pte(at(0), 0x400000 | P | W | U);
  EXPECT_EQ(fill(at(0), WR), Fill::mapped);
  EXPECT_EQ(observer.drops.size(), 1U);
  store(at(0), 7);
  EXPECT_EQ(get<std::uint32_t>(0x400000), 7U);
}

TEST_F(Coherence, PaeIsComparedLikewise) {
  Pae pae(*this);
  for (std::uint32_t i = 0; i < 64; ++i) pae.map(at(i), (0x300000 + i * 0x1000) | kAll);
  pae.map(0xC0000000, 0x500000 | kAll | G);
  load(pae.paging(), kUser);
  for (std::uint32_t i = 0; i < 64; ++i) fill(at(i), R);
  fill(0xC0000000, R);
  pae.set_pte(at(7), pae.pte(at(7)) | std::uint64_t{1} << 33);  // above 4 GiB
  pae.set_pte(at(8), pae.pte(at(8)) | NX);
  pae.set_pte(0xC0000000, 0);
  load(pae.paging(), kUser);
  EXPECT_EQ(rights(at(6)), kReadWrite);
  EXPECT_EQ(rights(at(7)), kNone);
  EXPECT_EQ(rights(at(8)), kNone);
  EXPECT_EQ(rights(0xC0000000), kReadWrite);
}

TEST_F(Coherence, WindowsOfTwoProcessesKeepTheirPages) {
  TwoLevel other(*this, 0x180000);
  other.map(kAt, 0x700000 | kAll);
  map_and_fill(1, kAll);
  load(other.paging(), kUser);
  fill(kAt, R);
  EXPECT_EQ(pool().stats().fills, 2U);
  put<std::uint32_t>(0x300000, 3);
  put<std::uint32_t>(0x700000, 7);
  for (int i = 0; i < 3; ++i) {
    reload();
    EXPECT_EQ(load32(kAt), 3U);
    load(other.paging(), kUser);
    EXPECT_EQ(load32(kAt), 7U);
  }
  EXPECT_EQ(pool().stats().fills, 2U);
}

TEST_F(Coherence, ChangingTheViewDoesNotCompare) {
  map_and_fill(1, kAll);
  activate(tables.paging(), kSupervisor);
  const auto before = pool().stats().revalidations;
  for (int i = 0; i < 10; ++i) {
    activate(tables.paging(), kUser);
    activate(tables.paging(), kSupervisor);
  }
  EXPECT_EQ(pool().stats().revalidations, before);
}

TEST_F(Coherence, AChangeOfThePhysicalMapEmptiesWindows) {
  map_and_fill(1, kAll | G);
  TestDevice over;
  physical.add_mmio(0x300000, 0x1000, over);
  pool().flush_all();
  activate(tables.paging(), kUser);
  EXPECT_EQ(fill(at(0), R), Fill::emulate);
  EXPECT_EQ(rights(at(0)), kNone);
}

TEST_F(Coherence, PagingOffAndOnAgainKeepsBothWindows) {
  map_and_fill(1, kAll);
  pool().flush_all();
  activate(PagingState{}, kSupervisor);
  fill(0x300000, WR);
  store(0x300000, 11);
  pool().flush_all();
  activate(tables.paging(), kUser);
  EXPECT_EQ(load32(at(0)), 11U);
}

}  // namespace
}  // namespace ringshift::mmu
