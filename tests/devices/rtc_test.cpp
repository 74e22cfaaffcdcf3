// The MC146818A as a driver sees it (Motorola MC146818A data sheet).
#include "devices/rtc.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000, kMillisecond = 1'000'000;
constexpr std::int64_t kLeapDay = 1'709'251'198;  // Thursday 2024-02-29, 23:59:58

enum Register : std::uint8_t {
  kSeconds,
  kSecondsAlarm,
  kMinutes,
  kMinutesAlarm,
  kHours,
  kHoursAlarm,
  kWeekday,
  kDay,
  kMonth,
  kYear,
  kA,
  kB,
  kC,
  kD,
  kCentury = 0x32
};
constexpr unsigned kUip = 0x80, kSet = 0x80, kPie = 0x40, kAie = 0x20, kUie = 0x10, kBinary = 0x04, k24Hours = 0x02;
constexpr unsigned kIrqf = 0x80, kDontCare = 0xC0;

class RtcTest : public testing::Test {
 protected:
  unsigned get(std::uint8_t index) {
    out8(rtc.ports(), 0, index);
    return in8(rtc.ports(), 1);
  }
  void set(std::uint8_t index, unsigned value) {
    out8(rtc.ports(), 0, index);
    out8(rtc.ports(), 1, value);
  }
  void set_alarm(unsigned hours, unsigned minutes, unsigned seconds) {
    set(kHoursAlarm, hours);
    set(kMinutesAlarm, minutes);
    set(kSecondsAlarm, seconds);
  }
  // Interrupts delivered to a driver that reads register C in its handler.
  unsigned serve(std::uint64_t ns) {
    unsigned count = 0;
    for (const std::uint64_t end = time.now() + ns; time.events().next_deadline() <= end;) {
      time.advance(time.events().next_deadline() - time.now());
      if (!irq.level) continue;
      ++count;
      get(kC);
    }
    return count;
  }

  FakeTime time;
  FakeLine irq;
  Rtc rtc{time.events(), irq, kLeapDay};
};

// ---- time and date ----------------------------------------------------------------------------

TEST_F(RtcTest, CountsInBcdAsFirmwareLeavesIt) {
  EXPECT_EQ(get(kSeconds), 0x58U);
  EXPECT_EQ(get(kMinutes), 0x59U);
  EXPECT_EQ(get(kHours), 0x23U);
  EXPECT_EQ(get(kWeekday), 5U) << "Thursday; Sunday is 1";
  EXPECT_EQ(get(kDay), 0x29U);
  EXPECT_EQ(get(kMonth), 0x02U);
  EXPECT_EQ(get(kYear), 0x24U);
  EXPECT_EQ(get(kCentury), 0x20U);
}

TEST_F(RtcTest, CarriesThroughMonthOfALeapYear) {
  time.advance(2 * kSecond);
  EXPECT_EQ(get(kSeconds), 0U);
  EXPECT_EQ(get(kMinutes), 0U);
  EXPECT_EQ(get(kHours), 0U);
  EXPECT_EQ(get(kWeekday), 6U);
  EXPECT_EQ(get(kDay), 0x01U);
  EXPECT_EQ(get(kMonth), 0x03U);
}

TEST_F(RtcTest, BinaryModeCountsInBinary) {
  set(kB, k24Hours | kBinary);
  EXPECT_EQ(get(kSeconds), 58U);
  EXPECT_EQ(get(kHours), 23U);
  EXPECT_EQ(get(kDay), 29U);
}

struct HourRow {
  unsigned mode, hour24, shown;
};
class RtcHours : public RtcTest, public testing::WithParamInterface<HourRow> {};

// Table 3 and figure 15: bit 7 of the hours is PM in 12-hour mode; midnight is 12 AM and noon 12 PM.
TEST_P(RtcHours, ShowTheMode) {
  set(kB, k24Hours | kBinary);
  set(kHours, GetParam().hour24);
  set(kB, GetParam().mode);
  EXPECT_EQ(get(kHours), GetParam().shown);
}
INSTANTIATE_TEST_SUITE_P(Modes, RtcHours,
                         testing::Values(HourRow{k24Hours, 0, 0x00}, HourRow{k24Hours, 23, 0x23}, HourRow{0, 0, 0x12},
                                         HourRow{0, 1, 0x01}, HourRow{0, 11, 0x11}, HourRow{0, 12, 0x92},
                                         HourRow{0, 13, 0x81}, HourRow{0, 23, 0x91}, HourRow{kBinary, 0, 12},
                                         HourRow{kBinary, 12, 0x80 | 12}, HourRow{kBinary, 23, 0x80 | 11},
                                         HourRow{kBinary | k24Hours, 23, 23}));

