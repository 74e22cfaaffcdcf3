// ACPI fixed hardware (ACPI specification 2.0, 4.7) in the layout of the 82371AB (PIIX4 data sheet, function 3).
#include "devices/acpi_pm.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

constexpr std::uint16_t kStatus = acpi::kPm1Event, kEnable = acpi::kPm1Event + 2, kControl = acpi::kPm1Control;
constexpr std::uint16_t kGpeStatus = acpi::kGpe0, kGpeEnable = acpi::kGpe0 + 2;
constexpr unsigned kTimerBit = 0x0001, kPowerButton = 0x0100, kWake = 0x8000, kSciEnable = 0x0001;
constexpr TickRate kRate{acpi::kTimerHertz};

class AcpiPmTest : public testing::Test {
 protected:
  explicit AcpiPmTest(AcpiPm::TimerWidth width = AcpiPm::TimerWidth::bits24)
      : pm(
            time.events(), sci, [this](PowerRequest request) { power.push_back(request); }, width) {}

  unsigned get(std::uint16_t offset) { return pm.pm_ports().port_read(offset, 2); }
  void set(std::uint16_t offset, unsigned value) { pm.pm_ports().port_write(offset, 2, value); }
  std::uint32_t timer() { return pm.pm_ports().port_read(acpi::kPmTimer, 4); }
  void acpi_on() { out8(pm.smi_ports(), 0, acpi::kEnable); }

  FakeTime time;
  FakeLine sci;
  std::vector<PowerRequest> power;
  AcpiPm pm;
};

class AcpiPm32 : public AcpiPmTest {
 protected:
  AcpiPm32() : AcpiPmTest(AcpiPm::TimerWidth::bits32) {}
};

// ---- ACPI mode (4.7.3.2.1) --------------------------------------------------------------------

TEST_F(AcpiPmTest, SmiCommandEnablesAcpiModeAtOnce) {
  EXPECT_EQ(get(kControl) & kSciEnable, 0U);
  acpi_on();
  EXPECT_EQ(get(kControl) & kSciEnable, kSciEnable);
  out8(pm.smi_ports(), 0, acpi::kDisable);
  EXPECT_EQ(get(kControl) & kSciEnable, 0U);
}

TEST_F(AcpiPmTest, SciEnableCannotBeWritten) {
  set(kControl, kSciEnable);
  EXPECT_FALSE(pm.acpi_mode());
  acpi_on();
  set(kControl, 0);
  EXPECT_TRUE(pm.acpi_mode());
}

TEST_F(AcpiPmTest, UnknownSmiCommandsAreCounted) {
  out8(pm.smi_ports(), 0, 0x42);
  EXPECT_EQ(pm.odd_accesses(), 1U);
  EXPECT_EQ(in8(pm.smi_ports(), 0), 0x42);
}

TEST_F(AcpiPmTest, NoSciOutsideAcpiMode) {
  set(kEnable, kPowerButton);
  pm.press_power_button();
  EXPECT_FALSE(sci.level);
  acpi_on();
  EXPECT_TRUE(sci.level);
}

// ---- events (4.7.3.1) -------------------------------------------------------------------------

TEST_F(AcpiPmTest, SciIsLevelWhileAnEnabledEventIsUp) {
  acpi_on();
  pm.press_power_button();
  EXPECT_FALSE(sci.level);
  set(kEnable, kPowerButton);
  EXPECT_TRUE(sci.level);
  EXPECT_EQ(get(kStatus) & kPowerButton, kPowerButton);
  set(kStatus, kPowerButton);
  EXPECT_FALSE(sci.level);
}

TEST_F(AcpiPmTest, StatusIsClearedByOnesOnly) {
  pm.press_power_button();
  set(kStatus, static_cast<std::uint16_t>(~kPowerButton));
  EXPECT_EQ(get(kStatus), kPowerButton);
}

TEST_F(AcpiPmTest, StatusAndEnableAreReadAsOneDword) {
  set(kEnable, kPowerButton);
  pm.press_power_button();
  EXPECT_EQ(pm.pm_ports().port_read(kStatus, 4), kPowerButton << 16 | kPowerButton);
}

TEST_F(AcpiPmTest, ByteAccessReachesOneHalf) {
  out8(pm.pm_ports(), kEnable + 1, 0x01);
  EXPECT_EQ(get(kEnable), kPowerButton);
  pm.press_power_button();
  out8(pm.pm_ports(), kStatus, 0xFF);
  EXPECT_EQ(get(kStatus), kPowerButton);
}

