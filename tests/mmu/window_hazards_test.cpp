// What goes wrong in shadow page tables, one test for each.
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x40010000;
constexpr auto R = Access::read, WR = Access::write, F = Access::fetch;
constexpr auto kUser = View::user, kSupervisor = View::supervisor, kNoWp = View::supervisor_no_wp;
constexpr std::uint32_t kAll = P | W | U | A | D;

// A pool behind an Mmu, as the runtime has it.
class MmuLab : public TestMemory {
 public:
  MmuLab() : mmu(physical, code, std::get<std::unique_ptr<WindowPool>>(WindowPool::create(physical, code))) {
    mmu.windows()->set_observer(&observer);
  }
  void activate(View view) { mmu.windows()->activate(mmu.paging(), view); }
  void set(const PagingState& paging, View view) {
    mmu.set_paging(paging);
    activate(view);
  }
  Fill fill(Linear linear, Access access) { return mmu.windows()->fill(linear, access).kind; }
  HostRights rights(Linear linear) { return host_rights(mmu.windows()->base(), linear); }
  std::uint32_t load32(Linear linear) {
    std::uint32_t value = 0;
    std::memcpy(&value, mmu.windows()->base() + linear, 4);
    return value;
  }
  TestObserver observer;
  Mmu mmu;
};

// ---- page tables written through a window ------------------------------------------------------------

// The guest has its page table mapped and writes it by a translated store: nothing traps, and the new entry
// counts after INVLPG.
TEST(PageTableWrite, ThroughAWindowCountsAfterInvlpg) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | kAll);
  const auto table = static_cast<std::uint32_t>(tables.pte_at(kAt) & ~0xFFFULL);
  tables.map(0xC0000000, table | P | W | A | D);
  lab.put<std::uint32_t>(0x300000, 3);
  lab.put<std::uint32_t>(0x400000, 4);
  lab.load(tables.paging(), kSupervisor);
  lab.fill(kAt, R);
  lab.fill(0xC0000000, WR);
  EXPECT_EQ(lab.load32(kAt), 3U);
  lab.store(0xC0000000 + (kAt >> 12 & 0x3FF) * 4, 0x400000 | kAll);
  EXPECT_EQ(lab.load32(kAt), 3U) << "a TLB would hold it too";
  lab.invlpg(kAt);
  EXPECT_EQ(lab.load32(kAt), 4U);
}

// The same, with the table written in one address space and used in another.
TEST(PageTableWrite, FromAnotherAddressSpaceCountsWhenItsCr3IsLoaded) {
  WindowLab lab;
  TwoLevel one(lab, 0x100000);
  TwoLevel two(lab, 0x140000);
  one.map(kAt, 0x300000 | kAll);
  two.map(0x8000, static_cast<std::uint32_t>(one.pte_at(kAt) & ~0xFFFULL) | kAll);
  lab.load(one.paging(), kUser);
  lab.fill(kAt, R);
  lab.load(two.paging(), kUser);
  lab.fill(0x8000, WR);
  lab.store(0x8000 + (kAt >> 12 & 0x3FF) * 4, 0);
  lab.load(one.paging(), kUser);
  EXPECT_EQ(lab.rights(kAt), kNone);
}

// A directory that contains itself: the tables appear as pages, and a change of a directory entry changes them.
TEST(PageTableWrite, ThroughASelfMapOfTheDirectory) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | kAll);
  tables.set_pde(0xFFC00000, static_cast<std::uint32_t>(tables.paging().cr3) | P | W | A | D);
  lab.load(tables.paging(), kSupervisor);
  const Linear pte = 0xFFC00000 + (kAt >> 12) * 4;
  lab.fill(kAt, R);
  ASSERT_EQ(lab.fill(pte, WR), Fill::mapped);
  EXPECT_EQ(lab.load32(pte), tables.pte(kAt));
  lab.store(pte, 0);
  lab.invlpg(kAt);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.fill(kAt, R), Fill::page_fault);
}

// ---- a page fault invalidates (SDM vol. 3, 4.10.4.1) ---------------------------------------------------

