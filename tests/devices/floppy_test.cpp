// The floppy disk controller.
#include "devices/floppy.h"

#include <gtest/gtest.h>

#include "tests/devices/fake_medium.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct FloppyTest : testing::Test {
  FloppyTest() {
    map.add_ram(0, kRam, 0);
    for (std::size_t i = 0; i < disk.contents.size(); ++i)
      disk.contents[i] = static_cast<std::uint8_t>(i / 512 * 7 + i);
    floppy.insert(0, &disk);
    out8(floppy.ports(), 2, 0x00);
    out8(floppy.ports(), 2, 0x1C);  // out of reset, interrupts, motor of drive 0
    for (unsigned i = 0; i < 4; ++i) command({0x08}, 2);
    command({0x03, 0xDF, 0x02}, 0);
  }
  unsigned status() { return in8(floppy.ports(), 4); }
  Bytes command(const Bytes& bytes, std::size_t results) {
    for (const std::uint8_t byte : bytes) out8(floppy.ports(), 5, byte);
    Bytes out;
    while (out.size() < results && (status() & 0xC0) == 0xC0) out.push_back(in8(floppy.ports(), 5));
    EXPECT_EQ(out.size(), results);
    EXPECT_EQ(status(), 0x80U) << "ready for a command";
    return out;
  }
  void dma(unsigned mode, std::uint32_t address, std::uint32_t bytes) {
    out8(dma_.low_ports(), 0xC, 0);
    out8(dma_.low_ports(), 0xB, mode);
    out8(dma_.low_ports(), 4, address & 0xFF);
    out8(dma_.low_ports(), 4, address >> 8 & 0xFF);
    out8(dma_.page_ports(), 0, address >> 16);
    out8(dma_.low_ports(), 5, (bytes - 1) & 0xFF);
    out8(dma_.low_ports(), 5, (bytes - 1) >> 8);
    out8(dma_.low_ports(), 0xA, 0x02);
  }
  void to_memory(std::uint32_t address, std::uint32_t bytes) { dma(0x46, address, bytes); }
  void from_memory(std::uint32_t address, std::uint32_t bytes) { dma(0x4A, address, bytes); }
  Bytes ram(std::uint64_t at, std::size_t size) {
    Bytes out(size);
    EXPECT_TRUE(map.copy_out(at, out.data(), size));
    return out;
  }
  Bytes sectors(std::size_t first, std::size_t count) const {
    return {disk.contents.begin() + static_cast<std::ptrdiff_t>(first * 512),
            disk.contents.begin() + static_cast<std::ptrdiff_t>((first + count) * 512)};
  }
  void seek(std::uint8_t cylinder) {
    command({0x0F, 0, cylinder}, 0);
    command({0x08}, 2);
  }

  static constexpr std::uint64_t kRam = 0x100000;
  mmu::GuestMemory memory = std::get<mmu::GuestMemory>(mmu::GuestMemory::create(kRam));
  mmu::PhysicalMap map{memory};
  Dma8237 dma_;
  FakeLine irq;
  FakeMedium disk{1474560};
  Floppy floppy{map, dma_, irq};
};

TEST(FloppyGeometry, IsTheSmallestFormatThatHoldsTheImage) {
  EXPECT_EQ(floppy_geometry(368640).sectors, 9U);
  EXPECT_EQ(floppy_geometry(368640).cylinders, 40U);
  EXPECT_EQ(floppy_geometry(737280).cylinders, 80U);
  EXPECT_EQ(floppy_geometry(1228800).sectors, 15U);
  EXPECT_EQ(floppy_geometry(1296384).sectors, 18U);
  EXPECT_EQ(floppy_geometry(2949120).sectors, 36U);
}

TEST_F(FloppyTest, ResetInterruptsAndReportsEveryDrive) {
  out8(floppy.ports(), 2, 0x00);
  EXPECT_FALSE(irq.level);
  out8(floppy.ports(), 2, 0x0C);
  EXPECT_TRUE(irq.level);
  for (std::uint8_t drive = 0; drive < 4; ++drive) {
    EXPECT_EQ(command({0x08}, 2), (Bytes{static_cast<std::uint8_t>(0xC0 | drive), 0}));
  }
  EXPECT_EQ(command({0x08}, 1), Bytes{0x80});
}

TEST_F(FloppyTest, SeekInterruptsAndClearsTheChangeLine) {
  EXPECT_EQ(in8(floppy.change_port()), 0x80);
  command({0x0F, 0, 5}, 0);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(command({0x08}, 2), (Bytes{0x20, 5}));
  EXPECT_FALSE(irq.level);
  EXPECT_EQ(in8(floppy.change_port()), 0x00);
}

