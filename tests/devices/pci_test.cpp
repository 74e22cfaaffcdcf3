// Configuration mechanism 1 and type 0 headers (PCI Local Bus Specification 2.2, 3.2.2.3 and 6), and the reset control
// register between its ports (82371SB data sheet).
#include "devices/pci.h"

#include <gtest/gtest.h>

#include <vector>

#include "devices/reset_control.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

class Card final : public PciFunction {
 public:
  Card() : PciFunction({0x1234, 0x5678, 0x9A, 0x020000, false}) {
    add_bar(0, BarKind::io, 32);
    add_bar(1, BarKind::memory, 0x1000);
    add_bar(2, BarKind::prefetchable, 0x1000000);
    set_interrupt(1, 11);
  }
  void decoding_changed() override { ++changes; }
  unsigned changes = 0;
};

class PciTest : public testing::Test {
 protected:
  PciTest() { host.add(3, 0, card); }

  void select(unsigned bus, unsigned device, unsigned function, unsigned reg) {
    host.port_write(0, 4, 0x80000000U | bus << 16 | device << 11 | function << 8 | (reg & 0xFC));
  }
  std::uint32_t get(unsigned device, unsigned function, unsigned reg, unsigned size = 4) {
    select(0, device, function, reg);
    return host.port_read(static_cast<std::uint16_t>(4 + (reg & 3)), size);
  }
  void set(unsigned device, unsigned function, unsigned reg, unsigned size, std::uint32_t value) {
    select(0, device, function, reg);
    host.port_write(static_cast<std::uint16_t>(4 + (reg & 3)), size, value);
  }

  std::vector<PowerRequest> power;
  ResetControl reset_control{[this](PowerRequest request) { power.push_back(request); }};
  PciHost host{&reset_control};
  Card card;
};

// ---- mechanism --------------------------------------------------------------------------------

TEST_F(PciTest, AddressReadsBackWithoutItsReservedBits) {
  host.port_write(0, 4, 0xFFFFFFFF);
  EXPECT_EQ(host.port_read(0, 4), 0x80FFFFFCU);
}

// How Linux finds the mechanism.
TEST_F(PciTest, MechanismIsDetected) {
  host.port_write(3, 1, 0x01);
  host.port_write(0, 4, 0x80000000);
  EXPECT_EQ(host.port_read(0, 4), 0x80000000U);
}

TEST_F(PciTest, OnlyDwordsReachTheAddress) {
  host.port_write(0, 4, 0x80001800);
  host.port_write(0, 1, 0xFF);
  host.port_write(0, 2, 0xFFFF);
  EXPECT_EQ(host.port_read(0, 4), 0x80001800U);
  EXPECT_EQ(host.port_read(0, 2), 0xFFFFU);
}

TEST_F(PciTest, BytesAndWordsOfADwordAreAddressedByThePort) {
  EXPECT_EQ(get(3, 0, 0x00, 4), 0x56781234U);
  EXPECT_EQ(get(3, 0, 0x02, 2), 0x5678U);
  EXPECT_EQ(get(3, 0, 0x01, 1), 0x12U);
  EXPECT_EQ(get(3, 0, 0x01, 2), 0x7812U);
  EXPECT_EQ(get(3, 0, 0x08, 4), 0x0200009AU);
}

TEST_F(PciTest, AccessAcrossTheDwordReadsOnes) {
  select(0, 3, 0, 0);
  EXPECT_EQ(host.port_read(7, 2), 0xFFFFU);
  EXPECT_EQ(host.port_read(5, 4), 0xFFFFFFFFU);
}

TEST_F(PciTest, DataIsDeadWhileDisabled) {
  host.port_write(0, 4, 0x00001800);
  EXPECT_EQ(host.port_read(4, 4), 0xFFFFFFFFU);
}

TEST_F(PciTest, AbsentFunctionsReadOnes) {
  EXPECT_EQ(get(4, 0, 0), 0xFFFFFFFFU);
  EXPECT_EQ(get(3, 1, 0), 0xFFFFFFFFU);
  select(1, 3, 0, 0);
  EXPECT_EQ(host.port_read(4, 4), 0xFFFFFFFFU);
  EXPECT_EQ(host.port_read(4, 1), 0xFFU);
  EXPECT_EQ(host.odd_accesses(), 0U) << "looking is not odd";
}

TEST_F(PciTest, WritesToAbsentFunctionsAreDropped) {
  set(4, 0, 4, 4, 0xFFFFFFFF);
  EXPECT_EQ(get(4, 0, 4), 0xFFFFFFFFU);
}

// ---- header -----------------------------------------------------------------------------------

TEST_F(PciTest, IdentityIsReadOnly) {
  set(3, 0, 0x00, 4, 0);
  set(3, 0, 0x08, 4, 0);
  EXPECT_EQ(get(3, 0, 0x00), 0x56781234U);
  EXPECT_EQ(get(3, 0, 0x08), 0x0200009AU);
}

