// Directories and tables of entries: what is found where, and until when.
#include "runtime/engine/jump_table.h"

#include <gtest/gtest.h>

namespace ringshift::engine {
namespace {

constexpr std::uint32_t kMode = 1;
constexpr std::uint32_t kPage = 0x08048;
constexpr std::uint32_t kEip = 0x08048123;
constexpr std::uint32_t kOffset = 0x1000;
constexpr mmu::PhysAddr kSecondPage = 0x300000;
constexpr PageOfCode kCode{.physical = 0x200000, .page = kPage, .mode = kMode};

class JumpTablesTest : public ::testing::Test {
 protected:
  TableId add(const PageOfCode& code, mmu::PhysAddr second_page = 0) {
    const TableId table = tables_.add_table(code, second_page);
    tables_.set(table, kEip, kOffset);
    return table;
  }
  // What translated code would find: abi.h.
  static std::uint32_t look_up(const JumpDirectory& directory, std::uint32_t eip) {
    const auto r13 = directory.address();
    const std::uint64_t page = eip >> (r13 & 31U);
    const auto table = *reinterpret_cast<const std::uint64_t*>(r13 + page * 8 - abi::kDirectoryBias);
    return *reinterpret_cast<const std::uint32_t*>(table + std::uint64_t{eip} * 4);
  }

