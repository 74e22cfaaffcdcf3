// Two 8259As as a driver sees them (Intel 8259A data sheet).
#include "devices/pic.h"

#include <gtest/gtest.h>

#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

class PicTest : public testing::Test {
 protected:
  PicTest() { initialize(0x01); }

  // Vectors 20h and 28h, everything unmasked.
  void initialize(unsigned icw4) {
    for (PortDevice* chip : {&pic.master_ports(), &pic.slave_ports()}) {
      const bool master = chip == &pic.master_ports();
      out8(*chip, 0, 0x11);
      out8(*chip, 1, master ? 0x20 : 0x28);
      out8(*chip, 1, master ? 0x04 : 0x02);
      out8(*chip, 1, icw4);
      out8(*chip, 1, 0x00);
    }
  }
  void pulse(unsigned irq) {
    pic.line(irq).set(true);
    pic.line(irq).set(false);
  }
  void master(unsigned ocw) { out8(pic.master_ports(), 0, ocw); }
  void slave(unsigned ocw) { out8(pic.slave_ports(), 0, ocw); }
  unsigned irr() {
    master(0x0A);
    return in8(pic.master_ports());
  }
  unsigned isr() {
    master(0x0B);
    return in8(pic.master_ports());
  }

  int changes = 0;
  bool intr = false;
  Pic pic{[this](bool level) {
    ++changes;
    intr = level;
  }};
};

constexpr unsigned kEoi = 0x20;

TEST(Pic, DeliversNothingBeforeInitialization) {
  Pic pic;
  out8(pic.master_ports(), 1, 0x00);
  pic.line(1).set(true);
  EXPECT_FALSE(pic.pending());
}

TEST_F(PicTest, EdgeRequestsAndIsAcknowledgedWithItsVector) {
  pic.line(1).set(true);
  EXPECT_TRUE(intr);
  EXPECT_EQ(pic.acknowledge(), 0x21);
  EXPECT_FALSE(intr);
  EXPECT_EQ(isr(), 0x02U);
  EXPECT_EQ(irr(), 0x00U);
}

TEST_F(PicTest, LineHeldHighAsksOnlyOnce) {
  pic.line(1).set(true);
  pic.acknowledge();
  master(kEoi);
  EXPECT_FALSE(pic.pending());
}

TEST_F(PicTest, EdgeDuringServiceWaitsForTheEoi) {
  pulse(0);
  pic.acknowledge();
  pulse(0);
  EXPECT_FALSE(pic.pending());
  master(kEoi);
  EXPECT_TRUE(pic.pending());
}

TEST_F(PicTest, LowerNumberGoesFirst) {
  pulse(4);
  pulse(3);
  EXPECT_EQ(pic.acknowledge(), 0x23);
}

TEST_F(PicTest, HigherPriorityInterruptsService) {
  pulse(3);
  pic.acknowledge();
  pulse(4);
  EXPECT_FALSE(pic.pending());
  pulse(1);
  EXPECT_TRUE(pic.pending());
  EXPECT_EQ(pic.acknowledge(), 0x21);
  EXPECT_EQ(isr(), 0x0AU);
}

TEST_F(PicTest, NonSpecificEoiEndsTheHighestInService) {
  pulse(3);
  pic.acknowledge();
  pulse(1);
  pic.acknowledge();
  master(kEoi);
  EXPECT_EQ(isr(), 0x08U);
}

TEST_F(PicTest, SpecificEoiEndsTheOneNamed) {
  pulse(3);
  pic.acknowledge();
  pulse(1);
  pic.acknowledge();
  master(0x60 | 3);
  EXPECT_EQ(isr(), 0x02U);
}

TEST_F(PicTest, MaskHoldsARequestBackWithoutLosingIt) {
  out8(pic.master_ports(), 1, 0x02);
  pulse(1);
  EXPECT_FALSE(pic.pending());
  EXPECT_EQ(irr(), 0x02U);
  out8(pic.master_ports(), 1, 0x00);
  EXPECT_TRUE(pic.pending());
  EXPECT_EQ(in8(pic.master_ports(), 1), 0x00);
}

TEST_F(PicTest, SlaveComesThroughTheCascade) {
  pulse(12);
  EXPECT_TRUE(pic.pending());
  EXPECT_EQ(pic.acknowledge(), 0x2C);
  EXPECT_EQ(isr(), 0x04U);
  slave(0x0B);
  EXPECT_EQ(in8(pic.slave_ports()), 0x10);
}

TEST_F(PicTest, SlaveNeedsTwoEois) {
  pulse(12);
  pic.acknowledge();
  pulse(13);
  slave(kEoi);
  EXPECT_FALSE(pic.pending());
  master(kEoi);
  EXPECT_TRUE(pic.pending());
  EXPECT_EQ(pic.acknowledge(), 0x2D);
}

TEST_F(PicTest, SpecialFullyNestedModeLetsABetterSlaveInputThrough) {
  pulse(12);
  pic.acknowledge();
  pulse(8);
  EXPECT_FALSE(pic.pending());
  initialize(0x11);
  pulse(12);
  pic.acknowledge();
  pulse(8);
  EXPECT_TRUE(pic.pending());
}

