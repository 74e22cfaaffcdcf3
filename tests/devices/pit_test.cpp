// The 8254 as a driver sees it (Intel 8254 data sheet), and port 61h.
#include "devices/pit.h"

#include <gtest/gtest.h>

#include "devices/pic.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

constexpr TickRate kRate{Pit::kHertz};

class PitTest : public testing::Test {
 protected:
  void control(unsigned value) { out8(pit, 3, value); }
  void count(unsigned channel, unsigned value) {
    out8(pit, static_cast<std::uint16_t>(channel), value & 0xFF);
    out8(pit, static_cast<std::uint16_t>(channel), value >> 8);
  }
  unsigned read16(unsigned channel) {
    const unsigned low = in8(pit, static_cast<std::uint16_t>(channel));
    return low | static_cast<unsigned>(in8(pit, static_cast<std::uint16_t>(channel))) << 8;
  }
  // To exactly that many ticks after the clock's start.
  void to_tick(std::uint64_t tick) { time.advance(kRate.ns_of(tick) - time.now()); }

  FakeTime time;
  FakeLine irq;
  Pit pit{time.events(), irq};
  Port61 port61{pit, time.clock()};
};

TEST(TickRate, RoundTripsFarFromZero) {
  for (const std::uint64_t tick : {1ULL, 1193182ULL, 999999999999ULL, 12345678901234ULL}) {
    EXPECT_EQ(kRate.ticks_at(kRate.ns_of(tick)), tick);
    EXPECT_EQ(kRate.ticks_at(kRate.ns_of(tick) - 1), tick - 1);
  }
}

TEST_F(PitTest, Mode2CountsFromNDownToOne) {
  control(0x74);  // channel 1
  count(1, 5);
  unsigned seen[6];
  for (unsigned i = 0; i < 6; ++i) {
    to_tick(1 + i);
    seen[i] = read16(1);
  }
  EXPECT_EQ((std::vector<unsigned>(seen, seen + 6)), (std::vector<unsigned>{5, 4, 3, 2, 1, 5}));
}

TEST_F(PitTest, Mode2OutIsLowWhileTheCountIsOne) {
  control(0x74);
  count(1, 5);
  to_tick(4);
  EXPECT_TRUE(pit.out(1));
  to_tick(5);
  EXPECT_FALSE(pit.out(1));
  to_tick(6);
  EXPECT_TRUE(pit.out(1));
}

