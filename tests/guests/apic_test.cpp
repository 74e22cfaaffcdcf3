// The local APIC and NMIs, as a guest sees them.
#include "tests/guests/checking_guest.h"

namespace ringshift::machine {
namespace {

class Apic : public testing::TestWithParam<EngineKind> {
 protected:
  static MachineConfig config() {
    MachineConfig config = checking_config(APIC_GUEST, GetParam());
    config.apic = true;
    return config;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, Apic, testing::Values(EngineKind::translate, EngineKind::interpret), engine_of);

TEST_P(Apic, InterruptsPrioritiesNmisAndTheBaseRegister) { expect_pass(config()); }

TEST_P(Apic, WorksInVirtualTime) {
  MachineConfig virtual_config = config();
  virtual_config.virtual_time = true;
  virtual_config.translate.deterministic = true;
  expect_pass(std::move(virtual_config));
}

}  // namespace
}  // namespace ringshift::machine