TEST_F(RtcTest, TwelveHourTimeIsTakenAsWritten) {
  set(kB, kSet);
  set(kHours, 0x92);  // noon
  set(kB, 0);
  time.advance(3600 * kSecond);
  EXPECT_EQ(get(kHours), 0x81U);
}

TEST_F(RtcTest, SetStopsTheUpdatesAndKeepsWhatIsWritten) {
  set(kB, kSet | k24Hours);
  set(kSeconds, 0x10);
  time.advance(5 * kSecond);
  EXPECT_EQ(get(kSeconds), 0x10U);
  set(kB, k24Hours);
  time.advance(2 * kSecond);
  EXPECT_EQ(get(kSeconds), 0x12U);
}

TEST_F(RtcTest, WeekdayCountsFromWhatWasSet) {
  set(kB, kSet | k24Hours);
  set(kWeekday, 1);  // wrong, but the guest's business
  set(kB, k24Hours);
  time.advance(2 * kSecond);
  EXPECT_EQ(get(kWeekday), 2U);
}

TEST_F(RtcTest, FirstUpdateComesHalfASecondAfterTheDividerIsReleased) {
  time.advance(300 * kMillisecond);
  set(kA, 0x76);  // divider chain held in reset
  set(kSeconds, 0x10);
  time.advance(10 * kSecond);
  EXPECT_EQ(get(kSeconds), 0x10U);
  set(kA, 0x26);
  time.advance(499 * kMillisecond);
  EXPECT_EQ(get(kSeconds), 0x10U);
  time.advance(2 * kMillisecond);
  EXPECT_EQ(get(kSeconds), 0x11U);
}

// ---- update in progress -----------------------------------------------------------------------

TEST_F(RtcTest, UipIsSetOnlyInTheLastTwoMillisecondsOfASecond) {
  time.advance(997 * kMillisecond);
  EXPECT_EQ(get(kA) & kUip, 0U);
  time.advance(1 * kMillisecond);
  EXPECT_EQ(get(kA) & kUip, kUip);
  time.advance(2 * kMillisecond);
  EXPECT_EQ(get(kA) & kUip, 0U);
}

