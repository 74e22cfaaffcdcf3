// Windows within limits: few windows for many page tables, few host mappings for many pages.
#include <fstream>
#include <string>

#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x40000000;
constexpr auto R = Access::read, WR = Access::write;
constexpr std::uint32_t kAll = P | W | U | A | D;

std::uint64_t host_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::uint64_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

TEST(WindowLimits, AWindowIsRecycledForOtherTables) {
  WindowLab lab({.windows = 2, .mappings = 1000});
  std::vector<TwoLevel> processes;
  for (std::uint32_t i = 0; i < 6; ++i) {
    processes.emplace_back(lab, 0x100000 + i * 0x10000);
    processes.back().map(kAt, (0x300000 + i * 0x1000) | kAll);
    lab.put<std::uint32_t>(0x300000 + i * 0x1000, i);
  }
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < 6; ++i) {
      lab.load(processes[i].paging(), View::user);
      EXPECT_LT(lab.pool().current_id(), 2U);
      ASSERT_EQ(lab.fill(kAt, R), Fill::mapped);
      EXPECT_EQ(lab.load32(kAt), i);
    }
  }
  EXPECT_GT(lab.pool().stats().evictions, 0U);
}

TEST(WindowLimits, ARecycledWindowKeepsWhatBothTablesShare) {
  WindowLab lab({.windows = 1, .mappings = 1000});
  TwoLevel first(lab, 0x100000);
  TwoLevel second(lab, 0x180000);
  for (TwoLevel* tables : {&first, &second}) tables->set_pde(0xC0000000, 0x00800000 | P | W | PS | A | D | G);
  first.map(kAt, 0x300000 | kAll);
  lab.load(first.paging(), View::supervisor);
  lab.fill(kAt, R);
  lab.fill(0xC0000000, R);
  lab.load(second.paging(), View::supervisor);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.rights(0xC0000000), kReadWrite);
  EXPECT_EQ(lab.pool().stats().wipes, 0U);
}

TEST(WindowLimits, AWindowIsWipedForAnotherView) {
  WindowLab lab({.windows = 1, .mappings = 1000});
  TwoLevel tables(lab);
  tables.map(kAt, 0x300000 | P | W | A | D);
  lab.load(tables.paging(), View::supervisor);
  lab.fill(kAt, R);
  lab.observer.wiped.clear();
  lab.activate(tables.paging(), View::user);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.observer.wiped, std::vector<std::uint32_t>{0});
  lab.activate(tables.paging(), View::supervisor);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
}

TEST(WindowLimits, HostMappingsStayWithinTheBudget) {
  WindowLab lab({.windows = 4, .mappings = 300});
  std::vector<TwoLevel> processes;
  for (std::uint32_t i = 0; i < 4; ++i) {
    processes.emplace_back(lab, 0x100000 + i * 0x10000);
    // Every second page, and backwards in memory: nothing merges.
    for (std::uint32_t j = 0; j < 500; ++j) {
      processes.back().map(kAt + j * 0x2000, (0x1000000 + (i * 500 + (500 - j)) * 0x1000) | kAll);
    }
  }
  const std::uint64_t before = host_mappings();
  for (std::uint32_t i = 0; i < 4; ++i) {
    lab.load(processes[i].paging(), View::user);
    for (std::uint32_t j = 0; j < 500; ++j) {
      ASSERT_EQ(lab.fill(kAt + j * 0x2000, WR), Fill::mapped);
      lab.store(kAt + j * 0x2000, i * 500 + j);
      if (j % 100 == 0) {
        EXPECT_LE(host_mappings(), before + 300);
      }
    }
    EXPECT_LE(host_mappings(), before + 300);
  }
  for (std::uint32_t i = 0; i < 4; ++i) {
    for (std::uint32_t j = 0; j < 500; ++j) {
      EXPECT_EQ(lab.get<std::uint32_t>(0x1000000 + (i * 500 + (500 - j)) * 0x1000), i * 500 + j);
    }
  }
  EXPECT_GT(lab.pool().stats().wipes, 0U);
}

TEST(WindowLimits, AnEvictedWindowIsFilledAgain) {
  WindowLab lab({.windows = 4, .mappings = 200});
  TwoLevel busy(lab, 0x100000);
  TwoLevel idle(lab, 0x180000);
  idle.map(kAt, 0x300000 | kAll);
  lab.put<std::uint32_t>(0x300000, 5);
  for (std::uint32_t j = 0; j < 400; ++j) busy.map(kAt + j * 0x2000, (0x1000000 + j * 0x1000) | kAll);
  lab.load(idle.paging(), View::user);
  lab.fill(kAt, R);
  lab.load(busy.paging(), View::user);
  for (std::uint32_t j = 0; j < 400; ++j) lab.fill(kAt + j * 0x2000, R);
  lab.load(idle.paging(), View::user);
  EXPECT_EQ(lab.rights(kAt), kNone);
  EXPECT_EQ(lab.fill(kAt, R), Fill::mapped);
  EXPECT_EQ(lab.load32(kAt), 5U);
}

// The limit of the process itself, not ours: the pool makes room and goes on.
TEST(WindowLimits, ARefusalByTheHostIsSurvived) {
  WindowLab lab({.windows = 8, .mappings = 10'000'000});
  std::vector<TwoLevel> processes;
  for (std::uint32_t i = 0; i < 4; ++i) {
    processes.emplace_back(lab, 0x100000 + i * 0x400000);
    // Every second page: a host mapping for each.
    for (std::uint32_t j = 0; j < 40000; j += 2) {
      processes.back().map(kAt + j * 0x1000, (0x1000000 + (j % 8192) * 0x1000) | kAll);
    }
  }
  for (std::uint32_t i = 0; i < 4; ++i) {
    lab.load(processes[i].paging(), View::user);
    for (std::uint32_t j = 0; j < 40000; j += 2) {
      ASSERT_EQ(lab.fill(kAt + j * 0x1000, WR), Fill::mapped) << i << " " << j;
    }
  }
  EXPECT_GT(lab.pool().stats().evictions, 0U);
  EXPECT_EQ(lab.rights(kAt + 39998 * 0x1000), kReadWrite);
}

}  // namespace
}  // namespace ringshift::mmu
