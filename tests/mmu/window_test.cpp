// What a fault in a window maps, with which rights.
#include <sys/mman.h>

#include <algorithm>

#include "mmu/reservation.h"
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x40010000;  // first of its group of 8 pages
constexpr auto R = Access::read, WR = Access::write, F = Access::fetch;
constexpr auto kUser = View::user, kSupervisor = View::supervisor, kNoWp = View::supervisor_no_wp;

TEST(Window, IsAlignedAndGuarded) {
  WindowLab lab;
  std::uint8_t* base = lab.pool().base();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(base) & 0xFFFFFFFFU, 0U);
  lab.activate(PagingState{}, kSupervisor);
  EXPECT_TRUE(lab.pool().contains(base));
  EXPECT_TRUE(lab.pool().contains(base + 0xFFFFFFFF));
  EXPECT_FALSE(lab.pool().contains(base - 1));
  EXPECT_FALSE(lab.pool().contains(base + 0x100000000));
  EXPECT_EQ(host_rights(base - 0x10000, 0), kNone);
  EXPECT_EQ(host_rights(base + 0xFFFFFFFF, 0x10000), kNone);
}

// The unmapped parts of a window are holes; the kernel must not put a mapping of ours there by its own choice.
TEST(Window, NothingElseIsEverMappedInIt) {
  WindowLab lab;
  const auto window = reinterpret_cast<std::uintptr_t>(lab.pool().base());
  constexpr std::uint64_t kReserved = std::uint64_t{1} << 40;
  std::vector<void*> areas;
  for (unsigned i = 0; i < 40; ++i) {
    void* area = mmap(nullptr, i % 2 == 0 ? kReserved : kPageSize, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(area, MAP_FAILED) << i;
    areas.push_back(area);
    EXPECT_GT(reinterpret_cast<std::uintptr_t>(area), window + kWindowBytes) << i;
  }
  for (unsigned i = 0; i < 40; ++i) munmap(areas[i], i % 2 == 0 ? kReserved : kPageSize);
}

TEST(Window, StartsEmpty) {
  WindowLab lab;
  EXPECT_EQ(lab.rights(0), kNone);
  EXPECT_EQ(lab.rights(0xFFFFF000), kNone);
}

TEST(Window, AWriteFaultMapsReadWriteAndSetsDirty) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | U);
  lab.load(tables.paging(), kUser);
  const FillResult result = lab.pool().fill(kAt + 4, WR);
  EXPECT_EQ(result.kind, Fill::mapped);
  EXPECT_EQ(result.address, 0x300004U);
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
  lab.store(kAt + 4, 77);
  EXPECT_EQ(lab.get<std::uint32_t>(0x300004), 77U);
  EXPECT_EQ(tables.pte(kAt) & (A | D), A | D);
}

TEST(Window, AReadFaultOfACleanPageMapsReadOnlyUntilItIsWritten) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | U);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  EXPECT_EQ(tables.pte(kAt) & (A | D), A);
  EXPECT_EQ(lab.fill(kAt, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
  EXPECT_EQ(tables.pte(kAt) & (A | D), A | D);
}

TEST(Window, ADirtyPageIsMappedReadWriteAtOnce) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | U | A | D);
  lab.load(tables.paging(), kUser);
  lab.fill(kAt, R);
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
}

// Translated code is not read where the guest has it: a mapping would be in vain, but its end must be told.
TEST(Window, AFetchIsRecordedAndNotMapped) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | U);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, F), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.pool().recorded_fetch(lab.pool().current_id(), kAt + 5), PhysAddr{0x300005});
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
}

TEST(Window, TheEndOfARecordedFetchIsTold) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | U);
  lab.load(tables.paging(), kUser);
  lab.fill(kAt, F);
  tables.map(kAt, 0x301000 | P | U | A);
  lab.observer.drops.clear();
  lab.invlpg(kAt);
  EXPECT_EQ(lab.observer.drops.size(), 1U);
  EXPECT_EQ(lab.pool().recorded_fetch(lab.pool().current_id(), kAt), PhysAddr{0x301000});
}