TEST(PageFault, InvalidatesAStaleTranslation) {
  MmuLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | A);
  lab.set(tables.paging(), kSupervisor);
  lab.fill(kAt, R);
  std::uint32_t error = 0;
  ASSERT_NE(lab.mmu.translate(kAt, R, false, error), nullptr);
  tables.set_pte(kAt, 0);
  EXPECT_EQ(lab.mmu.translate(kAt, WR, false, error), nullptr);
  EXPECT_EQ(error, 2U);
  lab.activate(kSupervisor);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.mmu.translate(kAt, R, false, error), nullptr);
}

TEST(PageFault, OfAPageThatIsAsTheTablesSayCostsNothing) {
  MmuLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | A);
  lab.set(tables.paging(), kSupervisor);
  lab.fill(kAt, R);
  std::uint32_t error = 0;
  EXPECT_EQ(lab.mmu.translate(kAt, WR, false, error), nullptr);
  lab.activate(kSupervisor);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  EXPECT_EQ(lab.mmu.windows()->stats().drops, 0U);
}

// First touch: the kernel maps the page and returns, and the access needs no second fault.
TEST(PageFault, ThePageIsThereWhenTheUserContinues) {
  MmuLab lab;
  TwoLevel tables(lab);
  lab.set(tables.paging(), kUser);
  std::uint32_t error = 0;
  EXPECT_EQ(lab.fill(kAt, WR), Fill::page_fault);
  EXPECT_EQ(lab.mmu.translate(kAt, WR, true, error), nullptr);
  lab.activate(kSupervisor);
  tables.map(kAt, 0x300000 | kAll, P | W | U | A);
  lab.activate(kUser);
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
  EXPECT_EQ(lab.mmu.windows()->stats().prefills, 1U);
  EXPECT_EQ(lab.mmu.windows()->stats().fills, 0U);
}

TEST(PageFault, APageThatTheKernelDidNotMapStaysOut) {
  MmuLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | A | D, P | W | U | A);
  lab.set(tables.paging(), kUser);
  std::uint32_t error = 0;
  EXPECT_EQ(lab.mmu.translate(kAt, WR, true, error), nullptr);
  lab.activate(kSupervisor);
  lab.activate(kUser);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.mmu.windows()->stats().prefills, 0U);
}

// ---- changing the view without the dispatcher ------------------------------------------------------------

class Reactivate : public ::testing::Test, public MmuLab {
 protected:
  Reactivate() : tables(*this) {
    tables.map(kAt, 0x300000 | kAll);
    set(tables.paging(), kUser);
    fill(kAt, R);
    user_id = mmu.windows()->current_id();
    activate(kSupervisor);
  }
  bool to_user() { return mmu.windows()->reactivate(kUser, window); }
  TwoLevel tables;
  std::uint32_t user_id = 0;
  ActiveWindow window;
};

TEST_F(Reactivate, GivesTheWindowOfTheOtherView) {
  EXPECT_TRUE(to_user());
  EXPECT_EQ(window.id, user_id);
  EXPECT_EQ(window.base, mmu.windows()->base());
  EXPECT_EQ(rights(kAt), kReadWrite);
}

TEST_F(Reactivate, RefusesAViewThatWasNotUsedYet) {
  EXPECT_FALSE(mmu.windows()->reactivate(kNoWp, window));
  EXPECT_NE(mmu.windows()->current_id(), user_id) << "nothing has changed";
}

TEST_F(Reactivate, RefusesWhereSomethingMustBeCompared) {
  mmu.invlpg(kAt);
  EXPECT_FALSE(to_user());
  activate(kUser);
  activate(kSupervisor);
  EXPECT_TRUE(to_user());
  mmu.load_cr3(tables.paging().cr3, tables.paging().pdpte);
  EXPECT_FALSE(to_user());
}

TEST_F(Reactivate, RefusesAfterAPageFaultOfTheUser) {
  std::uint32_t error = 0;
  EXPECT_EQ(mmu.translate(kAt + 0x1000, R, true, error), nullptr);
  EXPECT_FALSE(to_user());
}

// ---- control registers -------------------------------------------------------------------------------