TEST_F(PciTest, CommandEnablesTheDecoders) {
  set(3, 0, 4, 2, 0x0003);
  EXPECT_TRUE(card.io_enabled());
  EXPECT_TRUE(card.memory_enabled());
  EXPECT_EQ(card.changes, 1U);
  set(3, 0, 4, 2, 0x0003);
  EXPECT_EQ(card.changes, 1U) << "nothing changed";
}

TEST_F(PciTest, InterruptLineIsScratchAndThePinIsNot) {
  EXPECT_EQ(get(3, 0, 0x3C, 2), 0x010BU);
  set(3, 0, 0x3C, 2, 0x0405);
  EXPECT_EQ(get(3, 0, 0x3C, 2), 0x0105U);
}

struct BarRow {
  unsigned index;
  std::uint32_t sizing, base;
};
class PciBars : public PciTest, public testing::WithParamInterface<BarRow> {};

// 6.2.5.1: write ones, read back the size.
TEST_P(PciBars, TellTheirSizeAndKeepTheirBase) {
  const unsigned reg = 0x10 + 4 * GetParam().index;
  set(3, 0, reg, 4, 0xFFFFFFFF);
  EXPECT_EQ(get(3, 0, reg), GetParam().sizing);
  set(3, 0, reg, 4, GetParam().base);
  EXPECT_EQ(card.bar(GetParam().index), GetParam().base);
}
INSTANTIATE_TEST_SUITE_P(Kinds, PciBars,
                         testing::Values(BarRow{0, 0xFFFFFFE1, 0xC020}, BarRow{1, 0xFFFFF000, 0xE0001000},
                                         BarRow{2, 0xFF000008, 0xE1000000}, BarRow{3, 0, 0}, BarRow{5, 0, 0}));

TEST_F(PciTest, BarIsWrittenInBytesToo) {
  for (unsigned i = 0; i < 4; ++i) set(3, 0, 0x14 + i, 1, 0xE0001000U >> (8 * i) & 0xFF);
  EXPECT_EQ(card.bar(1), 0xE0001000U);
}

TEST_F(PciTest, NoExpansionRom) {
  set(3, 0, 0x30, 4, 0xFFFFFFFF);
  EXPECT_EQ(get(3, 0, 0x30), 0U);
}

// ---- the functions of this machine ------------------------------------------------------------

class PciMachine : public PciTest {
 protected:
  PciMachine() {
    host.add(0, 0, host_bridge);
    host.add(1, 0, isa_bridge);
    host.add(1, 3, power_management);
  }
  HostBridge host_bridge;
  IsaBridge isa_bridge;
  PowerManagementFunction power_management{0x600};
};

TEST_F(PciMachine, ScanFindsExactlyWhatIsThere) {
  std::vector<std::uint32_t> found;
  for (unsigned device = 0; device < 32; ++device) {
    for (unsigned function = 0; function < 8; ++function) {
      const std::uint32_t id = get(device, function, 0);
      if (id != 0xFFFFFFFF) found.push_back(id);
      if (function == 0 && (id == 0xFFFFFFFF || (get(device, 0, 0x0E, 1) & 0x80) == 0)) break;
    }
  }
  EXPECT_EQ(found, (std::vector<std::uint32_t>{0x12378086, 0x70008086, 0x71138086, 0x56781234}));
}

TEST_F(PciMachine, ClassesAreBridgesAndOther) {
  EXPECT_EQ(get(0, 0, 0x08) >> 8, 0x060000U);
  EXPECT_EQ(get(1, 0, 0x08) >> 8, 0x060100U);
  EXPECT_EQ(get(1, 3, 0x08) >> 8, 0x068000U);
}

TEST_F(PciMachine, PowerManagementShowsItsPorts) {
  EXPECT_EQ(get(1, 3, 0x40), 0x601U);
  set(1, 3, 0x40, 4, 0xC001);
  EXPECT_EQ(get(1, 3, 0x40), 0x601U) << "the decoder does not move";
}

TEST_F(PciMachine, InterruptRoutersAgreeWithTheWiring) {
  for (unsigned pin = 0; pin < 4; ++pin) EXPECT_EQ(get(1, 0, 0x60 + pin, 1), pci_irq(1, pin));
}

// ---- reset control ----------------------------------------------------------------------------

TEST_F(PciTest, Cf9ResetsOnTheRisingEdgeOfBit2) {
  host.port_write(1, 1, 0x02);
  EXPECT_TRUE(power.empty());
  EXPECT_EQ(host.port_read(1, 1), 0x02U);
  host.port_write(1, 1, 0x06);
  EXPECT_EQ(power, std::vector{PowerRequest::reset});
}

TEST_F(PciTest, Cf9DoesNotDisturbTheAddress) {
  host.port_write(0, 4, 0x80001800);
  host.port_write(1, 1, 0x02);
  EXPECT_EQ(host.port_read(0, 4), 0x80001800U);
}

TEST_F(PciTest, DwordToTheAddressNeverResets) {
  host.port_write(0, 4, 0x80000600);
  EXPECT_TRUE(power.empty());
}

}  // namespace
}  // namespace ringshift::devices