TEST_F(AcpiPmTest, GeneralPurposeEventsRaiseTheSci) {
  acpi_on();
  pm.raise_gpe(5);
  EXPECT_FALSE(sci.level);
  set(kGpeEnable, 1U << 5);
  EXPECT_TRUE(sci.level);
  EXPECT_EQ(get(kGpeStatus), 1U << 5);
  set(kGpeStatus, 1U << 5);
  EXPECT_FALSE(sci.level);
}

// ---- PM timer (4.7.2.1) -----------------------------------------------------------------------

TEST_F(AcpiPmTest, TimerRunsAt3579545Hertz) {
  EXPECT_EQ(timer(), 0U);
  time.advance(1'000'000'000);
  EXPECT_EQ(timer(), 3'579'545U);
}

TEST_F(AcpiPmTest, TimerHas24Bits) {
  time.advance(kRate.ns_of((1ULL << 24) + 5));
  EXPECT_EQ(timer(), 5U);
}

TEST_F(AcpiPm32, TimerHas32Bits) {
  time.advance(kRate.ns_of((1ULL << 32) + 5));
  EXPECT_EQ(timer(), 5U);
  time.advance(kRate.ns_of((1ULL << 32) + (1ULL << 31)) - time.now());
  EXPECT_EQ(timer(), 1U << 31);
}

TEST_F(AcpiPmTest, TimerStatusIsSetWhenTheHighestBitChanges) {
  time.advance(kRate.ns_of(1U << 23) - 1);
  EXPECT_EQ(get(kStatus), 0U);
  time.advance(1);
  EXPECT_EQ(get(kStatus), kTimerBit);
  set(kStatus, kTimerBit);
  time.advance(kRate.ns_of(1U << 24) - time.now());
  EXPECT_EQ(get(kStatus), kTimerBit) << "in both directions";
}

TEST_F(AcpiPmTest, TimerOverflowInterruptsEveryHalfPeriod) {
  acpi_on();
  set(kEnable, kTimerBit);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    time.advance(kRate.ns_of(i << 23) - time.now() - 1);
    EXPECT_FALSE(sci.level);
    time.advance(1);
    EXPECT_TRUE(sci.level);
    set(kStatus, kTimerBit);
    EXPECT_FALSE(sci.level);
  }
}

TEST_F(AcpiPmTest, TimerCannotBeWritten) {
  time.advance(1'000'000);
  const std::uint32_t before = timer();
  pm.pm_ports().port_write(acpi::kPmTimer, 4, 0);
  EXPECT_EQ(timer(), before);
}

// Linux's check on i386: 32 ms of PIT against the timer, within 10 %.
TEST_F(AcpiPmTest, TimerAgreesWithThePit) {
  const std::uint32_t before = timer();
  time.advance(TickRate(1'193'182).ns_of(1'193'182 * 30 / 1000));
  EXPECT_NEAR(timer() - before, 107'386, 4);
}

// ---- sleeping (4.7.3.2.1) ---------------------------------------------------------------------

TEST_F(AcpiPmTest, S5PowersOff) {
  set(kControl, acpi::kSleepTypeS5 << 10);
  EXPECT_TRUE(power.empty()) << "SLP_EN does it";
  set(kControl, acpi::kSleepTypeS5 << 10 | 0x2000);
  EXPECT_EQ(power, std::vector{PowerRequest::off});
}

TEST_F(AcpiPmTest, SleepEnableReadsAsZero) {
  set(kControl, 0x3C00);
  EXPECT_EQ(get(kControl), 0x1C00U);
}

TEST_F(AcpiPmTest, OtherSleepTypesWakeAtOnce) {
  set(kControl, 5U << 10 | 0x2000);
  EXPECT_TRUE(power.empty());
  EXPECT_EQ(get(kStatus) & kWake, kWake);
  EXPECT_EQ(pm.odd_accesses(), 1U);
}

// ---- PM2 control (4.7.3.3), reset -------------------------------------------------------------

TEST_F(AcpiPmTest, Pm2ControlHasOneBit) {
  out8(pm.pm2_port(), 0, 0xFF);
  EXPECT_EQ(in8(pm.pm2_port()), 0x01);
}

TEST_F(AcpiPmTest, ResetLeavesAcpiMode) {
  acpi_on();
  set(kEnable, kPowerButton);
  pm.press_power_button();
  pm.reset();
  EXPECT_FALSE(sci.level);
  EXPECT_FALSE(pm.acpi_mode());
  EXPECT_EQ(get(kEnable), 0U);
}

TEST_F(AcpiPmTest, UndefinedOffsetsReadAsZeroAndAreCounted) {
  EXPECT_EQ(get(0x20), 0U);
  EXPECT_EQ(pm.odd_accesses(), 2U);
}

}  // namespace
}  // namespace ringshift::devices
