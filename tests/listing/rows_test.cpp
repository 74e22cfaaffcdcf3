// The instruction table as readers of statistics and listings see it.
#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "translator/isa/row.h"

namespace ringshift::isa {
namespace {

TEST(Rows, HaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const Row& row : kRows) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

}  // namespace
}  // namespace ringshift::isa