TEST_F(PicTest, WithdrawnLevelRequestIsSpuriousIrq7) {
  out8(pic.elcr_ports(), 0, 0x20);
  pic.line(5).set(true);
  pic.line(5).set(false);
  EXPECT_FALSE(intr);
  EXPECT_EQ(pic.acknowledge(), 0x27);
  EXPECT_EQ(isr(), 0x00U) << "the spurious interrupt is not in service";
  EXPECT_EQ(pic.spurious(), 1U);
}

TEST_F(PicTest, SlaveInputMaskedBeforeTheAcknowledgeTakesItsRequestBack) {
  pulse(12);
  out8(pic.slave_ports(), 1, 0x10);
  EXPECT_FALSE(pic.pending());
}

TEST_F(PicTest, LevelRequestRepeatsUntilTheLineFalls) {
  out8(pic.elcr_ports(), 1, 0x08);  // IRQ 11
  pic.line(11).set(true);
  EXPECT_EQ(pic.acknowledge(), 0x2B);
  slave(kEoi);
  master(kEoi);
  EXPECT_TRUE(pic.pending());
  pic.acknowledge();
  pic.line(11).set(false);
  slave(kEoi);
  master(kEoi);
  EXPECT_FALSE(pic.pending());
}

TEST_F(PicTest, ElcrKeepsTheIsaInputsEdgeTriggered) {
  out8(pic.elcr_ports(), 0, 0xFF);
  out8(pic.elcr_ports(), 1, 0xFF);
  EXPECT_EQ(in8(pic.elcr_ports(), 0), 0xF8);
  EXPECT_EQ(in8(pic.elcr_ports(), 1), 0xDE);
}

TEST_F(PicTest, AutoEoiLeavesNothingInService) {
  initialize(0x03);
  pulse(3);
  pic.acknowledge();
  EXPECT_EQ(isr(), 0x00U);
  pulse(4);
  EXPECT_TRUE(pic.pending());
}

TEST_F(PicTest, RotateOnEoiMakesTheServedInputTheLowest) {
  pulse(3);
  pic.acknowledge();
  master(0xA0);
  pulse(3);
  pulse(4);
  EXPECT_EQ(pic.acknowledge(), 0x24);
}

TEST_F(PicTest, RotateInAutoEoiMode) {
  initialize(0x03);
  master(0x80);
  pulse(0);
  EXPECT_EQ(pic.acknowledge(), 0x20);
  pulse(0);
  pulse(7);
  EXPECT_EQ(pic.acknowledge(), 0x27);
}

TEST_F(PicTest, SetPriorityNamesTheLowestInput) {
  master(0xC0 | 4);
  pulse(4);
  pulse(5);
  EXPECT_EQ(pic.acknowledge(), 0x25);
}

TEST_F(PicTest, SpecialMaskModeOpensLowerPriorities) {
  pulse(3);
  pic.acknowledge();
  master(0x68);
  out8(pic.master_ports(), 1, 0x08);
  pulse(5);
  EXPECT_TRUE(pic.pending());
  pic.acknowledge();
  master(kEoi);
  EXPECT_EQ(isr(), 0x08U) << "the non-specific EOI passes over the masked input";
}

TEST_F(PicTest, PollAcknowledges) {
  pulse(6);
  master(0x0C);
  EXPECT_EQ(in8(pic.master_ports()), 0x86);
  EXPECT_EQ(isr(), 0x40U);
  master(0x0C);
  EXPECT_EQ(in8(pic.master_ports()), 0x00);
}

TEST_F(PicTest, Icw1ForgetsEdgesMaskAndService) {
  pulse(3);
  pic.acknowledge();
  pulse(4);
  out8(pic.master_ports(), 1, 0xFF);
  out8(pic.master_ports(), 0, 0x11);
  EXPECT_EQ(in8(pic.master_ports()), 0x00) << "status read is the IRR again";
  out8(pic.master_ports(), 1, 0x40);
  out8(pic.master_ports(), 1, 0x04);
  out8(pic.master_ports(), 1, 0x01);
  EXPECT_EQ(in8(pic.master_ports(), 1), 0x00);
  EXPECT_FALSE(pic.pending());
  pulse(3);
  EXPECT_EQ(pic.acknowledge(), 0x43);
}

TEST_F(PicTest, IntrPinReportsChangesOnly) {
  changes = 0;
  pulse(3);
  pulse(4);
  pulse(3);
  EXPECT_EQ(changes, 1);
}

TEST_F(PicTest, WrongCascadeIsCounted) {
  EXPECT_EQ(pic.odd_accesses(), 0U);
  out8(pic.master_ports(), 0, 0x11);
  out8(pic.master_ports(), 1, 0x20);
  out8(pic.master_ports(), 1, 0x08);
  EXPECT_EQ(pic.odd_accesses(), 1U);
}

}  // namespace
}  // namespace ringshift::devices