TEST(ControlRegisters, TogglingPgeFlushesGlobalPages) {
  MmuLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | kAll | G);
  lab.set(tables.paging(), kSupervisor);
  lab.fill(kAt, R);
  tables.set_pte(kAt, 0);
  PagingState off = tables.paging();
  off.global = false;
  lab.mmu.set_paging(off);
  lab.set(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.rights(kAt), kNone);
}

TEST(ControlRegisters, TogglingPseChangesWhatADirectoryEntryMeans) {
  MmuLab lab;
  TwoLevel tables(lab);
  tables.set_pde(kAt, 0x00800000 | P | W | A | D | PS);
  lab.put<std::uint32_t>(0x00800000 + (kAt >> 12 & 0x3FF) * 4, 0x300000 | P | W | A | D);
  lab.put<std::uint32_t>(0x300000, 3);
  lab.put<std::uint32_t>(0x00800000 + (kAt & 0x3FFFFF), 8);
  for (int round = 0; round < 2; ++round) {
    PagingState paging = tables.paging();
    lab.set(paging, kSupervisor);
    ASSERT_EQ(lab.fill(kAt, R), Fill::mapped);
    EXPECT_EQ(lab.load32(kAt), 8U);
    paging.pse = false;
    lab.set(paging, kSupervisor);
    ASSERT_EQ(lab.fill(kAt, R), Fill::mapped);
    EXPECT_EQ(lab.load32(kAt), 3U);
  }
}

TEST(ControlRegisters, TogglingPaeChangesTheFormat) {
  MmuLab lab;
  TwoLevel narrow(lab);
  Pae wide(lab);
  narrow.map(kAt, 0x300000 | kAll);
  wide.map(kAt, 0x400000 | kAll);
  lab.put<std::uint32_t>(0x300000, 3);
  lab.put<std::uint32_t>(0x400000, 4);
  PagingState pae = wide.paging();
  pae.cr3 = narrow.paging().cr3;
  for (int round = 0; round < 2; ++round) {
    lab.set(narrow.paging(), kSupervisor);
    ASSERT_EQ(lab.fill(kAt, R), Fill::mapped);
    EXPECT_EQ(lab.load32(kAt), 3U);
    lab.set(pae, kSupervisor);
    ASSERT_EQ(lab.fill(kAt, R), Fill::mapped);
    EXPECT_EQ(lab.load32(kAt), 4U);
  }
}

TEST(ControlRegisters, ClearingNxeMakesTheBitReserved) {
  MmuLab lab;
  Pae tables(lab);
  tables.map(kAt, 0x300000 | kAll | NX);
  lab.set(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  PagingState paging = tables.paging();
  paging.nxe = false;
  lab.set(paging, kUser);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.mmu.windows()->fill(kAt, R).error, 0xDU);
}

// Kernels clear CR0.WP for a few instructions: nothing is compared for that, and user code gains nothing.
TEST(ControlRegisters, TogglingWpComparesNothing) {
  MmuLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | U | A | D);
  lab.set(tables.paging(), kUser);
  lab.fill(kAt, R);
  const auto before = lab.mmu.windows()->stats().revalidations;
  PagingState paging = tables.paging();
  std::uint32_t error = 0;
  for (int round = 0; round < 3; ++round) {
    paging.write_protect = false;
    lab.set(paging, kNoWp);
    EXPECT_NE(lab.mmu.translate(kAt, WR, false, error), nullptr);
    EXPECT_EQ(lab.fill(kAt, WR), Fill::mapped);
    EXPECT_EQ(lab.rights(kAt), kReadWrite);
    paging.write_protect = true;
    lab.set(paging, kSupervisor);
    EXPECT_EQ(lab.mmu.translate(kAt, WR, false, error), nullptr);
    EXPECT_EQ(lab.fill(kAt, WR), Fill::page_fault);
    lab.activate(kUser);
    EXPECT_EQ(lab.rights(kAt), kReadOnly);
    EXPECT_EQ(lab.fill(kAt, WR), Fill::page_fault);
  }
  EXPECT_LE(lab.mmu.windows()->stats().revalidations, before + 2) << "the first use of each view";
}