// A TLB may look ahead, but only where that changes nothing.
TEST(Window, PrefetchNeedsAccessedEntriesAndRights) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | U | A);
  tables.map(kAt + 0x1000, 0x301000 | P | U);
  tables.map(kAt + 0x2000, 0x302000 | P | A);
  lab.load(tables.paging(), kUser);
  lab.fill(kAt + 0x1000, F);  // sets A in the page directory
  tables.map(kAt + 0x1000, 0x301000 | P | U);
  lab.invlpg(kAt + 0x1000);
  EXPECT_EQ(lab.pool().prefetch(kAt), PhysAddr{0x300000});
  EXPECT_EQ(lab.pool().prefetch(kAt + 0x1000), std::nullopt);
  EXPECT_EQ(lab.pool().prefetch(kAt + 0x2000), std::nullopt);
  EXPECT_EQ(lab.pool().prefetch(kAt + 0x3000), std::nullopt);
}

TEST(Window, RefusalsAreGuestPageFaults) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P);
  tables.map(kAt + 0x1000, 0x301000 | P | U);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.pool().fill(kAt, R).error, 5U);
  EXPECT_EQ(lab.pool().fill(kAt + 0x1000, WR).error, 7U);
  EXPECT_EQ(lab.pool().fill(kAt + 0x2000, WR).error, 6U);
  EXPECT_EQ(lab.fill(kAt + 0x2000, WR), Fill::page_fault);
  EXPECT_EQ(lab.rights(kAt), kNone);
}

TEST(Window, UserViewExcludesSupervisorPages) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | A | D);
  tables.map(kAt + 0x1000, 0x301000 | P | W | U | A | D);
  lab.load(tables.paging(), kSupervisor);
  lab.fill(kAt, R);
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
  EXPECT_EQ(lab.rights(kAt + 0x1000), kReadWrite);
  lab.activate(tables.paging(), kUser);
  EXPECT_EQ(lab.rights(kAt), kNone);
  lab.fill(kAt + 0x1000, R);
  EXPECT_EQ(lab.rights(kAt), kNone) << "not as a neighbour either";
  EXPECT_EQ(lab.rights(kAt + 0x1000), kReadWrite);
}

TEST(Window, WpDecidesForTheSupervisor) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | U | A | D);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.pool().fill(kAt, WR).error, 3U);
  lab.fill(kAt, R);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  lab.activate(tables.paging(), kNoWp);
  EXPECT_EQ(lab.fill(kAt, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
  lab.activate(tables.paging(), kUser);
  EXPECT_EQ(lab.pool().fill(kAt, WR).error, 7U);
}

TEST(Window, DevicesRomWritesAndHolesAreEmulated) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, static_cast<std::uint32_t>(kMmioAt) | P | W);
  tables.map(kAt + 0x1000, static_cast<std::uint32_t>(kRomAt) | P | W);
  tables.map(kAt + 0x2000, 0xD0000000 | P | W);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.pool().fill(kAt + 8, R).address, kMmioAt + 8);
  EXPECT_EQ(lab.fill(kAt, R), Fill::emulate);
  EXPECT_EQ(lab.fill(kAt + 0x1000, WR), Fill::emulate);
  EXPECT_EQ(lab.fill(kAt + 0x1000, R), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt + 0x1000), kReadOnly);
  EXPECT_EQ(lab.fill(kAt + 0x2000, R), Fill::emulate);
  EXPECT_EQ(lab.rights(kAt), kNone);
}

// ---- fault-around ------------------------------------------------------------------------------------

