// The local APIC and the I/O APIC, as drivers and buses see them (SDM vol. 3, chapter 11; 82093AA data sheet).
#include "devices/local_apic.h"

#include <gtest/gtest.h>

#include "devices/io_apic.h"
#include "devices/isa_irqs.h"
#include "devices/pic.h"
#include "devices/timer_line.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

constexpr std::uint64_t kId = 0x20, kVersion = 0x30, kTpr = 0x80, kPpr = 0xA0, kEoi = 0xB0, kLdr = 0xD0, kDfr = 0xE0,
                        kSvr = 0xF0, kIsr = 0x100, kTmr = 0x180, kIrr = 0x200, kEsr = 0x280, kIcrLow = 0x300,
                        kIcrHigh = 0x310, kTimer = 0x320, kLint0 = 0x350, kLint1 = 0x360, kError = 0x370,
                        kInitial = 0x380, kCurrent = 0x390, kDivide = 0x3E0;
constexpr std::uint32_t kMasked = 0x10000, kPeriodic = 0x20000, kLevel = 0x8000, kRemoteIrr = 0x4000;
constexpr std::uint64_t kTickNs = 1'000'000'000 / LocalApic::kTimerHertz;

class ApicTest : public testing::Test {
 protected:
  std::uint32_t get(std::uint64_t reg) { return apic.mmio_read(reg, 4); }
  void put(std::uint64_t reg, std::uint32_t value) { apic.mmio_write(reg, 4, value); }
  void enable() { put(kSvr, 0x1FF); }
  bool send(std::uint8_t vector, bool level = false) {
    return apic.receive({0, false, ApicDelivery::fixed, vector, level});
  }
  // Bit of a 256-bit register.
  bool bit(std::uint64_t reg, unsigned vector) { return (get(reg + vector / 32 * 0x10) >> (vector % 32) & 1) != 0; }
  unsigned take() { return apic.acknowledge().value_or(0); }

  FakeTime time;
  unsigned nmis = 0, changes = 0;
  std::vector<unsigned> broadcasts;
  LocalApic apic{time.events(),
                 {[this] { ++changes; }, [this] { ++nmis; }, [this](std::uint8_t v) { broadcasts.push_back(v); }}};
};

// ---- state after reset, and enabling ----------------------------------------------------------

TEST_F(ApicTest, IsSoftwareDisabledAfterResetAndPassesThe8259Through) {
  EXPECT_EQ(get(kId), 0U);
  EXPECT_EQ(get(kVersion), 0x00050014U);
  EXPECT_EQ(get(kSvr), 0xFFU);
  EXPECT_EQ(get(kDfr), 0xFFFFFFFFU);
  EXPECT_EQ(get(kTimer), kMasked);
  EXPECT_EQ(get(kLint0), 0x700U);
  EXPECT_FALSE(send(0x40));
  apic.set_lint0(true);
  EXPECT_TRUE(apic.pending());
  EXPECT_EQ(apic.acknowledge(), std::nullopt) << "the 8259 gives the vector";
}

TEST_F(ApicTest, SoftwareDisablingMasksTheVectorTable) {
  enable();
  put(kLint0, 0x700);
  put(kSvr, 0xFF);
  EXPECT_EQ(get(kLint0), kMasked | 0x700);
  put(kLint0, 0x700);
  EXPECT_EQ(get(kLint0), kMasked | 0x700) << "cannot be unmasked";
  apic.set_lint0(true);
  EXPECT_FALSE(apic.pending());
}

TEST_F(ApicTest, OffItIsTwoPins) {
  apic.set_enabled(false);
  EXPECT_EQ(get(kVersion), 0xFFFFFFFFU);
  EXPECT_FALSE(send(0x40));
  apic.set_lint0(true);
  EXPECT_TRUE(apic.pending());
  EXPECT_EQ(apic.acknowledge(), std::nullopt);
  apic.set_lint1(true);
  EXPECT_EQ(nmis, 1U);
  apic.set_enabled(true);
  EXPECT_EQ(get(kSvr), 0xFFU);
}

// ---- priorities -------------------------------------------------------------------------------