  JumpTables tables_;
  JumpDirectory& directory_ = tables_.get(0, kMode);
};

TEST_F(JumpTablesTest, NothingIsFoundAtFirst) {
  EXPECT_EQ(directory_.get(kEip), 0U);
  EXPECT_EQ(directory_.get(0xFFFFFFFF), 0U);
}

TEST_F(JumpTablesTest, ALookupReadsWhatTheRuntimeReads) {
  tables_.bind(directory_, kPage, add(kCode));
  EXPECT_EQ(look_up(directory_, kEip), kOffset);
  EXPECT_EQ(look_up(directory_, kEip + 1), 0U);
  EXPECT_EQ(look_up(directory_, kEip + mmu::kPageSize), 0U);
  EXPECT_EQ(directory_.get(kEip), kOffset);
}

TEST_F(JumpTablesTest, APartIsMadeWhenAHostFaultComesThere) {
  const std::uint64_t last = directory_.address() - abi::kDirectoryBias + 8 * 0xFFFFFULL;
  EXPECT_TRUE(directory_.make_at(last));
  EXPECT_EQ(look_up(directory_, 0xFFFFFFFC), 0U);
  EXPECT_FALSE(directory_.make_at(last));  // something else is wrong
  EXPECT_FALSE(directory_.make_at(last + 8));
}

TEST_F(JumpTablesTest, WindowsShareATable) {
  const TableId table = add(kCode);
  JumpDirectory& other = tables_.get(1, kMode);
  tables_.bind(directory_, kPage, table);
  tables_.bind(other, kPage, tables_.find_table(kCode, 0));
  tables_.set(table, kEip + 4, kOffset + 4);
  EXPECT_EQ(look_up(other, kEip + 4), kOffset + 4);
}

TEST_F(JumpTablesTest, ADroppedPageIsNotFoundThroughItsWindow) {
  const TableId table = add(kCode);
  JumpDirectory& other = tables_.get(1, kMode);
  tables_.bind(directory_, kPage, table);
  tables_.bind(other, kPage, table);
  tables_.drop(0, kEip & ~mmu::kPageMask, 1);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
  EXPECT_EQ(look_up(other, kEip), kOffset);
  tables_.drop_all(1);
  EXPECT_EQ(look_up(other, kEip), 0U);
}

TEST_F(JumpTablesTest, ADropOfARangeLeavesWhatIsBesideIt) {
  const TableId table = add(kCode);
  const TableId next = tables_.add_table({.physical = 0x300000, .page = kPage + 1, .mode = kMode}, 0);
  tables_.set(next, kEip + mmu::kPageSize, kOffset + 8);
  tables_.bind(directory_, kPage, table);
  tables_.bind(directory_, kPage + 1, next);
  tables_.drop(0, (kPage + 1) << mmu::kPageShift, 0x1000);
  EXPECT_EQ(look_up(directory_, kEip), kOffset);
  EXPECT_EQ(look_up(directory_, kEip + mmu::kPageSize), 0U);
}

TEST_F(JumpTablesTest, InstructionsThatCrossAPageEndWithTheSecondOne) {
  const TableId table = add(kCode, kSecondPage);
  tables_.bind(directory_, kPage, table);
  EXPECT_TRUE(tables_.serves(table, kSecondPage));
  EXPECT_TRUE(tables_.serves(table, 0));
  EXPECT_FALSE(tables_.serves(table, 0x400000));
  EXPECT_FALSE(tables_.serves(kNoTable, 0));
  tables_.drop(0, (kPage + 1) << mmu::kPageShift, 1);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
}

TEST_F(JumpTablesTest, AnErasedFragmentIsFoundNowhere) {
  JumpDirectory& other = tables_.get(1, kMode);
  tables_.bind(directory_, kPage, add(kCode));
  tables_.bind(other, kPage, add(kCode, kSecondPage));
  tables_.erase(kCode, kEip);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
  EXPECT_EQ(look_up(other, kEip), 0U);
  // Both tables were empty then.
  EXPECT_EQ(directory_.table(kPage), kNoTable);
  EXPECT_EQ(tables_.find_table(kCode, 0), kNoTable);
  EXPECT_EQ(tables_.find_table(kCode, kSecondPage), kNoTable);
}

TEST_F(JumpTablesTest, AnErasedFragmentOfAnotherModeOrPageLeavesTheRest) {
  const TableId table = add(kCode);
  tables_.bind(directory_, kPage, table);
  tables_.erase({.physical = kCode.physical, .page = kPage, .mode = kMode + 1}, kEip);
  tables_.erase({.physical = kCode.physical + mmu::kPageSize, .page = kPage, .mode = kMode}, kEip);
  EXPECT_EQ(look_up(directory_, kEip), kOffset);
  EXPECT_EQ(tables_.find_table(kCode, 0), table);
}

TEST_F(JumpTablesTest, TablesRunOutAndComeBack) {
  std::uint32_t made = 0;
  for (PageOfCode code = kCode; tables_.add_table(code, 0) != kNoTable; ++code.page) ++made;
  EXPECT_EQ(made, EntryTables::kTables - 1);
  tables_.bind(directory_, kPage, tables_.find_table(kCode, 0));
  tables_.clear();
  EXPECT_EQ(directory_.table(kPage), kNoTable);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
  EXPECT_NE(tables_.add_table(kCode, 0), kNoTable);
}

// ---- pages that jump into each other directly ----------------------------------------------------------

class PageLinksTest : public JumpTablesTest {
 protected:
  static constexpr std::uint32_t kPages = 4;
  PageLinksTest() {
    for (std::uint32_t i = 0; i < kPages; ++i) {
      table_[i] = tables_.add_table(code(i), 0);
      tables_.set(table_[i], at(i), kOffset);
      page_[i] = tables_.page_of(table_[i]);
    }
  }
  static PageOfCode code(std::uint32_t i) {
    return {.physical = kCode.physical + i * mmu::kPageSize, .page = kPage + i, .mode = kMode};
  }
  static std::uint32_t at(std::uint32_t i) { return (kPage + i) << mmu::kPageShift; }
  // Windows fetch all pages but those of `missing`.
  [[nodiscard]] JumpTables::Fetch fetch() const {
    return [this](mmu::Linear linear) -> std::optional<mmu::PhysAddr> {
      const std::uint32_t i = (linear >> mmu::kPageShift) - kPage;
      return i == missing_ ? std::nullopt : std::optional<mmu::PhysAddr>(kCode.physical + i * mmu::kPageSize);
    };
  }
  bool connect(std::uint32_t from, std::uint32_t to) {
    const auto distance = static_cast<std::int32_t>(to) - static_cast<std::int32_t>(from);
    return tables_.connect(page_[from], page_[to], distance, [this](std::uint32_t) { return fetch(); });
  }
  void bind(JumpDirectory& directory, std::uint32_t i) { tables_.bind(directory, kPage + i, table_[i]); }
  using Tables = std::vector<std::pair<std::uint32_t, TableId>>;
  [[nodiscard]] bool bound(const JumpDirectory& directory, std::uint32_t i) const {
    return directory.get(at(i)) == kOffset;
  }