TEST(ControlRegisters, ALoadOfPdptesIsALoadOfRoots) {
  MmuLab lab;
  Pae tables(lab);
  Pae other(lab, 0x280000);
  tables.map(kAt, 0x300000 | kAll);
  other.map(kAt, 0x400000 | kAll);
  lab.put<std::uint32_t>(0x300000, 3);
  lab.put<std::uint32_t>(0x400000, 4);
  lab.set(tables.paging(), kUser);
  lab.fill(kAt, R);
  EXPECT_EQ(lab.load32(kAt), 3U);
  // The same CR3, whose table in memory holds other entries now.
  lab.mmu.load_cr3(tables.paging().cr3, other.paging().pdpte);
  lab.activate(kUser);
  EXPECT_EQ(lab.rights(kAt), kNone);
  lab.fill(kAt, R);
  EXPECT_EQ(lab.load32(kAt), 4U);
  // A PDPTE that is not present takes its GiB away.
  std::uint64_t pdpte[4] = {};
  lab.mmu.load_cr3(tables.paging().cr3, pdpte);
  lab.activate(kUser);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.mmu.windows()->fill(kAt, R).error, 4U);
}

// ---- A and D -----------------------------------------------------------------------------------------

TEST(AccessedDirty, OfALargePageAreSetAnewOnceCleared) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.set_pde(kAt, 0x00800000 | P | W | PS | A | D);
  lab.load(tables.paging(), kSupervisor);
  lab.fill(kAt, WR);
  tables.set_pde(kAt, 0x00800000 | P | W | PS);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.rights(kAt), kNone);
  lab.fill(kAt, R);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  EXPECT_EQ(tables.pde(kAt) & (A | D), A);
}

TEST(AccessedDirty, AClearedAccessedBitOfADirectoryEntryIsSetAnew) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | kAll);
  lab.load(tables.paging(), kSupervisor);
  lab.fill(kAt, R);
  tables.set_pde(kAt, tables.pde(kAt) & ~A);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.rights(kAt), kNone);
  lab.fill(kAt, R);
  EXPECT_EQ(tables.pde(kAt) & A, A);
}

TEST(AccessedDirty, AWriteFillDoesNotDirtyTheOtherViews) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | U);
  lab.load(tables.paging(), kUser);
  lab.fill(kAt, R);
  lab.activate(tables.paging(), kSupervisor);
  lab.fill(kAt, WR);
  EXPECT_EQ(tables.pte(kAt) & D, D);
  lab.activate(tables.paging(), kUser);
  EXPECT_EQ(lab.rights(kAt), kReadOnly) << "correct either way; the next write fills";
  EXPECT_EQ(lab.fill(kAt, WR), Fill::mapped);
}

// ---- no-execute --------------------------------------------------------------------------------------

// Whoever entered the page for execution is told, although its data rights stay.
TEST(NoExecute, GainingTheBitTellsTheObserver) {
  WindowLab lab;
  Pae tables(lab);
  tables.map(kAt, 0x300000 | kAll);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, F), Fill::mapped);
  tables.set_pte(kAt, tables.pte(kAt) | NX);
  lab.load(tables.paging(), kUser);
  const std::vector<TestObserver::Drop> expected = {{lab.pool().current_id(), kAt, 1}};
  EXPECT_EQ(lab.observer.drops, expected);
  EXPECT_EQ(lab.pool().fill(kAt, F).error, 0x15U);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
}

// ---- the edges of the address spaces -------------------------------------------------------------------

TEST(Edges, TheLastPageIsAPageLikeOthers) {
  for (const bool pae : {false, true}) {
    WindowLab lab;
    TwoLevel narrow(lab);
    Pae wide(lab);
    for (Linear linear = 0xFFFF8000; linear != 0; linear += 0x1000) {
      const std::uint32_t entry = (0x300000 + (linear & 0x7FFF)) | kAll;
      narrow.map(linear, entry);
      wide.map(linear, entry);
    }
    const PagingState paging = pae ? wide.paging() : narrow.paging();
    lab.load(paging, kUser);
    EXPECT_EQ(lab.fill(0xFFFFFFFF, WR), Fill::mapped);
    for (Linear linear = 0xFFFF8000; linear != 0; linear += 0x1000) EXPECT_EQ(lab.rights(linear), kReadWrite);
    EXPECT_EQ(lab.rights(0), kNone);
    EXPECT_EQ(host_rights(lab.pool().base() + 0xFFFFFFFF, 1), kNone) << "the guard";
    narrow.set_pte(0xFFFFF000, 0);
    wide.set_pte(0xFFFFF000, 0);
    lab.load(paging, kUser);
    const std::vector<TestObserver::Drop> expected = {{lab.pool().current_id(), 0xFFFFF000, 1}};
    EXPECT_EQ(lab.observer.drops, expected);
    EXPECT_EQ(lab.rights(0xFFFFF000), kNone);
    EXPECT_EQ(lab.rights(0xFFFFE000), kReadWrite);
  }
}