TEST_F(ApicTest, AFixedInterruptGoesFromIrrToIsrAndEnds) {
  enable();
  EXPECT_TRUE(send(0x41));
  EXPECT_TRUE(apic.pending());
  EXPECT_TRUE(bit(kIrr, 0x41));
  EXPECT_EQ(take(), 0x41U);
  EXPECT_FALSE(bit(kIrr, 0x41));
  EXPECT_TRUE(bit(kIsr, 0x41));
  EXPECT_EQ(get(kPpr), 0x40U);
  EXPECT_FALSE(apic.pending());
  put(kEoi, 0);
  EXPECT_FALSE(bit(kIsr, 0x41));
  EXPECT_TRUE(broadcasts.empty()) << "an edge ends here";
}

TEST_F(ApicTest, AHigherClassInterruptsALowerOne) {
  enable();
  send(0x41);
  EXPECT_EQ(take(), 0x41U);
  send(0x4F);
  EXPECT_FALSE(apic.pending()) << "the same class waits";
  send(0x50);
  EXPECT_EQ(take(), 0x50U);
  put(kEoi, 0);
  EXPECT_FALSE(apic.pending());
  put(kEoi, 0);
  EXPECT_EQ(take(), 0x4FU);
}

TEST_F(ApicTest, TheTaskPriorityHoldsBack) {
  enable();
  put(kTpr, 0x45);
  send(0x4F);
  EXPECT_FALSE(apic.pending());
  EXPECT_EQ(get(kPpr), 0x45U);
  put(kTpr, 0x3F);
  EXPECT_EQ(take(), 0x4FU);
}

TEST_F(ApicTest, ARequestThatWentAwayIsSpurious) {
  enable();
  send(0x41);
  put(kTpr, 0xF0);
  EXPECT_EQ(take(), 0xFFU);
  EXPECT_FALSE(bit(kIsr, 0xFF));
}

TEST_F(ApicTest, TheEndOfALevelIsBroadcast) {
  enable();
  send(0x60, true);
  EXPECT_TRUE(bit(kTmr, 0x60));
  take();
  put(kEoi, 0);
  EXPECT_EQ(broadcasts, std::vector<unsigned>{0x60});
  send(0x60, false);
  EXPECT_FALSE(bit(kTmr, 0x60));
}

// ---- destinations -----------------------------------------------------------------------------

TEST_F(ApicTest, TakesWhatIsAddressedToIt) {
  enable();
  put(kId, 0x05000000);
  put(kLdr, 0x22000000);
  struct Row {
    std::uint8_t destination;
    bool logical;
    bool cluster;
    bool taken;
  };
  constexpr Row kRows[] = {
      {0x05, false, false, true}, {0x00, false, false, false}, {0xFF, false, false, true}, {0x20, true, false, true},
      {0x01, true, false, false}, {0x82, true, false, true},   {0x22, true, true, true},   {0x21, true, true, false},
      {0x32, true, true, false},  {0xF2, true, true, true},
  };
  for (const Row& row : kRows) {
    put(kDfr, row.cluster ? 0 : 0xF0000000);
    EXPECT_EQ(apic.receive({row.destination, row.logical, ApicDelivery::fixed, 0x40, false}), row.taken)
        << unsigned{row.destination} << (row.logical ? " logical" : " physical") << (row.cluster ? " cluster" : "");
  }
}

TEST_F(ApicTest, InterruptsItself) {
  enable();
  for (const std::uint32_t shorthand : {0x40000U, 0x80000U}) {
    put(kIcrLow, shorthand | 0x51);
    EXPECT_EQ(take(), 0x51U);
    put(kEoi, 0);
  }
  put(kIcrHigh, 0);
  put(kIcrLow, 0x52);
  EXPECT_EQ(take(), 0x52U);
  EXPECT_EQ(get(kIcrLow) & 0x1000, 0U) << "delivered at once";
}

TEST_F(ApicTest, NobodyElseIsThere) {
  enable();
  put(kIcrLow, 0xC0053);
  put(kIcrHigh, 0x01000000);
  put(kIcrLow, 0x53);
  put(kIcrLow, 0xC4500);  // INIT to all others, and the start-up that follows
  put(kIcrLow, 0xC4610);
  EXPECT_FALSE(apic.pending());
}

