// The A20 gate, as a guest sees it that works on both sides of it.
#include "tests/guests/checking_guest.h"

namespace ringshift::machine {
namespace {

class A20 : public testing::TestWithParam<EngineKind> {};
INSTANTIATE_TEST_SUITE_P(Engines, A20, testing::Values(EngineKind::translate, EngineKind::interpret), engine_of);

TEST_P(A20, MasksDataCodeAndPageTables) { expect_pass(checking_config(A20_GUEST, GetParam())); }

TEST_P(A20, MasksInVirtualTime) {
  MachineConfig config = checking_config(A20_GUEST, GetParam());
  config.virtual_time = true;
  expect_pass(std::move(config));
}

}  // namespace
}  // namespace ringshift::machine