TEST(Edges, TheLastLargePageEndsAtFourGib) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.set_pde(0xFFC00000, 0x00800000 | P | W | PS | A | D);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.fill(0xFFFFFFFF, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(0xFFFFF000), kReadWrite);
  EXPECT_EQ(host_rights(lab.pool().base() + 0xFFFFFFFF, 1), kNone);
}

// Tables at physical address 0: an entry's address of 0 is an address.
TEST(Edges, TheDirectoryMayStandAtAddressZero) {
  WindowLab lab;
  TwoLevel tables(lab, 0);
  tables.map(0x5000, 0x300000 | P | W | U);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(0x5000, R), Fill::mapped);
  EXPECT_EQ(tables.pde(0x5000) & A, A);
  tables.set_pde(0x5000, 0);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.rights(0x5000), kNone);
}

// ---- guests with much memory ---------------------------------------------------------------------------

// 6 GiB: 3 GiB below the devices, the rest above 4 GiB.
TEST(ManyGib, FramesAboveFourGibAreMapped) {
  constexpr std::uint64_t kGib = 1ULL << 30;
  auto created = GuestMemory::create(6 * kGib);
  auto& memory = std::get<GuestMemory>(created);
  PhysicalMap physical(memory);
  physical.add_ram(0, 3 * kGib, 0);
  physical.add_ram(4 * kGib, 3 * kGib, 3 * kGib);
  CodePages code(7 * kGib);
  auto pool = std::get<std::unique_ptr<WindowPool>>(WindowPool::create(physical, code));
  PagingState paging;
  paging.enabled = paging.pae = paging.nxe = true;
  paging.pdpte[1] = 0x1000 | P;
  const PhysAddr high = 7 * kGib - 0x3000;
  physical.write(0x1000, 8, 0x2000 | kAll);
  physical.write(0x2000, 8, high | kAll);
  physical.write(0x1000 + 8, 8, 5 * kGib | P | W | U | A | D | PS);  // 2 MiB
  physical.write(0x1000 + 16, 8, (3 * kGib - 0x200000) | P | W | U | A | D | PS);
  physical.write(0x1000 + 24, 8, 3 * kGib | P | W | U | A | D | PS);  // nothing there
  pool->cr3_loaded();
  pool->activate(paging, kUser);
  physical.write(high + 8, 4, 77);
  physical.write(5 * kGib + 0x12340, 4, 88);
  physical.write(3 * kGib - 4, 4, 99);
  const auto load = [&](Linear linear) { return *reinterpret_cast<std::uint32_t*>(pool->base() + linear); };
  ASSERT_EQ(pool->fill(0x40000000, WR).address, high);
  EXPECT_EQ(load(0x40000008), 77U);
  ASSERT_EQ(pool->fill(0x40212340, WR).kind, Fill::mapped);
  EXPECT_EQ(load(0x40212340), 88U);
  ASSERT_EQ(pool->fill(0x405FFFFC, WR).kind, Fill::mapped);
  EXPECT_EQ(load(0x405FFFFC), 99U);
  EXPECT_EQ(pool->fill(0x40600000, R).kind, Fill::emulate);

  code.set(high);
  pool->protect_code(high);
  EXPECT_EQ(host_rights(pool->base(), 0x40000000), kReadOnly);
  code.set(5 * kGib + 0x12000);
  pool->protect_code(5 * kGib + 0x12000);
  EXPECT_EQ(host_rights(pool->base(), 0x40212000), kReadOnly);
  EXPECT_EQ(host_rights(pool->base(), 0x40213000), kReadWrite);
}

}  // namespace
}  // namespace ringshift::mmu
