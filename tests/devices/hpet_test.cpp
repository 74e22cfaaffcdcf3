// The HPET as a driver sees it (IA-PC HPET specification 1.0a).
#include "devices/hpet.h"

#include <gtest/gtest.h>

#include "devices/parallel.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

constexpr std::uint64_t kConfig = 0x10, kStatus = 0x20, kCounter = 0xF0;
constexpr std::uint64_t timer(unsigned n) { return 0x100 + 0x20 * n; }
constexpr std::uint64_t comparator(unsigned n) { return timer(n) + 8; }
constexpr std::uint32_t kLevel = 2, kInterrupt = 4, kPeriodic = 8, kSetValue = 0x40, k32Bits = 0x100;
constexpr std::uint64_t kTickNs = 1'000'000'000 / Hpet::kHertz;

class HpetTest : public testing::Test {
 protected:
  std::uint32_t get(std::uint64_t reg) { return hpet.mmio_read(reg, 4); }
  void put(std::uint64_t reg, std::uint32_t value) { hpet.mmio_write(reg, 4, value); }
  std::uint64_t counter() {
    const std::uint64_t low = get(kCounter);
    return std::uint64_t{get(kCounter + 4)} << 32 | low;
  }

  FakeTime time;
  FakeLine irq0, irq8;
  std::array<FakeLine, 24> pins;
  std::vector<bool> legacy;
  Hpet hpet{time.events(),
            {{&irq0, &irq8}, [this](bool on) { legacy.push_back(on); }, [this](unsigned pin) { return &pins[pin]; }}};
};

TEST_F(HpetTest, SaysWhatItIs) {
  EXPECT_EQ(get(0), 0x8086A201U);
  EXPECT_EQ(get(4), 10'000'000U) << "femtoseconds of a tick";
  EXPECT_EQ(get(timer(0)) & 0x30, 0x30U) << "periodic, 64 bits";
  EXPECT_EQ(get(timer(2) + 4), Hpet::kRoutes);
}

TEST_F(HpetTest, CountsWhileEnabled) {
  time.advance(12345);
  EXPECT_EQ(counter(), 0U);
  put(kConfig, 1);
  time.advance(1000 * kTickNs);
  EXPECT_EQ(counter(), 1000U);
  put(kConfig, 0);
  time.advance(1000 * kTickNs);
  EXPECT_EQ(counter(), 1000U);
  put(kCounter, 7);
  put(kCounter + 4, 2);
  EXPECT_EQ(counter(), 0x200000007U);
  put(kConfig, 1);
  time.advance(3 * kTickNs);
  EXPECT_EQ(counter(), 0x20000000AU);
}

TEST_F(HpetTest, AReadOfBothHalvesIsOfOneMoment) {
  put(kCounter, 0xFFFFFFFF);
  put(kConfig, 1);
  EXPECT_EQ(get(kCounter), 0xFFFFFFFFU);
  time.advance(kTickNs);
  EXPECT_EQ(get(kCounter + 4), 0U);
}

TEST_F(HpetTest, OneShotThroughTheLegacyRoute) {
  put(timer(0), kInterrupt | k32Bits);
  put(comparator(0), 500);
  put(kConfig, 3);
  EXPECT_EQ(legacy, std::vector{true});
  time.advance(499 * kTickNs);
  EXPECT_EQ(irq0.rises, 0U);
  time.advance(kTickNs);
  EXPECT_EQ(irq0.rises, 1U);
  EXPECT_FALSE(irq0.level) << "an edge";
  time.advance(1'000'000);
  EXPECT_EQ(irq0.rises, 1U);
  put(kConfig, 1);
  EXPECT_EQ(legacy, (std::vector{true, false}));
}

TEST_F(HpetTest, ComparatorOf32BitsMatchesOncePerTurn) {
  put(timer(0), kInterrupt | k32Bits);
  put(comparator(0), 500);
  put(kConfig, 3);
  time.advance(((1ULL << 32) + 500) * kTickNs);
  EXPECT_EQ(irq0.rises, 2U);
}