TEST_F(ApicTest, SendsItselfAnNmi) {
  enable();
  put(kIcrLow, 0x40400);
  EXPECT_EQ(nmis, 1U);
  EXPECT_FALSE(apic.pending());
}

// ---- errors -----------------------------------------------------------------------------------

TEST_F(ApicTest, ErrorsShowAfterAWriteAndInterrupt) {
  enable();
  put(kError, 0x45);
  put(kIcrLow, 0x4000F);
  EXPECT_EQ(take(), 0x45U);
  EXPECT_EQ(get(kEsr), 0U);
  put(kEsr, 0);
  EXPECT_EQ(get(kEsr), 0x20U);
  send(0x05);
  get(0x3F0);
  put(kEsr, 0);
  EXPECT_EQ(get(kEsr), 0xC0U);
  put(kEsr, 0);
  EXPECT_EQ(get(kEsr), 0U);
}

TEST_F(ApicTest, AnErrorInterruptWithAnIllegalVectorIsJustAnotherError) {
  enable();
  put(kError, 0x03);
  put(kIcrLow, 0x40001);
  put(kEsr, 0);
  EXPECT_EQ(get(kEsr), 0x60U);
}

// ---- the timer --------------------------------------------------------------------------------

TEST_F(ApicTest, TimerCountsDownOnce) {
  enable();
  put(kTimer, 0x31);
  put(kDivide, 0xB);  // by 1
  put(kInitial, 1000);
  time.advance(400 * kTickNs);
  EXPECT_EQ(get(kCurrent), 600U);
  time.advance(599 * kTickNs);
  EXPECT_FALSE(apic.pending());
  time.advance(kTickNs);
  EXPECT_EQ(take(), 0x31U);
  EXPECT_EQ(get(kCurrent), 0U);
  put(kEoi, 0);
  time.advance(5000 * kTickNs);
  EXPECT_FALSE(apic.pending());
}

TEST_F(ApicTest, TimerRepeats) {
  enable();
  put(kTimer, kPeriodic | 0x31);
  put(kDivide, 0x3);  // by 16
  put(kInitial, 100);
  for (unsigned i = 0; i < 5; ++i) {
    time.advance(1600 * kTickNs - 1);
    EXPECT_FALSE(apic.pending());
    time.advance(1);
    EXPECT_EQ(take(), 0x31U);
    put(kEoi, 0);
  }
  time.advance(800 * kTickNs);
  EXPECT_EQ(get(kCurrent), 50U);
}

TEST_F(ApicTest, ALateHostDropsPeriodsAndKeepsThePhase) {
  enable();
  put(kTimer, kPeriodic | 0x31);
  put(kDivide, 0xB);
  put(kInitial, 1000);
  time.advance_late(3500 * kTickNs);
  EXPECT_EQ(take(), 0x31U);
  put(kEoi, 0);
  EXPECT_FALSE(apic.pending());
  time.advance(500 * kTickNs);
  EXPECT_EQ(take(), 0x31U);
}

TEST_F(ApicTest, AMaskedTimerCountsAndIsSilent) {
  enable();
  put(kDivide, 0xB);
  put(kInitial, 1000);
  time.advance(300 * kTickNs);
  EXPECT_EQ(get(kCurrent), 700U);
  EXPECT_EQ(time.events().next_deadline(), EventQueue::kNever);
  put(kTimer, 0x31);
  time.advance(700 * kTickNs);
  EXPECT_EQ(take(), 0x31U);
}

TEST_F(ApicTest, ACountThatEndedWhileTheHostWasLateStillInterrupts) {
  enable();
  put(kTimer, 0x31);
  put(kDivide, 0xB);
  put(kInitial, 1000);
  // The guest writes behind the deadline, before the event has run.
  FakeTime* host = &time;
  host->advance(999 * kTickNs);
  put(kTimer, 0x31);
  host->advance_late(kTickNs);
  EXPECT_EQ(take(), 0x31U);
}