// One mapping of the host, within the 64-page block of the fault.
TEST(FaultAround, MapsAllThatContinuesThePageInMemory) {
  WindowLab lab;
  TwoLevel tables(lab);
  const auto at = [](std::uint32_t i) { return kAt + i * 0x1000; };
  for (std::uint32_t i = 0; i < 64; ++i) tables.map(at(i), (0x300000 + i * 0x1000) | P | W | U | A | D);
  tables.set_pte(at(40), 0x500000 | P | W | U | A | D);  // elsewhere
  lab.load(tables.paging(), kUser);
  lab.fill(at(20), R);
  for (std::uint32_t i = 0; i < 64; ++i) {
    // kAt is page 16 of its block: the block ends with page 47.
    EXPECT_EQ(lab.rights(at(i)), i < 40 ? kReadWrite : kNone) << i;
  }
  EXPECT_EQ(lab.pool().stats().pages_mapped, 40U);
  EXPECT_EQ(lab.pool().stats().fills, 1U);
  lab.fill(at(41), R);
  EXPECT_EQ(lab.rights(at(40)), kNone) << "a mapping of its own";
  EXPECT_EQ(lab.rights(at(47)), kReadWrite);
  EXPECT_EQ(lab.rights(at(48)), kNone) << "the next block";
}

// A run ends where a page would need a change of A or D, or is refused. Each entry stands next to the page that faults.
TEST(FaultAround, LeavesOutWhatWouldNeedAChangeOrIsRefused) {
  constexpr std::uint32_t kNext = 0x301000;
  const std::uint32_t refused[] = {
      kNext | P | W | U | D,                                    // not accessed
      kNext | P | W | U | A,                                    // clean, and the run is writable
      kNext | W | U | A | D,                                    // not present
      kNext | P | W | A | D,                                    // supervisor
      kNext | P | U | A | D,                                    // read-only
      0x302000 | P | W | U | A | D,                             // elsewhere
      static_cast<std::uint32_t>(kMmioAt) | P | W | U | A | D,  // device
  };
  for (const std::uint32_t entry : refused) {
    WindowLab lab;
    TwoLevel tables(lab);
    tables.map(kAt, 0x300000 | P | W | U | A | D);
    tables.map(kAt + 0x1000, entry);
    lab.load(tables.paging(), kUser);
    EXPECT_EQ(lab.fill(kAt, WR), Fill::mapped);
    EXPECT_EQ(lab.rights(kAt), kReadWrite);
    EXPECT_EQ(lab.rights(kAt + 0x1000), kNone) << std::hex << entry;
    EXPECT_EQ(tables.pte(kAt + 0x1000), entry);
  }
}

TEST(FaultAround, AReadOnlyRunTakesCleanAndReadOnlyPages) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | U | A);
  tables.map(kAt + 0x1000, 0x301000 | P | W | U | A);
  tables.map(kAt + 0x2000, 0x302000 | P | U | A | D);
  tables.map(kAt + 0x3000, 0x303000 | P | W | U | A | D);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(lab.rights(kAt + i * 0x1000), kReadOnly) << i;
  EXPECT_EQ(lab.rights(kAt + 0x3000), kNone) << "could be written";
}

TEST(FaultAround, ACodePageEndsAWritableRun) {
  WindowLab lab;
  TwoLevel tables(lab);
  for (std::uint32_t i = 0; i < 3; ++i) tables.map(kAt + i * 0x1000, (0x300000 + i * 0x1000) | P | W | U | A | D);
  lab.code.set(0x301000);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt + 0x1000), kNone);
  EXPECT_EQ(lab.rights(kAt + 0x2000), kNone);
}

TEST(FaultAround, PaeLikewise) {
  WindowLab lab;
  Pae tables(lab);
  for (std::uint32_t i = 0; i < 8; ++i) tables.map(kAt + i * 0x1000, (0x300000 + i * 0x1000) | P | W | U | A | D | NX);
  tables.set_pte(kAt + 0x2000, tables.pte(kAt + 0x2000) | std::uint64_t{1} << 50);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt + 0x1000), kReadWrite);
  EXPECT_EQ(lab.rights(kAt + 0x2000), kNone) << "reserved bit";
  EXPECT_EQ(lab.fill(kAt, F), Fill::page_fault) << "no-execute";
}

// ---- large pages -------------------------------------------------------------------------------------