  TableId table_[kPages];
  PageId page_[kPages];
  std::uint32_t missing_ = kPages;
};

TEST_F(PageLinksTest, APageIsBoundWithAllThatItLeadsTo) {
  ASSERT_TRUE(connect(0, 1));
  ASSERT_TRUE(connect(1, 2));
  ASSERT_TRUE(connect(2, 0));
  const JumpTables::Reach reach = tables_.reach(directory_, page_[0], kPage, fetch());
  EXPECT_EQ(reach.tables, (Tables{{kPage + 1, table_[1]}, {kPage + 2, table_[2]}}));
  EXPECT_TRUE(reach.broken.empty());
}

TEST_F(PageLinksTest, WhatAWindowLacksBreaksTheEdgesIntoIt) {
  connect(0, 1);
  connect(0, 2);
  connect(1, 2);
  missing_ = 2;
  const JumpTables::Reach reach = tables_.reach(directory_, page_[0], kPage, fetch());
  EXPECT_EQ(reach.tables, (Tables{{kPage + 1, table_[1]}}));
  EXPECT_EQ(reach.broken.size(), 2U);
  for (const auto& [from, to] : reach.broken) {
    EXPECT_EQ(to, page_[2]);
    tables_.refuse(from, to);
  }
  missing_ = kPages;
  EXPECT_TRUE(tables_.reach(directory_, page_[0], kPage, fetch()).broken.empty());
  EXPECT_FALSE(connect(0, 2)) << "it would be broken again and again";
}

TEST_F(PageLinksTest, AnEdgeBindsItsTargetInAllWindowsThatHaveItsSource) {
  JumpDirectory& other = tables_.get(1, kMode);
  connect(1, 2);
  bind(directory_, 0);
  bind(other, 0);
  ASSERT_TRUE(connect(0, 1));
  for (const JumpDirectory* directory : {&directory_, &other}) {
    for (const std::uint32_t i : {0, 1, 2}) EXPECT_TRUE(bound(*directory, i)) << i;
    EXPECT_FALSE(bound(*directory, 3));
  }
}

TEST_F(PageLinksTest, AnEdgeUnbindsItsSourceWhereTheTargetIsNotFetched) {
  connect(3, 0);
  bind(directory_, 0);
  bind(directory_, 3);
  missing_ = 1;
  ASSERT_TRUE(connect(0, 1));
  EXPECT_FALSE(bound(directory_, 0));
  EXPECT_FALSE(bound(directory_, 3)) << "it leads there";
}

TEST_F(PageLinksTest, ADroppedPageTakesAllWithItThatLeadThere) {
  JumpDirectory& other = tables_.get(1, kMode);
  for (std::uint32_t i = 0; i < kPages; ++i) {
    bind(directory_, i);
    bind(other, i);
  }
  connect(0, 1);
  connect(1, 2);
  EXPECT_TRUE(tables_.drop(0, at(2), 1));
  for (const std::uint32_t i : {0, 1, 2}) EXPECT_FALSE(bound(directory_, i)) << i;
  EXPECT_TRUE(bound(directory_, 3));
  for (const std::uint32_t i : {0, 1, 2, 3}) EXPECT_TRUE(bound(other, i)) << i;
  EXPECT_FALSE(tables_.drop(0, at(2), 1));
}

// Its fragments are gone, and with them every jump into it.
TEST_F(PageLinksTest, APageWithoutFragmentsHasNoEdges) {
  bind(directory_, 0);
  bind(directory_, 1);
  connect(0, 1);
  tables_.erase(code(1), at(1));
  EXPECT_TRUE(bound(directory_, 0));
  EXPECT_FALSE(bound(directory_, 1));
  EXPECT_TRUE(tables_.reach(directory_, page_[0], kPage, fetch()).tables.empty());
  EXPECT_EQ(tables_.find_page(code(1)), kNoPage);
}

// One of a page's tables ends, while its code is still jumped into.
TEST_F(PageLinksTest, APageThatLosesATableIsUnboundWithAllThatLeadThere) {
  const TableId second = tables_.add_table(code(1), 0x900000);
  tables_.set(second, at(1) + 0xFFF, kOffset);
  bind(directory_, 0);
  tables_.bind(directory_, kPage + 1, second);
  connect(0, 1);
  tables_.erase(code(1), at(1) + 0xFFF);
  EXPECT_EQ(directory_.table(kPage + 1), kNoTable);
  EXPECT_FALSE(bound(directory_, 0));
  EXPECT_NE(tables_.find_page(code(1)), kNoPage);
}

TEST_F(PageLinksTest, ManyChangesLeaveADirectoryRight) {
  for (unsigned round = 0; round < 5000; ++round) {
    const std::uint32_t i = round % 3;
    bind(directory_, i);
    bind(directory_, 3);
    EXPECT_TRUE(bound(directory_, i));
    tables_.drop(0, at(i), 1);
    EXPECT_FALSE(bound(directory_, i));
  }
  EXPECT_TRUE(bound(directory_, 3));
  tables_.drop_all(0);
  EXPECT_FALSE(bound(directory_, 3));
}

// ---- pages of code that may stand anywhere ---------------------------------------------------------------

// Windows differ in where they have a library of four pages.
class AnywhereTest : public JumpTablesTest {
 protected:
  static constexpr std::uint32_t kPages = 4;
  AnywhereTest() {
    for (std::uint32_t i = 0; i < kPages; ++i) {
      table_[i] = tables_.add_table({kCode.physical + i * mmu::kPageSize, kAnywhere, kMode}, 0);
      tables_.set(table_[i], 0, kOffset + i);
      page_[i] = tables_.page_of(table_[i]);
    }
  }
  [[nodiscard]] JumpTables::Fetch fetch(std::uint32_t window) const {
    return [first = first_[window]](mmu::Linear linear) -> std::optional<mmu::PhysAddr> {
      const std::uint32_t i = (linear >> mmu::kPageShift) - first;
      return i < kPages ? std::optional<mmu::PhysAddr>(kCode.physical + i * mmu::kPageSize) : std::nullopt;
    };
  }
  bool connect(std::uint32_t from, std::uint32_t to, std::int32_t distance) {
    return tables_.connect(page_[from], page_[to], distance, [this](std::uint32_t window) { return fetch(window); });
  }
  bool connect(std::uint32_t from, std::uint32_t to) {
    return connect(from, to, static_cast<std::int32_t>(to) - static_cast<std::int32_t>(from));
  }
  [[nodiscard]] std::uint32_t found(const JumpDirectory& directory, std::uint32_t window, std::uint32_t i) const {
    return directory.get((first_[window] + i) << mmu::kPageShift);
  }

