// The port bus and the timer queue.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "devices/shared_irq.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

struct Recorder final : PortDevice {
  struct Access {
    std::uint16_t offset;
    unsigned size;
    std::uint32_t value;
    bool operator==(const Access&) const = default;
  };
  std::uint32_t port_read(std::uint16_t offset, unsigned size) override {
    reads.push_back({offset, size, 0});
    return 0x44332211;
  }
  void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    writes.push_back({offset, size, value});
  }
  std::vector<Access> reads, writes;
};

TEST(PortBus, AccessWithinARangeArrivesWhole) {
  PortBus bus;
  Recorder device;
  bus.claim(0xCF8, 8, device);
  bus.write(0xCFC, 4, 0x12345678);
  EXPECT_EQ(device.writes, (std::vector<Recorder::Access>{{4, 4, 0x12345678}}));
}

TEST(PortBus, AccessAcrossRangesIsSplitIntoBytes) {
  PortBus bus;
  Recorder low, high;
  bus.claim(0x60, 1, low);
  bus.claim(0x61, 1, high);
  bus.write(0x60, 2, 0xBBAA);
  EXPECT_EQ(low.writes, (std::vector<Recorder::Access>{{0, 1, 0xAA}}));
  EXPECT_EQ(high.writes, (std::vector<Recorder::Access>{{0, 1, 0xBB}}));
  EXPECT_EQ(bus.read(0x60, 2), 0x1111U);
}

TEST(PortBus, LaterClaimWins) {
  PortBus bus;
  Recorder first, second;
  bus.claim(0x80, 16, first);
  bus.claim(0x80, 1, second);
  bus.write(0x80, 1, 1);
  bus.write(0x81, 1, 1);
  EXPECT_EQ(second.writes.size(), 1U);
  EXPECT_EQ(first.writes.size(), 1U);
}

TEST(PortBus, AMovingRangeTakesNobodysPorts) {
  PortBus bus;
  Recorder fixed, moving;
  bus.claim(0x20, 2, fixed);
  bus.claim_unused(0x1C, 8, moving);
  bus.write(0x20, 1, 1);
  bus.write(0x22, 1, 2);
  EXPECT_EQ(fixed.writes.size(), 1U);
  EXPECT_EQ(moving.writes, (std::vector<Recorder::Access>{{6, 1, 2}}));
  bus.release(moving);
  bus.write(0x22, 1, 3);
  bus.write(0x20, 1, 4);
  EXPECT_EQ(moving.writes.size(), 1U);
  EXPECT_EQ(fixed.writes.size(), 2U);
}

TEST(PortBus, ARangeMayMoveForever) {
  PortBus bus;
  Recorder device;
  for (unsigned i = 0; i < 100'000; ++i) {
    bus.claim_unused(static_cast<std::uint16_t>(0xC000 + i % 64), 16, device);
    bus.release(device);
  }
  EXPECT_EQ(bus.read(0xC000, 1), 0xFFU);
}

TEST(PortBus, UnclaimedReadsAsOnesAndIsCounted) {
  PortBus bus;
  EXPECT_EQ(bus.read(0x300, 2), 0xFFFFU);
  EXPECT_EQ(bus.read(0x300, 4), 0xFFFFFFFFU);
  bus.write(0x300, 1, 0);
  EXPECT_EQ(bus.unclaimed().at(0x300).reads, 2U);
  EXPECT_EQ(bus.unclaimed().at(0x300).writes, 1U);
}

TEST(PortBus, ValueIsCutToTheSize) {
  PortBus bus;
  Recorder device;
  bus.claim(0x100, 4, device);
  EXPECT_EQ(bus.read(0x100, 1), 0x11U);
  bus.write(0x100, 2, 0xFFFF1234);
  EXPECT_EQ(device.writes.back().value, 0x1234U);
}

TEST(PortBus, AccessAtTheEndOfTheSpaceStaysInIt) {
  PortBus bus;
  Recorder last;
  bus.claim(0xFFFF, 1, last);
  bus.write(0xFFFF, 4, 0x04030201);
  EXPECT_EQ(last.writes, (std::vector<Recorder::Access>{{0, 1, 1}}));
}

TEST(EventQueue, RunsInOrderOfDeadlines) {
  FakeTime time;
  std::vector<std::uint64_t> ran;
  const auto record = [&ran](std::uint64_t deadline) { ran.push_back(deadline); };
  const auto a = time.events().add(record), b = time.events().add(record), c = time.events().add(record);
  time.events().arm(a, 30);
  time.events().arm(b, 10);
  time.events().arm(c, 99);
  time.advance_late(50);
  EXPECT_EQ(ran, (std::vector<std::uint64_t>{10, 30}));
  EXPECT_EQ(time.events().next_deadline(), 99U);
}

TEST(EventQueue, TimerFiresOnce) {
  FakeTime time;
  int count = 0;
  const auto timer = time.events().add([&](std::uint64_t) { ++count; });
  time.events().arm(timer, 5);
  time.advance(100);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(time.events().next_deadline(), EventQueue::kNever);
}

TEST(EventQueue, DisarmedTimerDoesNotFire) {
  FakeTime time;
  int count = 0;
  const auto timer = time.events().add([&](std::uint64_t) { ++count; });
  time.events().arm(timer, 5);
  time.events().disarm(timer);
  time.advance(100);
  EXPECT_EQ(count, 0);
}

TEST(EventQueue, TellsOnlyOfEarlierDeadlines) {
  FakeTime time;
  int told = 0;
  const auto a = time.events().add([](std::uint64_t) {}), b = time.events().add([](std::uint64_t) {});
  time.events().on_earlier([&] { ++told; });
  time.events().arm(a, 50);
  time.events().arm(b, 60);
  time.events().arm(b, 40);
  time.events().disarm(b);
  EXPECT_EQ(told, 2);
}

TEST(SharedIrq, StaysUpUntilTheLastSourceIsGone) {
  FakeLine out;
  SharedIrq shared(out);
  IrqLine &a = shared.add_source(), &b = shared.add_source();
  a.set(true);
  a.set(true);
  b.set(true);
  a.set(false);
  EXPECT_TRUE(out.level);
  b.set(false);
  EXPECT_FALSE(out.level);
  EXPECT_EQ(out.rises, 1U);
}

}  // namespace
}  // namespace ringshift::devices