TEST_F(ApicTest, ZeroStopsTheTimer) {
  enable();
  put(kTimer, kPeriodic | 0x31);
  put(kInitial, 1000);
  put(kInitial, 0);
  EXPECT_EQ(time.events().next_deadline(), EventQueue::kNever);
  EXPECT_EQ(get(kCurrent), 0U);
}

TEST_F(ApicTest, DividesByEveryPowerOfTwo) {
  enable();
  constexpr std::uint32_t kDivides[] = {0xB, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xA};
  for (unsigned i = 0; i < 8; ++i) {
    put(kDivide, kDivides[i]);
    put(kInitial, 1000);
    time.advance(1280 * kTickNs * 10);
    EXPECT_EQ(get(kCurrent), (12800U >> i) >= 1000 ? 0 : 1000 - (12800U >> i)) << "by " << (1U << i);
  }
}

// ---- pins -------------------------------------------------------------------------------------

TEST_F(ApicTest, Lint1IsTheNmi) {
  enable();
  put(kLint1, 0x400);
  apic.set_lint1(true);
  apic.set_lint1(true);
  EXPECT_EQ(nmis, 1U);
  put(kLint1, kMasked | 0x400);
  apic.set_lint1(false);
  apic.set_lint1(true);
  EXPECT_EQ(nmis, 1U);
}

TEST_F(ApicTest, APinMayBeAnInterruptByEdgeOrLevel) {
  enable();
  put(kLint0, 0x33);
  apic.set_lint0(true);
  EXPECT_EQ(take(), 0x33U);
  put(kEoi, 0);
  EXPECT_FALSE(apic.pending());
  apic.set_lint0(false);

  put(kLint0, kLevel | 0x34);
  apic.set_lint0(true);
  EXPECT_EQ(get(kLint0) & kRemoteIrr, kRemoteIrr);
  EXPECT_EQ(take(), 0x34U);
  put(kEoi, 0);
  EXPECT_EQ(take(), 0x34U) << "it is still there";
  apic.set_lint0(false);
  put(kEoi, 0);
  EXPECT_FALSE(apic.pending());
  EXPECT_EQ(get(kLint0) & kRemoteIrr, 0U);
}

// ---- the I/O APIC -----------------------------------------------------------------------------

class IoApicTest : public ApicTest {
 protected:
  IoApicTest() { enable(); }
  std::uint32_t io_get(unsigned reg) {
    io.mmio_write(0, 4, reg);
    return io.mmio_read(0x10, 4);
  }
  void io_put(unsigned reg, std::uint32_t value) {
    io.mmio_write(0, 4, reg);
    io.mmio_write(0x10, 4, value);
  }
  void route(unsigned pin, std::uint32_t low, std::uint32_t high = 0) {
    io_put(0x11 + 2 * pin, high);
    io_put(0x10 + 2 * pin, low);
  }
  // What the bus does with the end of a level.
  void end() {
    put(kEoi, 0);
    for (const unsigned vector : broadcasts) io.end_of_interrupt(static_cast<std::uint8_t>(vector));
    broadcasts.clear();
  }

  bool accepts = true;
  IoApic io{[this](const ApicMessage& message) { return accepts && apic.receive(message); }};
};

TEST_F(IoApicTest, HasItsRegisters) {
  EXPECT_EQ(io_get(1), 0x00170011U);
  io_put(0, 0xFFFFFFFF);
  EXPECT_EQ(io_get(0), 0x0F000000U);
  EXPECT_EQ(io_get(2), 0x0F000000U);
  for (unsigned pin = 0; pin < IoApic::kPins; ++pin) EXPECT_EQ(io_get(0x10 + 2 * pin), kMasked);
  route(23, 0xFFFFFFFF, 0xFFFFFFFF);
  EXPECT_EQ(io_get(0x3E), 0x0001AFFFU) << "remote IRR and delivery status are not software's";
  EXPECT_EQ(io_get(0x3F), 0xFF000000U);
  EXPECT_EQ(io_get(0x40), 0U);
}