TEST_F(RtcTest, UipGivesAtLeast244MicrosecondsBeforeTheTimeChanges) {
  time.advance(kSecond - 245'000);
  EXPECT_EQ(get(kA) & kUip, kUip);
  EXPECT_EQ(get(kSeconds), 0x58U);
}

TEST_F(RtcTest, UipIsNeverSetWhileUpdatesAreInhibited) {
  set(kB, kSet | k24Hours);
  time.advance(999 * kMillisecond);
  EXPECT_EQ(get(kA) & kUip, 0U);
}

TEST_F(RtcTest, UipCannotBeWritten) {
  set(kA, 0xA6);
  EXPECT_EQ(get(kA), 0x26U);
}

// ---- interrupts -------------------------------------------------------------------------------

struct RateRow {
  unsigned select;
  double hertz;
};
class RtcRates : public RtcTest, public testing::WithParamInterface<RateRow> {};

// Table 5, 32,768 Hz time base.
TEST_P(RtcRates, OfThePeriodicInterrupt) {
  set(kA, 0x20 | GetParam().select);
  set(kB, k24Hours | kPie);
  EXPECT_NEAR(serve(4 * kSecond), GetParam().hertz * 4, 1);
}
INSTANTIATE_TEST_SUITE_P(Select, RtcRates,
                         testing::Values(RateRow{0, 0}, RateRow{1, 256}, RateRow{2, 128}, RateRow{3, 8192},
                                         RateRow{6, 1024}, RateRow{10, 64}, RateRow{15, 2}));

TEST_F(RtcTest, PeriodicFlagIsSetWithoutTheInterruptEnabled) {
  get(kC);
  time.advance(2 * kMillisecond);
  EXPECT_EQ(get(kC), kPie) << "IRQF needs an enabled source";
  EXPECT_EQ(irq.rises, 0U);
}

TEST_F(RtcTest, ReadingRegisterCClearsItAndDropsTheLine) {
  set(kB, k24Hours | kUie);
  time.advance(kSecond);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(get(kC) & (kIrqf | kUie), kIrqf | kUie);
  EXPECT_FALSE(irq.level);
  EXPECT_EQ(get(kC), 0U);
}

TEST_F(RtcTest, NoSecondEdgeUntilRegisterCIsRead) {
  set(kB, k24Hours | kUie);
  time.advance(5 * kSecond);
  EXPECT_EQ(irq.rises, 1U);
  get(kC);
  time.advance(kSecond);
  EXPECT_EQ(irq.rises, 2U);
}

TEST_F(RtcTest, UpdateEndedComesOnceASecond) {
  set(kB, k24Hours | kUie);
  EXPECT_EQ(serve(10 * kSecond), 10U);
}

TEST_F(RtcTest, SetClearsUie) {
  set(kB, k24Hours | kUie);
  set(kB, kSet | k24Hours | kUie);
  EXPECT_EQ(get(kB), kSet | k24Hours);
}

TEST_F(RtcTest, EnablingAnInterruptWhoseFlagIsUpRaisesTheLine) {
  time.advance(kSecond);
  get(kA);
  set(kB, k24Hours | kUie);
  EXPECT_TRUE(irq.level);
}

TEST_F(RtcTest, AlarmMatchesTheTimeOfDay) {
  set_alarm(0x00, 0x00, 0x05);
  set(kB, k24Hours | kAie);
  get(kC);
  time.advance(6 * kSecond + 999 * kMillisecond);
  EXPECT_FALSE(irq.level);
  time.advance(2 * kMillisecond);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(get(kC) & (kIrqf | kAie), kIrqf | kAie);
  EXPECT_EQ(serve(86'399 * kSecond), 0U);
  EXPECT_EQ(serve(1 * kSecond), 1U) << "again on the next day";
}

TEST_F(RtcTest, AlarmWithDontCareHoursComesHourly) {
  set_alarm(kDontCare, 0x30, 0x00);
  set(kB, k24Hours | kAie);
  get(kC);
  EXPECT_EQ(serve(24 * 3600 * kSecond), 24U);
}

TEST_F(RtcTest, AlarmWithAllDontCareComesEverySecond) {
  set_alarm(0xFF, 0xFF, 0xFF);
  set(kB, k24Hours | kAie);
  get(kC);
  EXPECT_EQ(serve(10 * kSecond), 10U);
}

TEST_F(RtcTest, AlarmIsNotMissedByALateHost) {
  set_alarm(0x00, 0x00, 0x05);
  set(kB, k24Hours | kAie);
  get(kC);
  time.advance_late(3600 * kSecond);
  EXPECT_TRUE(irq.level);
}

TEST_F(RtcTest, ResetTurnsInterruptsOffAndKeepsTheTime) {
  set(kB, k24Hours | kUie | kPie | kAie);
  time.advance(1 * kSecond);
  rtc.reset();
  EXPECT_FALSE(irq.level);
  EXPECT_EQ(get(kB), k24Hours);
  EXPECT_EQ(get(kSeconds), 0x59U);
}

// ---- RAM and ports ----------------------------------------------------------------------------

TEST_F(RtcTest, RegisterDSaysThatTheBatteryIsGoodAndIsReadOnly) {
  set(kD, 0);
  EXPECT_EQ(get(kD), 0x80U);
}

TEST_F(RtcTest, RamKeepsEveryByteAboveTheRegisters) {
  std::vector<std::uint8_t> indices(kCentury - 0x0E);
  std::iota(indices.begin(), indices.end(), std::uint8_t{0x0E});
  for (unsigned i = kCentury + 1; i < 0x80; ++i) indices.push_back(static_cast<std::uint8_t>(i));
  for (const std::uint8_t index : indices) set(index, index ^ 0xA5U);
  for (const std::uint8_t index : indices) EXPECT_EQ(get(index), index ^ 0xA5U);
}

TEST_F(RtcTest, Bit7OfTheIndexMasksNmiAndDoesNotSelect) {
  set(0x40, 0x77);
  EXPECT_EQ(get(0x80 | 0x40), 0x77U);
  EXPECT_TRUE(rtc.nmi_masked());
  get(0x40);
  EXPECT_FALSE(rtc.nmi_masked());
}

TEST_F(RtcTest, ExtendedBankIsSeparate) {
  set(0x40, 0x11);
  out8(rtc.extended_ports(), 0, 0x40);
  out8(rtc.extended_ports(), 1, 0x22);
  EXPECT_EQ(in8(rtc.extended_ports(), 1), 0x22);
  EXPECT_EQ(get(0x40), 0x11U);
}

// Linux reads the time so: look at seconds and UIP, read all, look again.
TEST_F(RtcTest, NoReadSeesAHalfCarriedTime) {
  for (unsigned i = 0; i < 400; ++i) {
    time.advance(10 * kMillisecond);
    if ((get(kA) & kUip) != 0) continue;
    const unsigned second = get(kSeconds), day = get(kDay), month = get(kMonth);
    const bool before = time.now() < 2 * kSecond;
    EXPECT_EQ(day, before ? 0x29U : 0x01U);
    EXPECT_EQ(month, before ? 0x02U : 0x03U);
    EXPECT_EQ(second >= 0x58, before);
  }
}

}  // namespace
}  // namespace ringshift::devices
