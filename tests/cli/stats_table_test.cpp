#include "cli/stats_table.h"

#include <gtest/gtest.h>

namespace ringshift::cli {
namespace {

TEST(StatsTable, AlignsNamesAndValues) {
  EXPECT_EQ(stats_table("title", {{"a", 7}, {"long name", 1234567}, {"b", 999}, {"c", 1000}}),
            "title\n"
            "  a                  7\n"
            "  long name  1,234,567\n"
            "  b                999\n"
            "  c              1,000\n");
}

TEST(StatsTable, MayBeEmpty) { EXPECT_EQ(stats_table("title", {}), "title\n"); }

}  // namespace
}  // namespace ringshift::cli
