// Two 8237As as a driver and a device see them (Intel 8237A data sheet; IBM PC AT Technical Reference for the pages).
#include "devices/dma8237.h"

#include <gtest/gtest.h>

#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

constexpr std::uint16_t kStatus = 8, kCommand = 8, kRequest = 9, kMask = 10, kMode = 11, kClearFlipFlop = 12,
                        kMasterClear = 13, kClearMask = 14, kAllMask = 15;

class DmaTest : public testing::Test {
 protected:
  void low(std::uint16_t reg, unsigned value) { out8(dma.low_ports(), reg, value); }
  void high(unsigned reg, unsigned value) { out8(dma.high_ports(), static_cast<std::uint16_t>(2 * reg), value); }
  void page(unsigned port, unsigned value) { out8(dma.page_ports(), static_cast<std::uint16_t>(port - 0x81), value); }
  void low16(std::uint16_t reg, unsigned value) {
    low(kClearFlipFlop, 0);
    low(reg, value & 0xFF);
    low(reg, value >> 8);
  }
  unsigned low16(std::uint16_t reg) {
    low(kClearFlipFlop, 0);
    const unsigned first = in8(dma.low_ports(), reg);
    return first | static_cast<unsigned>(in8(dma.low_ports(), reg)) << 8;
  }
  // As a floppy driver does, with the addresses in RAM and lengths in bytes.
  void program2(std::uint32_t address, unsigned bytes, unsigned mode) {
    low(kMask, 0x06);
    low(kMode, mode | 2);
    low16(4, address & 0xFFFF);
    low16(5, bytes - 1);
    page(0x81, address >> 16);
    low(kMask, 0x02);
  }

  Dma8237 dma;
};

TEST_F(DmaTest, WordsPassByteWiseThroughTheFlipFlop) {
  low16(0, 0x1234);
  low16(1, 0x5678);
  EXPECT_EQ(low16(0), 0x1234U);
  EXPECT_EQ(low16(1), 0x5678U);
}

TEST_F(DmaTest, FlipFlopIsSharedByAllRegisters) {
  low(kClearFlipFlop, 0);
  low(0, 0x11);
  low(2, 0x22);
  low(kClearFlipFlop, 0);
  EXPECT_EQ(low16(0), 0x0011U);
  EXPECT_EQ(low16(2), 0x2200U);
}

TEST_F(DmaTest, ChannelsStartMasked) {
  for (const unsigned n : {0U, 1U, 2U, 3U, 5U, 6U, 7U}) EXPECT_FALSE(dma.channel(n).ready);
  EXPECT_EQ(in8(dma.low_ports(), kAllMask) & 0x0F, 0x0F);
}

TEST_F(DmaTest, ByteChannelTakesItsPageAsAddressBits16To23) {
  program2(0x123456, 512, 0x44);
  const Dma8237::Channel channel = dma.channel(2);
  EXPECT_EQ(channel.address, 0x123456U);
  EXPECT_EQ(channel.remaining, 512U);
  EXPECT_EQ(channel.unit, 1U);
  EXPECT_EQ(channel.direction, Dma8237::Direction::to_memory);
  EXPECT_TRUE(channel.ready);
}

struct PageRow {
  unsigned channel, port;
};
class DmaPages : public DmaTest, public testing::WithParamInterface<PageRow> {};

TEST_P(DmaPages, BelongToTheirChannels) {
  page(GetParam().port, 0x56);
  EXPECT_EQ(dma.channel(GetParam().channel).address, 0x560000U);
  EXPECT_EQ(in8(dma.page_ports(), static_cast<std::uint16_t>(GetParam().port - 0x81)), 0x56);
}
INSTANTIATE_TEST_SUITE_P(At, DmaPages,
                         testing::Values(PageRow{0, 0x87}, PageRow{1, 0x83}, PageRow{2, 0x81}, PageRow{3, 0x82},
                                         PageRow{5, 0x8B}, PageRow{6, 0x89}, PageRow{7, 0x8A}));

TEST_F(DmaTest, WordChannelCountsWordsWithinAPageOf128K) {
  high(kClearFlipFlop, 0);
  high(2, 0x01);  // channel 5's address
  high(2, 0x80);
  page(0x8B, 0x13);
  const Dma8237::Channel channel = dma.channel(5);
  EXPECT_EQ(channel.unit, 2U);
  EXPECT_EQ(channel.address, 0x130002U);
}

TEST_F(DmaTest, TransferMovesTheAddressAndStopsAtTerminalCount) {
  program2(0x1000, 512, 0x44);
  EXPECT_FALSE(dma.advance(2, 511));
  EXPECT_EQ(dma.channel(2).address, 0x11FFU);
  EXPECT_EQ(dma.channel(2).remaining, 1U);
  EXPECT_TRUE(dma.advance(2, 1));
  EXPECT_FALSE(dma.channel(2).ready) << "masked";
  EXPECT_EQ(in8(dma.low_ports(), kStatus), 0x04);
  EXPECT_EQ(in8(dma.low_ports(), kStatus), 0x00) << "reading clears it";
}

TEST_F(DmaTest, AutoInitializeStartsAgain) {
  program2(0x1000, 256, 0x54);
  EXPECT_TRUE(dma.advance(2, 256));
  EXPECT_EQ(dma.channel(2).address, 0x1000U);
  EXPECT_EQ(dma.channel(2).remaining, 256U);
  EXPECT_TRUE(dma.channel(2).ready);
}

TEST_F(DmaTest, DecrementCountsDown) {
  program2(0x1100, 256, 0x64);
  dma.advance(2, 16);
  EXPECT_EQ(dma.channel(2).address, 0x10F0U);
}

TEST_F(DmaTest, AddressWrapsWithinItsPage) {
  program2(0x12FFFF, 2, 0x44);
  dma.advance(2, 1);
  EXPECT_EQ(dma.channel(2).address, 0x120000U);
}

TEST_F(DmaTest, ControllerDisabledMeansNoChannelReady) {
  program2(0x1000, 512, 0x44);
  low(kCommand, 0x04);
  EXPECT_FALSE(dma.channel(2).ready);
  low(kCommand, 0x00);
  EXPECT_TRUE(dma.channel(2).ready);
}

TEST_F(DmaTest, MasterClearMasksAndForgetsTheFlipFlop) {
  program2(0x1000, 512, 0x44);
  low(kClearFlipFlop, 0);
  low(0, 0x11);
  low(kMasterClear, 0);
  EXPECT_FALSE(dma.channel(2).ready);
  low(0, 0x34);
  low(0, 0x12);
  EXPECT_EQ(low16(0), 0x1234U);
}

TEST_F(DmaTest, ClearMaskOpensAllChannels) {
  low(kClearMask, 0);
  for (unsigned n = 0; n < 4; ++n) EXPECT_TRUE(dma.channel(n).ready);
}

TEST_F(DmaTest, SoftwareRequestShowsInStatus) {
  low(kRequest, 0x05);
  EXPECT_EQ(in8(dma.low_ports(), kStatus) & 0xF0, 0x20);
}

TEST_F(DmaTest, SparePagesKeepWhatIsWritten) {
  page(0x84, 0xA5);
  EXPECT_EQ(in8(dma.page_ports(), 3), 0xA5);
}

}  // namespace
}  // namespace ringshift::devices