TEST_F(PitTest, PeriodicInterruptsDoNotDrift) {
  control(0x34);
  count(0, 11932);  // Linux at 100 Hz
  irq.rises = 0;
  time.advance(100'000'000'000);
  EXPECT_EQ(irq.rises, (kRate.ticks_at(100'000'000'000) - 1) / 11932);
  EXPECT_EQ(pit.coalesced_ticks(), 0U);
}

TEST_F(PitTest, LateHostGetsOneInterruptAndKeepsThePhase) {
  control(0x34);
  count(0, 1000);
  irq.rises = 0;
  time.advance_late(kRate.ns_of(1 + 1000 * 10 + 500));
  EXPECT_EQ(irq.rises, 1U);
  EXPECT_EQ(pit.coalesced_ticks(), 9U);
  EXPECT_EQ(time.events().next_deadline(), kRate.ns_of(1 + 1000 * 11));
}

TEST_F(PitTest, SlowTicksThatALateHostOwesFollowBetweenOthers) {
  control(0x34);
  count(0, 10000);
  irq.rises = 0;
  time.advance_late(kRate.ns_of(1 + 10000 * 3 + 5000));
  EXPECT_EQ(irq.rises, 1U);
  EXPECT_EQ(pit.coalesced_ticks(), 2U);
  time.advance(kRate.ns_of(1 + 10000 * 7) - time.now());
  EXPECT_EQ(irq.rises, 7U) << "as many as there were periods";
  time.advance(kRate.ns_of(1 + 10000 * 17) - time.now());
  EXPECT_EQ(irq.rises, 17U) << "and no more";
}

TEST_F(PitTest, WhatIsOwedIsForgottenWithTheMode) {
  control(0x34);
  count(0, 10000);
  time.advance_late(kRate.ns_of(1 + 10000 * 5));
  control(0x34);
  count(0, 20000);
  irq.rises = 0;
  time.advance(kRate.ns_of(20000 * 4));
  EXPECT_LE(irq.rises, 4U);
}

TEST_F(PitTest, AHostThatWasAwayForLongOwesLittle) {
  control(0x34);
  count(0, 0);
  time.advance_late(3'600'000'000'000);
  irq.rises = 0;
  time.advance(60'000'000'000);
  EXPECT_LE(irq.rises, 60U * 18 + 60 + 10 * 19);
}

TEST_F(PitTest, ShortestPeriodDoesNotHoldTheQueue) {
  control(0x34);
  count(0, 1);
  irq.rises = 0;
  time.advance_late(1'000'000'000);
  EXPECT_EQ(irq.rises, 1U);
  EXPECT_EQ(pit.odd_accesses(), 1U) << "a count of 1 is illegal in mode 2";
}

TEST_F(PitTest, CountOfZeroIs65536) {
  control(0x34);
  count(0, 0);
  EXPECT_EQ(time.events().next_deadline(), kRate.ns_of(1 + 65536));
}

TEST_F(PitTest, Mode3SquareWave) {
  control(0x76);
  count(1, 5);  // odd: three clocks high, two low
  unsigned high = 0;
  for (unsigned tick = 1; tick <= 10; ++tick) {
    to_tick(tick);
    high += pit.out(1) ? 1 : 0;
    EXPECT_EQ(read16(1) % 2, 0U);
  }
  EXPECT_EQ(high, 6U);
}

TEST_F(PitTest, Mode3CountsByTwoTwiceAPeriod) {
  control(0x76);
  count(1, 8);
  std::vector<unsigned> seen;
  for (unsigned tick = 1; tick <= 8; ++tick) {
    to_tick(tick);
    seen.push_back(read16(1));
  }
  EXPECT_EQ(seen, (std::vector<unsigned>{8, 6, 4, 2, 8, 6, 4, 2}));
}

TEST_F(PitTest, Mode0RaisesOutAfterNPlusOneClocks) {
  control(0x30);
  count(0, 100);
  to_tick(100);
  EXPECT_FALSE(irq.level);
  to_tick(101);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(irq.rises, 1U);
  time.advance(1'000'000'000);
  EXPECT_EQ(irq.rises, 1U);
}

TEST_F(PitTest, Mode0ControlWordTakesOutLow) {
  control(0x34);
  EXPECT_TRUE(irq.level);
  control(0x30);
  EXPECT_FALSE(irq.level);
}

TEST_F(PitTest, Mode0GatePausesTheCount) {
  port61.write8(0, 1);
  control(0xB0);
  count(2, 100);
  to_tick(41);
  port61.write8(0, 0);
  EXPECT_EQ(read16(2), 60U);
  to_tick(500);
  EXPECT_EQ(read16(2), 60U);
  port61.write8(0, 1);
  to_tick(559);
  EXPECT_EQ(in8(port61) & 0x20, 0);
  to_tick(560);
  EXPECT_EQ(in8(port61) & 0x20, 0x20);
}

TEST_F(PitTest, Mode0FirstByteOfACountStopsIt) {
  port61.write8(0, 1);
  control(0xB0);
  count(2, 10);
  to_tick(20);
  EXPECT_TRUE(pit.out(2));
  out8(pit, 2, 50);
  EXPECT_FALSE(pit.out(2));
  to_tick(1000);
  EXPECT_FALSE(pit.out(2));
  out8(pit, 2, 0);
  to_tick(1051);
  EXPECT_TRUE(pit.out(2));
}

TEST_F(PitTest, Mode1WaitsForTheGate) {
  control(0xB2);
  count(2, 20);
  to_tick(100);
  EXPECT_TRUE(pit.out(2));
  port61.write8(0, 1);
  to_tick(101);
  EXPECT_FALSE(pit.out(2));
  to_tick(121);
  EXPECT_TRUE(pit.out(2));
  port61.write8(0, 0);
  port61.write8(0, 1);
  to_tick(122);
  EXPECT_FALSE(pit.out(2)) << "triggers again";
}

TEST_F(PitTest, Mode4StrobesOnce) {
  control(0x38);  // Linux's one-shot clock event
  irq.rises = 0;
  count(0, 50);
  to_tick(200);
  EXPECT_EQ(irq.rises, 1U);
  count(0, 50);
  to_tick(400);
  EXPECT_EQ(irq.rises, 2U);
}

TEST_F(PitTest, Mode5StrobesAfterTheGate) {
  control(0xBA);
  count(2, 10);
  to_tick(50);
  port61.write8(0, 1);
  to_tick(60);
  EXPECT_TRUE(pit.out(2));
  to_tick(61);
  EXPECT_FALSE(pit.out(2));
  to_tick(62);
  EXPECT_TRUE(pit.out(2));
}

TEST_F(PitTest, NewPeriodicCountTakesOverAtTheEndOfThePeriod) {
  control(0x34);
  count(0, 1000);
  to_tick(300);
  count(0, 400);
  EXPECT_EQ(time.events().next_deadline(), kRate.ns_of(1001));
  to_tick(1001);
  EXPECT_EQ(time.events().next_deadline(), kRate.ns_of(1401));
}

TEST_F(PitTest, LatchHoldsBothBytesOfOneMoment) {
  control(0x74);
  count(1, 0x1234);
  to_tick(1);
  control(0x40);
  to_tick(1000);
  EXPECT_EQ(read16(1), 0x1234U);
  EXPECT_EQ(read16(1), 0x1234U - 999) << "and then counts on";
}

TEST_F(PitTest, SecondLatchIsIgnored) {
  control(0x74);
  count(1, 1000);
  to_tick(11);
  control(0x40);
  to_tick(21);
  control(0x40);
  EXPECT_EQ(read16(1), 990U);
}

TEST_F(PitTest, ReadBackGivesStatusThenCount) {
  control(0x74);
  count(1, 1000);
  to_tick(1);
  control(0xC0 | 0x04);
  to_tick(100);
  EXPECT_EQ(in8(pit, 1), 0xB4) << "OUT high, count loaded, both bytes, mode 2, binary";
  EXPECT_EQ(read16(1), 1000U);
}

TEST_F(PitTest, ReadBackReportsANullCountUntilTheLoad) {
  control(0x74);
  control(0xE0 | 0x04);
  EXPECT_EQ(in8(pit, 1) & 0x40, 0x40);
  count(1, 1000);
  to_tick(1);
  control(0xE0 | 0x04);
  EXPECT_EQ(in8(pit, 1) & 0x40, 0x00);
}

TEST_F(PitTest, BcdCounts) {
  control(0x75);
  count(1, 0x1000);
  to_tick(2);
  EXPECT_EQ(read16(1), 0x0999U);
}

TEST_F(PitTest, SingleByteAccess) {
  control(0x54);  // low byte
  out8(pit, 1, 200);
  to_tick(11);
  EXPECT_EQ(in8(pit, 1), 190);
  EXPECT_EQ(in8(pit, 1), 190);
  control(0x64);  // high byte
  out8(pit, 1, 2);
  to_tick(13);
  EXPECT_EQ(in8(pit, 1), 1);
}

TEST_F(PitTest, Port61RefreshBitToggles) {
  unsigned changes = 0;
  for (unsigned before = in8(port61) & 0x10, i = 0; i < 100; ++i) {
    time.advance(5'000);
    const unsigned now = in8(port61) & 0x10;
    changes += now != before ? 1 : 0;
    before = now;
  }
  EXPECT_EQ(changes, 33U);
}

TEST_F(PitTest, Port61KeepsItsLowBits) {
  out8(port61, 0, 0xFF);
  EXPECT_EQ(in8(port61) & 0xCF, 0x0F);
  EXPECT_TRUE(port61.speaker_enabled());
}

// How Linux calibrates the TSC: channel 2, mode 0, 50 ms, spin on port 61h bit 5.
TEST_F(PitTest, TscCalibrationTakesItsTime) {
  out8(port61, 0, (in8(port61) & ~0x02U) | 0x01);
  control(0xB0);
  count(2, 59659);
  while ((in8(port61) & 0x20) == 0) time.advance(1000);
  EXPECT_NEAR(static_cast<double>(time.now()), 50e6, 3e3);
}

TEST_F(PitTest, OnePendingEdgeInThePic) {
  Pic pic;
  Pit ticking{time.events(), pic.line(0)};
  for (const unsigned v : {0x20U, 0x04U, 0x01U, 0x00U}) {
    if (v == 0x20U) out8(pic.master_ports(), 0, 0x11);
    out8(pic.master_ports(), 1, v);
  }
  out8(ticking, 3, 0x34);
  out8(ticking, 0, 100);
  out8(ticking, 0, 0);
  time.advance(10'000'000);
  unsigned delivered = 0;
  for (; pic.pending(); ++delivered) {
    pic.acknowledge();
    out8(pic.master_ports(), 0, 0x20);
  }
  EXPECT_EQ(delivered, 1U);
}

}  // namespace
}  // namespace ringshift::devices