  std::uint32_t first_[2] = {0xB7000, 0xB7123};
  TableId table_[kPages];
  PageId page_[kPages];
  JumpDirectory& other_ = tables_.get(1, kMode);
};

TEST_F(AnywhereTest, CodeFindsItsPlaceThroughItsDirectory) {
  for (JumpDirectory* directory : {&directory_, &other_}) {
    const std::uint32_t number = first_[directory == &other_];
    tables_.bind(*directory, number, table_[0]);
    const auto* place =
        reinterpret_cast<const std::uint32_t*>(directory->address() + std::int64_t{abi::place_offset(page_[0])});
    EXPECT_EQ(place[0], number << mmu::kPageShift);
    EXPECT_EQ(place[0] + place[1], 0U);
    EXPECT_EQ(directory->base(abi::place_offset(page_[0])), place[0]);
    EXPECT_EQ(directory->where(page_[0]), number);
  }
}

TEST_F(AnywhereTest, APageThatMovesIsFoundOnlyWhereItIs) {
  tables_.bind(directory_, 0xB7000, table_[0]);
  tables_.bind(directory_, 0xB6000, table_[0]);
  EXPECT_EQ(directory_.get(0xB7000000), 0U);
  EXPECT_EQ(directory_.get(0xB6000000), kOffset);
  tables_.drop(0, 0xB6000000, 1);
  EXPECT_EQ(directory_.where(page_[0]), std::nullopt);
}

TEST_F(AnywhereTest, AnEdgeLeadsAsFarInEachWindow) {
  ASSERT_TRUE(connect(1, 3));
  tables_.bind(directory_, first_[0], table_[0]);
  tables_.bind(other_, first_[1], table_[0]);
  ASSERT_TRUE(connect(0, 1));
  ASSERT_TRUE(connect(3, 0));
  for (const std::uint32_t i : {0, 1, 3}) {
    EXPECT_EQ(found(directory_, 0, i), kOffset + i);
    EXPECT_EQ(found(other_, 1, i), kOffset + i);
  }
  EXPECT_FALSE(connect(0, 1, 2)) << "there is one edge from a page to another";
}

TEST_F(AnywhereTest, AnEdgeOfAnotherDistanceIsBrokenWhereItsTargetStands) {
  ASSERT_TRUE(connect(0, 1));
  ASSERT_TRUE(connect(1, 2));
  ASSERT_TRUE(connect(0, 2, 3));  // page 3 is there
  const JumpTables::Reach reach = tables_.reach(directory_, page_[0], first_[0], fetch(0));
  EXPECT_FALSE(reach.broken.empty());
  for (const auto& [number, table] : reach.tables) EXPECT_NE(number, first_[0] + 3);
}

TEST_F(AnywhereTest, FixedCodeIsNotLinkedWithIt) {
  const TableId fixed = add(kCode);
  const auto any = [this](std::uint32_t window) { return fetch(window); };
  EXPECT_FALSE(tables_.connect(page_[0], tables_.page_of(fixed), 1, any));
  EXPECT_FALSE(tables_.connect(tables_.page_of(fixed), page_[0], 1, any));
}

TEST_F(AnywhereTest, ADroppedPageTakesAllWithItThatLeadThere) {
  tables_.bind(directory_, first_[0], table_[0]);
  tables_.bind(other_, first_[1], table_[0]);
  ASSERT_TRUE(connect(0, 1));
  EXPECT_TRUE(tables_.drop(1, (first_[1] + 1) << mmu::kPageShift, 1));
  EXPECT_EQ(found(other_, 1, 0), 0U);
  EXPECT_EQ(found(directory_, 0, 0), kOffset);
}

}  // namespace
}  // namespace ringshift::engine
