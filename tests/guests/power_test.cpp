// The power button, as monitors press it, reaches a guest that listens to ACPI.
#include "tests/guests/checking_guest.h"

namespace ringshift::machine {
namespace {

class Power : public testing::TestWithParam<std::tuple<EngineKind, bool>> {};

TEST_P(Power, ButtonInterruptsAGuestThatPowersOff) {
  const auto [engine, apic] = GetParam();
  MachineConfig config = checking_config(POWER_GUEST, engine);
  config.apic = apic;
  Machine* running = nullptr;
  bool pressed = false;
  config.serial_output = [&](std::span<const std::uint8_t> bytes) {
    if (bytes.front() == 'R') running->ask([&] { running->press_power_button(); });
  };
  config.event = [&](const MachineEvent& event) { pressed |= event.kind == MachineEvent::Kind::power_button; };
  auto created = Machine::create(std::move(config));
  ASSERT_TRUE(std::holds_alternative<std::unique_ptr<Machine>>(created)) << std::get<std::string>(created);
  running = std::get<std::unique_ptr<Machine>>(created).get();
  const RunEnd end = running->run();
  EXPECT_EQ(end.reason, RunEnd::Reason::powered_off) << end.message << ' ' << (end.code >> 1);
  EXPECT_TRUE(pressed);
}

INSTANTIATE_TEST_SUITE_P(
    Boards, Power, testing::Combine(testing::Values(EngineKind::translate, EngineKind::interpret), testing::Bool()),
    [](const auto& board) {
      return engine_of({std::get<0>(board.param), board.index}) + (std::get<1>(board.param) ? "Apic" : "Pic");
    });

}  // namespace
}  // namespace ringshift::machine