TEST(LargePage, IsMappedAsAWhole) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.set_pde(kAt, 0x00800000 | P | W | PS | D);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  EXPECT_EQ(lab.rights(0x40000000), kReadWrite);
  EXPECT_EQ(lab.rights(0x403FF000), kReadWrite);
  EXPECT_EQ(lab.rights(0x40400000), kNone);
  lab.store(0x40123450, 99);
  EXPECT_EQ(lab.get<std::uint32_t>(0x00923450), 99U);
  EXPECT_EQ(lab.pool().stats().fills, 1U);
}

TEST(LargePage, StaysReadOnlyUntilDirty) {
  WindowLab lab;
  Pae tables(lab);
  tables.set_pde(kAt, 0x00800000 | P | W | PS);
  lab.load(tables.paging(), kSupervisor);
  lab.fill(kAt, R);
  EXPECT_EQ(lab.rights(0x401FF000), kReadOnly);
  EXPECT_EQ(lab.rights(0x40200000), kNone) << "2 MiB";
  EXPECT_EQ(tables.pde(kAt) & (A | D), A);
  lab.fill(kAt + 0x5000, WR);
  EXPECT_EQ(lab.rights(0x401FF000), kReadWrite);
  EXPECT_EQ(tables.pde(kAt) & (A | D), A | D);
}

TEST(LargePage, CodeAndDevicesInsideStayOut) {
  WindowLab lab;
  TwoLevel tables(lab);
  TestDevice vga;
  lab.physical.add_mmio(0xA0000, 0x20000, vga);
  lab.code.set(0x10000);
  tables.set_pde(0xC0000000, 0 | P | W | PS | D);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.fill(0xC0000000, R), Fill::mapped);
  EXPECT_EQ(lab.rights(0xC000F000), kReadWrite);
  EXPECT_EQ(lab.rights(0xC0010000), kReadOnly);
  EXPECT_EQ(lab.rights(0xC0011000), kReadWrite);
  EXPECT_EQ(lab.rights(0xC00A0000), kNone);
  EXPECT_EQ(lab.fill(0xC00A0000, R), Fill::emulate);
  EXPECT_EQ(lab.fill(0xC0010000, WR), Fill::emulate);
  EXPECT_EQ(lab.fill(0xC00C0000, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(0xC03FF000), kReadWrite);
}

TEST(LargePage, WithMuchCodeIsMappedAroundTheFault) {
  WindowLab lab;
  TwoLevel tables(lab);
  for (PhysAddr page = 0x800000; page < 0xC00000; page += 0x2000) lab.code.set(page);
  tables.set_pde(kAt, 0x00800000 | P | W | PS | D);
  lab.load(tables.paging(), kSupervisor);
  EXPECT_EQ(lab.fill(kAt + 0x1000, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt + 0x1000), kReadWrite);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  EXPECT_EQ(lab.rights(0x403FF000), kNone);
}

TEST(PagingOff, RamIsMappedInBigRuns) {
  WindowLab lab;
  lab.activate(PagingState{}, kSupervisor);
  EXPECT_EQ(lab.fill(0x1234567, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(0x1000000), kReadWrite);
  EXPECT_EQ(lab.rights(0x13FF000), kReadWrite);
  lab.store(0x1234567, 42);
  EXPECT_EQ(lab.get<std::uint32_t>(0x1234567), 42U);
  EXPECT_EQ(lab.fill(kRomAt, R), Fill::mapped);
  EXPECT_EQ(lab.rights(static_cast<Linear>(kRomAt)), kReadOnly);
  EXPECT_EQ(lab.fill(static_cast<Linear>(kMmioAt), R), Fill::emulate);
}

// ---- pages with code ---------------------------------------------------------------------------------

TEST(CodePage, IsMappedReadOnlyAndItsWritesAreEmulated) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | U | A | D);
  lab.code.set(0x300000);
  lab.load(tables.paging(), kUser);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  EXPECT_EQ(lab.pool().fill(kAt + 5, WR).kind, Fill::emulate);
  EXPECT_EQ(lab.pool().fill(kAt + 5, WR).address, 0x300005U);
}