TEST_F(HpetTest, Periodic) {
  put(kConfig, 3);
  put(timer(1), kInterrupt | kPeriodic | kSetValue | k32Bits);
  put(comparator(1), 1000);  // the first
  put(comparator(1), 300);   // and then every
  EXPECT_EQ(get(timer(1)) & kSetValue, 0U);
  time.advance(1000 * kTickNs);
  EXPECT_EQ(irq8.rises, 1U);
  EXPECT_EQ(get(comparator(1)), 1300U);
  time.advance(3000 * kTickNs);
  EXPECT_EQ(irq8.rises, 11U);
}

TEST_F(HpetTest, PeriodicWithComparatorsOf64Bits) {
  put(timer(0), kInterrupt | kPeriodic | kSetValue);
  put(comparator(0), 1000);
  put(comparator(0) + 4, 0);
  put(comparator(0), 300);
  put(comparator(0) + 4, 0);
  put(kConfig, 3);
  time.advance(1600 * kTickNs);
  EXPECT_EQ(irq0.rises, 3U);
}

TEST_F(HpetTest, ALateHostDropsPeriodsAndKeepsThePhase) {
  put(timer(0), kInterrupt | kPeriodic | kSetValue | k32Bits);
  put(comparator(0), 1000);
  put(comparator(0), 1000);
  put(kConfig, 3);
  time.advance_late(3500 * kTickNs);
  EXPECT_EQ(irq0.rises, 1U);
  time.advance(500 * kTickNs);
  EXPECT_EQ(irq0.rises, 2U);
}

TEST_F(HpetTest, ALevelWaitsForItsStatusToBeCleared) {
  put(timer(2), kInterrupt | kLevel | 21 << 9);
  put(comparator(2), 100);
  put(comparator(2) + 4, 0);
  put(kConfig, 1);
  time.advance(100 * kTickNs);
  EXPECT_TRUE(pins[21].level);
  EXPECT_EQ(get(kStatus), 4U);
  put(kStatus, 4);
  EXPECT_FALSE(pins[21].level);
  EXPECT_EQ(get(kStatus), 0U);
}

TEST_F(HpetTest, WithoutARouteNobodyHears) {
  put(timer(2), kInterrupt | 3 << 9);
  put(comparator(2), 100);
  put(comparator(2) + 4, 0);
  put(kConfig, 1);
  time.advance(1000 * kTickNs);
  EXPECT_EQ(pins[3].rises, 0U);
}

// ---- parallel port ----------------------------------------------------------------------------

class ParallelTest : public testing::Test {
 protected:
  void strobe(unsigned control) {
    out8(port, 2, control | 1);
    out8(port, 2, control);
  }
  FakeLine irq;
  std::string printed;
  ParallelPort port{irq, [this](std::uint8_t byte) { printed.push_back(static_cast<char>(byte)); }};
};

TEST_F(ParallelTest, PrintsWithTheEndOfTheStrobe) {
  out8(port, 0, 'A');
  out8(port, 2, 0x0D);
  EXPECT_EQ(printed, "");
  out8(port, 2, 0x0C);
  EXPECT_EQ(printed, "A");
  EXPECT_EQ(in8(port, 1), 0x9FU) << "the acknowledge";
  EXPECT_EQ(in8(port, 1), 0xDFU);
  EXPECT_EQ(irq.rises, 0U);
}

TEST_F(ParallelTest, IsSelectedFromTheStart) {
  EXPECT_EQ(in8(port, 2), 0xCCU);
  EXPECT_EQ(in8(port, 1), 0xDFU);
}

TEST_F(ParallelTest, InterruptsWithTheAcknowledge) {
  out8(port, 0, 'A');
  strobe(0x1C);
  EXPECT_EQ(irq.rises, 1U);
  EXPECT_FALSE(irq.level);
}

TEST_F(ParallelTest, APrinterThatIsNotSelectedTakesNothing) {
  out8(port, 0, 'A');
  strobe(0x04);
  strobe(0x08);
  EXPECT_EQ(printed, "");
}

TEST_F(ParallelTest, KeepsDataAndControlAndCanTurnRound) {
  out8(port, 0, 0x55);
  EXPECT_EQ(in8(port, 0), 0x55U);
  out8(port, 2, 0x0E);
  EXPECT_EQ(in8(port, 2), 0xCEU);
  out8(port, 2, 0x2E);
  EXPECT_EQ(in8(port, 0), 0xFFU) << "nobody drives the wires";
}

}  // namespace
}  // namespace ringshift::devices
