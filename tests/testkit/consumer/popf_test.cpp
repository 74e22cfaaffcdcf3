#include "testkit/matchers.h"

using namespace ringshift::testkit;

class Popf : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(Engines, Popf, kEveryEngine, engine_name);

TEST_P(Popf, LeavesTheInterruptFlagOfRing3) {
  lab.cpl(3).eflags(0x202).push32(0x0D7);
  const Outcome out = lab.run("popf");
  EXPECT_EQ(out.eflags, 0x2D7u);
  EXPECT_EQ(out.esp_delta(), 4);
  EXPECT_THAT(out, LeavesTheRest());
}
