// Directories and tables of entries: what is found where, and until when.
#include "runtime/engine/jump_table.h"

#include <gtest/gtest.h>

namespace ringshift::engine {
namespace {

constexpr std::uint32_t kMode = 1;
constexpr std::uint32_t kPage = 0x08048;
constexpr std::uint32_t kEip = 0x08048123;
constexpr std::uint32_t kOffset = 0x1000;
constexpr CodePage kCode{.physical = 0x200000, .page = kPage, .mode = kMode, .second_page = 0};

class JumpTablesTest : public ::testing::Test {
 protected:
  TableId add(const CodePage& code) {
    const TableId table = tables_.add_table(code);
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
  directory_.bind(kPage, add(kCode));
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
  directory_.bind(kPage, table);
  other.bind(kPage, tables_.find_table(kCode));
  tables_.set(table, kEip + 4, kOffset + 4);
  EXPECT_EQ(look_up(other, kEip + 4), kOffset + 4);
}

TEST_F(JumpTablesTest, ADroppedPageIsNotFoundThroughItsWindow) {
  const TableId table = add(kCode);
  JumpDirectory& other = tables_.get(1, kMode);
  directory_.bind(kPage, table);
  other.bind(kPage, table);
  tables_.drop(0, kEip & ~mmu::kPageMask, 1);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
  EXPECT_EQ(look_up(other, kEip), kOffset);
  tables_.drop_all(1);
  EXPECT_EQ(look_up(other, kEip), 0U);
}

TEST_F(JumpTablesTest, ADropOfARangeLeavesWhatIsBesideIt) {
  const TableId table = add(kCode);
  const TableId next = tables_.add_table({.physical = 0x300000, .page = kPage + 1, .mode = kMode});
  tables_.set(next, kEip + mmu::kPageSize, kOffset + 8);
  directory_.bind(kPage, table);
  directory_.bind(kPage + 1, next);
  tables_.drop(0, (kPage + 1) << mmu::kPageShift, 0x1000);
  EXPECT_EQ(look_up(directory_, kEip), kOffset);
  EXPECT_EQ(look_up(directory_, kEip + mmu::kPageSize), 0U);
}

TEST_F(JumpTablesTest, InstructionsThatCrossAPageEndWithTheSecondOne) {
  CodePage crossing = kCode;
  crossing.second_page = 0x300000;
  const TableId table = add(crossing);
  directory_.bind(kPage, table);
  EXPECT_TRUE(tables_.serves(table, 0x300000));
  EXPECT_TRUE(tables_.serves(table, 0));
  EXPECT_FALSE(tables_.serves(table, 0x400000));
  EXPECT_FALSE(tables_.serves(kNoTable, 0));
  tables_.drop(0, (kPage + 1) << mmu::kPageShift, 1);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
}

TEST_F(JumpTablesTest, AnErasedFragmentIsFoundNowhere) {
  CodePage crossing = kCode;
  crossing.second_page = 0x300000;
  JumpDirectory& other = tables_.get(1, kMode);
  directory_.bind(kPage, add(kCode));
  other.bind(kPage, add(crossing));
  tables_.erase(kCode.physical | 0x123, kEip, kMode);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
  EXPECT_EQ(look_up(other, kEip), 0U);
  // Both tables were empty then.
  EXPECT_EQ(directory_.table(kPage), kNoTable);
  EXPECT_EQ(tables_.find_table(kCode), kNoTable);
  EXPECT_EQ(tables_.find_table(crossing), kNoTable);
}

TEST_F(JumpTablesTest, AnErasedFragmentOfAnotherModeOrPageLeavesTheRest) {
  const TableId table = add(kCode);
  directory_.bind(kPage, table);
  tables_.erase(kCode.physical | 0x123, kEip, kMode + 1);
  tables_.erase(kCode.physical + mmu::kPageSize, kEip, kMode);
  EXPECT_EQ(look_up(directory_, kEip), kOffset);
  EXPECT_EQ(tables_.find_table(kCode), table);
}

TEST_F(JumpTablesTest, TablesRunOutAndComeBack) {
  std::uint32_t made = 0;
  for (CodePage code = kCode; tables_.add_table(code) != kNoTable; ++code.page) ++made;
  EXPECT_EQ(made, EntryTables::kTables - 1);
  directory_.bind(kPage, tables_.find_table(kCode));
  tables_.clear();
  EXPECT_EQ(directory_.table(kPage), kNoTable);
  EXPECT_EQ(look_up(directory_, kEip), 0U);
  EXPECT_NE(tables_.add_table(kCode), kNoTable);
}

}  // namespace
}  // namespace ringshift::engine