// One physical page mapped as a 4 KiB page twice, within a large page, in both views, in another CR3 and
// with paging off: gaining code takes the right to write everywhere.
TEST(CodePage, ProtectionReachesEveryMapping) {
  WindowLab lab;
  TwoLevel first(lab, 0x100000);
  TwoLevel second(lab, 0x140000);
  first.map(kAt, 0x900000 | P | W | U | A | D);
  first.map(kAt + 0x5000, 0x900000 | P | W | U | A | D);
  first.set_pde(0xC0000000, 0x00800000 | P | W | PS | A | D);
  second.map(0x8000, 0x900000 | P | W | U | A | D);
  struct Place {
    std::uint8_t* base;
    Linear linear;
  };
  std::vector<Place> places;
  auto touch = [&](Linear linear) {
    ASSERT_EQ(lab.fill(linear, WR), Fill::mapped);
    ASSERT_EQ(lab.rights(linear), kReadWrite);
    places.push_back({lab.pool().base(), linear});
  };
  lab.load(first.paging(), kUser);
  touch(kAt);
  touch(kAt + 0x5000);
  lab.activate(first.paging(), kSupervisor);
  touch(kAt);
  touch(0xC0100000);
  lab.load(second.paging(), kUser);
  touch(0x8000);
  lab.pool().flush_all();
  lab.activate(PagingState{}, kSupervisor);
  touch(0x900000);

  lab.code.set(0x900000);
  lab.pool().protect_code(0x900000);
  for (const Place& place : places) EXPECT_EQ(host_rights(place.base, place.linear), kReadOnly) << place.linear;
  EXPECT_EQ(host_rights(places[3].base, 0xC0101000), kReadWrite) << "the rest of the large page";

  lab.code.clear(0x900000);
  lab.pool().unprotect_code(0x900000);
  EXPECT_EQ(lab.fill(0x900000, WR), Fill::mapped);
  EXPECT_EQ(lab.rights(0x900000), kReadWrite);
}

TEST(CodePage, AMappingThatIsGoneIsNotTouched) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x900000 | P | W | U | A | D);
  lab.load(tables.paging(), kUser);
  lab.fill(kAt, WR);
  tables.set_pte(kAt, 0x901000 | P | W | U | A | D);
  lab.invlpg(kAt);
  lab.fill(kAt, WR);
  lab.code.set(0x900000);
  lab.pool().protect_code(0x900000);
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
}

TEST(WindowPool, TwoPoolsInOneProcessDoNotMeet) {
  WindowLab one;
  WindowLab two;
  TwoLevel tables_one(one);
  TwoLevel tables_two(two);
  tables_one.map(kAt, 0x300000 | P | W | U);
  tables_two.map(kAt, 0x300000 | P | W | U);
  one.load(tables_one.paging(), kUser);
  two.load(tables_two.paging(), kUser);
  one.fill(kAt, WR);
  EXPECT_EQ(two.rights(kAt), kNone);
  two.fill(kAt, WR);
  one.store(kAt, 1);
  two.store(kAt, 2);
  EXPECT_EQ(one.load32(kAt), 1U);
  EXPECT_EQ(two.load32(kAt), 2U);
}

TEST(WindowPool, ServesAnMmu) {
  WindowLab lab;
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W);
  auto pool = std::get<std::unique_ptr<WindowPool>>(WindowPool::create(lab.physical, lab.code));
  Mmu mmu(lab.physical, lab.code, std::move(pool));
  mmu.set_paging(tables.paging());
  WindowPool& windows = *mmu.windows();
  windows.activate(mmu.paging(), kSupervisor);
  windows.fill(kAt, WR);
  EXPECT_EQ(host_rights(windows.base(), kAt), kReadWrite);
  lab.code.set(0x300000);
  mmu.protect_code(0x300010);
  EXPECT_EQ(host_rights(windows.base(), kAt), kReadOnly);
  tables.set_pte(kAt, 0);
  mmu.invlpg(kAt);
  windows.activate(mmu.paging(), kSupervisor);
  EXPECT_EQ(host_rights(windows.base(), kAt), kNone);
}

}  // namespace
}  // namespace ringshift::mmu