TEST_F(IoApicTest, AnEdgeIsOneInterrupt) {
  route(4, 0x44);
  io.pin(4).set(true);
  EXPECT_EQ(take(), 0x44U);
  end();
  io.pin(4).set(true);
  EXPECT_FALSE(apic.pending());
  io.pin(4).set(false);
  io.pin(4).set(true);
  EXPECT_EQ(take(), 0x44U);
}

TEST_F(IoApicTest, AMaskedEdgeIsLost) {
  route(4, kMasked | 0x44);
  io.pin(4).set(true);
  route(4, 0x44);
  EXPECT_FALSE(apic.pending());
}

TEST_F(IoApicTest, ALevelStaysUntilItsSourceIsServed) {
  route(10, kLevel | 0x4A);
  io.pin(10).set(true);
  EXPECT_EQ(io_get(0x24) & kRemoteIrr, kRemoteIrr);
  EXPECT_EQ(take(), 0x4AU);
  EXPECT_FALSE(apic.pending());
  end();
  EXPECT_EQ(take(), 0x4AU);
  io.pin(10).set(false);
  end();
  EXPECT_FALSE(apic.pending());
  EXPECT_EQ(io_get(0x24) & kRemoteIrr, 0U);
}

TEST_F(IoApicTest, AMaskedLevelWaits) {
  route(10, kMasked | kLevel | 0x4A);
  io.pin(10).set(true);
  EXPECT_FALSE(apic.pending());
  route(10, kLevel | 0x4A);
  EXPECT_EQ(take(), 0x4AU);
}

TEST_F(IoApicTest, ALevelThatNobodyAcceptsIsOfferedAgain) {
  accepts = false;
  route(10, kLevel | 0x4A);
  io.pin(10).set(true);
  EXPECT_EQ(io_get(0x24) & kRemoteIrr, 0U);
  accepts = true;
  route(10, kLevel | 0x4A);
  EXPECT_EQ(take(), 0x4AU);
}

TEST_F(IoApicTest, EdgeForAMomentEndsALevel) {
  route(10, kLevel | 0x4A);
  io.pin(10).set(true);
  take();
  route(10, kMasked | 0x4A);
  route(10, kLevel | 0x4A);
  EXPECT_TRUE(bit(kIrr, 0x4A));
}

TEST_F(IoApicTest, PolarityChangesNothing) {
  route(10, kLevel | 0x2000 | 0x4A);
  EXPECT_FALSE(apic.pending());
  io.pin(10).set(true);
  EXPECT_EQ(take(), 0x4AU);
}

TEST_F(IoApicTest, SendsToLogicalDestinations) {
  put(kLdr, 0x01000000);
  route(4, 0x844, 0x02000000);
  io.pin(4).set(true);
  EXPECT_FALSE(apic.pending());
  io.pin(4).set(false);
  route(4, 0x944, 0x03000000);  // lowest priority
  io.pin(4).set(true);
  EXPECT_EQ(take(), 0x44U);
}

TEST_F(IoApicTest, APinMayBeAnNmi) {
  route(2, 0x400);
  io.pin(2).set(true);
  EXPECT_EQ(nmis, 1U);
}

// ---- lines ------------------------------------------------------------------------------------

TEST_F(IoApicTest, IsaLinesReachBothAndTheTimerIsOnPin2) {
  Pic pic;
  IsaIrqs irqs(pic, &io);
  route(2, 0x42);
  route(7, 0x47);
  irqs.line(0).set(true);
  EXPECT_EQ(take(), 0x42U);
  end();
  irqs.line(7).set(true);
  EXPECT_EQ(take(), 0x47U);
  EXPECT_EQ(pic.master().lines, 0x81U);
}

TEST(TimerLine, BelongsToOneTimerAtATime) {
  FakeLine out;
  TimerLine line(out);
  line.of_timer().set(true);
  EXPECT_TRUE(out.level);
  line.give_to_hpet(true);
  EXPECT_FALSE(out.level);
  line.of_hpet().set(true);
  line.of_timer().set(false);
  EXPECT_TRUE(out.level);
  line.give_to_hpet(false);
  EXPECT_FALSE(out.level);
}

}  // namespace
}  // namespace ringshift::devices
