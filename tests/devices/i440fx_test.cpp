// The chip set as firmware finds it: shadow RAM, interrupt routing, the power management function.
#include "devices/i440fx.h"

#include <gtest/gtest.h>

#include <vector>

#include "devices/piix.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

struct Change {
  unsigned area;
  I440Fx::Shadow shadow;
  bool operator==(const Change&) const = default;
};

struct I440FxTest : testing::Test, I440Fx::Memory {
  void shadow_changed(unsigned area, I440Fx::Shadow shadow) override { changes.push_back({area, shadow}); }
  void smram_changed(bool open) override { smram.push_back(open); }
  std::vector<Change> changes;
  std::vector<bool> smram;
  I440Fx bridge{*this};
};

TEST_F(I440FxTest, BeginsWithRomEverywhere) {
  for (unsigned area = 0; area < I440Fx::kAreas; ++area) EXPECT_EQ(bridge.shadow(area), I440Fx::Shadow{});
  EXPECT_TRUE(changes.empty());
}

TEST_F(I440FxTest, Pam0IsTheBiosSegment) {
  bridge.config_write(0x59, 1, 0xFF);
  EXPECT_EQ(changes, (std::vector<Change>{{0, {true, true}}}));
  EXPECT_EQ(bridge.config_byte(0x59), 0x30) << "the lower half is reserved";
}

TEST_F(I440FxTest, EachHalfOfARegisterIsAnAreaOfItsOwn) {
  bridge.config_write(0x5A, 1, 0x21);  // C0000: read, C4000: write
  EXPECT_EQ(changes, (std::vector<Change>{{1, {true, false}}, {2, {false, true}}}));
  EXPECT_EQ(I440Fx::kArea[1].base, 0xC0000U);
  EXPECT_EQ(I440Fx::kArea[2].base, 0xC4000U);
}

TEST_F(I440FxTest, DwordWriteReachesEveryAreaInIt) {
  bridge.config_write(0x5C, 4, 0x33333333);
  EXPECT_EQ(changes.size(), 8U);
  EXPECT_EQ(changes.back().area, 12U);
  bridge.config_write(0x5C, 4, 0x33333333);
  EXPECT_EQ(changes.size(), 8U) << "nothing changed";
}

TEST_F(I440FxTest, SmramOpensOnlyWhileEnabledAndUnlocked) {
  bridge.config_write(0x72, 1, 0x42);
  EXPECT_TRUE(smram.empty()) << "G_SMRAME is clear";
  bridge.config_write(0x72, 1, 0x4A);
  EXPECT_EQ(smram, std::vector<bool>{true});
  bridge.config_write(0x72, 1, 0x5A);
  EXPECT_EQ(smram, (std::vector<bool>{true, false})) << "D_LCK closes it";
  bridge.config_write(0x72, 1, 0x4A);
  EXPECT_EQ(smram.size(), 2U) << "until reset";
  EXPECT_EQ(bridge.config_byte(0x72), 0x1A);
}

struct RouterTest : testing::Test {
  std::array<FakeLine, 16> lines;
  PirqRouter router{[this](unsigned irq) -> IrqLine& { return lines[irq]; }};
  Piix3 isa{router};
};

TEST_F(RouterTest, DisabledPinsReachNothing) {
  router.connect(1, 0).set(true);
  for (const FakeLine& line : lines) EXPECT_FALSE(line.level);
}

TEST_F(RouterTest, SteersAPinAndMovesItsLevel) {
  IrqLine& source = router.connect(1, 0);  // slot 1, INTA#: PIRQA#
  isa.config_write(0x60, 1, 10);
  source.set(true);
  EXPECT_TRUE(lines[10].level);
  isa.config_write(0x60, 4, 0x8080800B);
  EXPECT_FALSE(lines[10].level);
  EXPECT_TRUE(lines[11].level);
  isa.config_write(0x60, 1, 0x80);
  EXPECT_FALSE(lines[11].level);
}

TEST_F(RouterTest, PinsThatShareAnInterruptAreOred) {
  IrqLine& a = router.connect(1, 0);
  IrqLine& b = router.connect(1, 1);
  isa.config_write(0x60, 2, 0x0A0A);
  a.set(true);
  b.set(true);
  a.set(false);
  EXPECT_TRUE(lines[10].level);
  b.set(false);
  EXPECT_FALSE(lines[10].level);
}

TEST_F(RouterTest, ReservedInterruptsAreNotConnected) {
  IrqLine& source = router.connect(1, 0);
  for (const unsigned irq : {0U, 1U, 2U, 8U, 13U}) {
    isa.config_write(0x60, 1, irq);
    source.set(true);
    EXPECT_FALSE(lines[irq].level) << irq;
  }
}

TEST(Piix4Power, DecodesItsPortsWhereFirmwarePutsThem) {
  std::vector<std::optional<std::uint16_t>> moves;
  Piix4Power function([&](std::optional<std::uint16_t> base) { moves.push_back(base); });
  function.config_write(0x40, 4, 0x601);
  EXPECT_TRUE(moves.empty()) << "PMIOSE is clear";
  function.config_write(0x80, 1, 1);
  function.config_write(0x40, 4, 0xB041);
  function.config_write(0x80, 1, 0);
  EXPECT_EQ(moves, (std::vector<std::optional<std::uint16_t>>{0x600, 0xB040, std::nullopt}));
}

TEST(Piix4Power, SaysThatSmmIsSetUp) {
  Piix4Power function({});
  EXPECT_NE(function.config_dword(0x58) & 1U << 25, 0U);
}

}  // namespace
}  // namespace ringshift::devices
