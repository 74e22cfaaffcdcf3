#include "cli/bench/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringshift::cli {
namespace {

std::vector<std::string_view> names_of(std::string_view list) {
  std::vector<std::string_view> names;
  const auto rows = select_bench_rows(list);
  if (const auto* selected = std::get_if<std::vector<BenchRow>>(&rows)) {
    for (const BenchRow& row : *selected) names.push_back(row.name);
  }
  return names;
}

TEST(BenchRows, AnEmptyListSelectsAll) { EXPECT_EQ(names_of("").size(), bench_rows().size()); }

TEST(BenchRows, AListSelectsRowsAndGroupsInTheirOwnOrder) {
  EXPECT_THAT(names_of("getpid,float,hash"), testing::ElementsAre("hash", "matrix-x87", "matrix-sse2", "getpid"));
}

TEST(BenchRows, AnUnknownNameIsAnError) {
  const auto rows = select_bench_rows("hash,hush");
  ASSERT_TRUE(std::holds_alternative<std::string>(rows));
  EXPECT_THAT(std::get<std::string>(rows), testing::HasSubstr("'hush'"));
}

TEST(BenchRows, ARowHasItsOwnLimitOrThatOfItsGroup) {
  const auto rows = std::get<0>(select_bench_rows("hash,getpid,mmap"));
  EXPECT_EQ(limit_of(rows[0]), 1.6);
  EXPECT_EQ(limit_of(rows[1]), 2);
  EXPECT_EQ(limit_of(rows[2]), 0);
}

}  // namespace
}  // namespace ringshift::cli