TEST_F(FloppyTest, AnotherDiskRaisesTheChangeLineUntilTheNextSeek) {
  seek(1);
  FakeMedium other{737280};
  floppy.insert(0, &other);
  EXPECT_EQ(in8(floppy.change_port()), 0x80);
  seek(2);
  EXPECT_EQ(in8(floppy.change_port()), 0x00);
  floppy.insert(0, nullptr);
  seek(3);
  EXPECT_EQ(in8(floppy.change_port()), 0x80) << "no disk";
}

TEST_F(FloppyTest, ReadsThroughDma) {
  seek(1);
  to_memory(0x8000, 1024);
  const Bytes result = command({0xE6, 4, 1, 1, 3, 2, 18, 0x1B, 0xFF}, 7);
  EXPECT_EQ(result, (Bytes{4, 0, 0, 1, 1, 5, 2}));
  EXPECT_EQ(ram(0x8000, 1024), sectors((1 * 2 + 1) * 18 + 2, 2));
}

TEST_F(FloppyTest, MultitrackGoesOnWithTheOtherHead) {
  to_memory(0x8000, 4 * 512);
  const Bytes result = command({0xE6, 0, 0, 0, 17, 2, 18, 0x1B, 0xFF}, 7);
  EXPECT_EQ(result, (Bytes{4, 0, 0, 0, 1, 3, 2}));
  EXPECT_EQ(ram(0x8000, 4 * 512), sectors(16, 4));
}

TEST_F(FloppyTest, EndOfTheTrackWithoutTerminalCountIsAbnormal) {
  to_memory(0x8000, 4 * 512);
  const Bytes result = command({0x66, 0, 0, 0, 17, 2, 18, 0x1B, 0xFF}, 7);
  EXPECT_EQ(result[0] & 0xC0, 0x40);
  EXPECT_EQ(result[1], 0x80);
}

TEST_F(FloppyTest, WritesThroughDma) {
  for (std::uint32_t i = 0; i < 512; ++i) map.write(0x9000 + i, 1, i * 3);
  from_memory(0x9000, 512);
  EXPECT_EQ(command({0xC5, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF}, 7)[0], 0);
  EXPECT_EQ(sectors(0, 1), ram(0x9000, 512));
}

TEST_F(FloppyTest, FormatFillsTheTrack) {
  from_memory(0x9000, 18 * 4);
  EXPECT_EQ(command({0x4D, 0, 2, 18, 0x50, 0xF6}, 7)[0], 0);
  EXPECT_EQ(sectors(0, 18), Bytes(18 * 512, 0xF6));
}

TEST_F(FloppyTest, ErrorsSayWhy) {
  to_memory(0x8000, 512);
  EXPECT_EQ(command({0x66, 0, 3, 0, 1, 2, 18, 0, 0}, 7)[2], 0x10) << "the heads are elsewhere";
  EXPECT_EQ(command({0x66, 0, 0, 0, 19, 2, 18, 0, 0}, 7)[1], 0x04) << "no such sector";
  EXPECT_EQ(command({0x66, 1, 0, 0, 1, 2, 18, 0, 0}, 7)[1], 0x01) << "no medium";
  disk.is_writable = false;
  from_memory(0x8000, 512);
  EXPECT_EQ(command({0x45, 0, 0, 0, 1, 2, 18, 0, 0}, 7)[1], 0x02) << "write protected";
  disk.is_writable = disk.broken = true;
  EXPECT_EQ(command({0x45, 0, 0, 0, 1, 2, 18, 0, 0}, 7)[1], 0x20) << "the host failed";
  disk.broken = false;
  EXPECT_EQ(command({0x45, 0, 0, 0, 1, 2, 18, 0, 0}, 7)[1], 0) << "and works again";
}

TEST_F(FloppyTest, BusyUntilTheHostHasAnswered) {
  disk.slow = true;
  to_memory(0x8000, 512);
  for (const unsigned byte : {0x66U, 0U, 0U, 0U, 1U, 2U, 18U, 0x1BU, 0xFFU}) out8(floppy.ports(), 5, byte);
  EXPECT_EQ(status(), 0x10U);
  disk.answer();
  EXPECT_EQ(status(), 0xD0U);
  EXPECT_TRUE(irq.level);
}

TEST_F(FloppyTest, UnknownCommandsAreInvalid) {
  EXPECT_EQ(command({0x1F}, 1), Bytes{0x80});
  EXPECT_EQ(command({0x10}, 1), Bytes{0x90}) << "82077";
}

}  // namespace
}  // namespace ringshift::devices
