// The table of examples/ring_lab: both engines show a guest its own machine; the host CPU in ring 3 does not.
#include <gtest/gtest.h>

#include "examples/ring_lab/ways.h"

namespace ringshift::ring_lab {
namespace {

using testkit::EngineKind;

class RingLab : public testing::TestWithParam<Probe> {};
std::string probe_name(const testing::TestParamInfo<Probe>& probe) {
  std::string name(probe.param.name);
  std::erase(name, ' ');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Paper, RingLab, testing::ValuesIn(probes()), probe_name);

TEST_P(RingLab, EveryEngineShowsTheGuestItsOwnMachine) {
  for (const EngineKind kind : testkit::kAllEngines) {
    const Sight seen = Guest(kind).run(GetParam());
    EXPECT_EQ(seen, GetParam().must_see) << testkit::name(kind) << ": " << text(GetParam(), seen);
  }
}

TEST_P(RingLab, Ring3OfTheHostIsSilentlyWrong) {
  std::string why;
  const auto native = Native::create(why);
  if (!native) GTEST_SKIP() << why;
  const Sight seen = native->run(GetParam());
  if (seen.kind == Sight::Kind::refused) GTEST_SKIP() << "the host forbids it";
  EXPECT_EQ(seen.kind, Sight::Kind::value) << "no trap";
  EXPECT_NE(seen, GetParam().must_see) << text(GetParam(), seen);
}

TEST(RingLabTable, HasTheListOfThePaper) { EXPECT_EQ(probes().size(), 18U); }

}  // namespace
}  // namespace ringshift::ring_lab
