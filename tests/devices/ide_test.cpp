// IDE: task files, disks, CD-ROM drives, bus masters.
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "devices/ata_disk.h"
#include "devices/atapi_cdrom.h"
#include "devices/piix3_ide.h"
#include "tests/devices/fake_medium.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct IdeTest : testing::Test {
  IdeTest() {
    map.add_ram(0, kRam, 0);
    for (std::size_t i = 0; i < disk.contents.size(); ++i) disk.contents[i] = static_cast<std::uint8_t>(i / 512 + i);
    for (std::size_t i = 0; i < disc.contents.size(); ++i)
      disc.contents[i] = static_cast<std::uint8_t>(i / 2048 * 3 + i);
    channel.attach(0, hard_disk);
    channel.attach(1, cdrom);
  }
  void out(unsigned reg, unsigned value) { out8(channel.command_ports(), static_cast<std::uint16_t>(reg), value); }
  unsigned in(unsigned reg) { return in8(channel.command_ports(), static_cast<std::uint16_t>(reg)); }
  unsigned status() { return in8(channel.control_port()); }
  void select(unsigned device) { out(6, device); }
  // A command with a 28-bit address.
  void command(unsigned code, std::uint32_t lba = 0, unsigned count = 1) {
    out(2, count & 0xFF);
    out(3, lba & 0xFF);
    out(4, lba >> 8 & 0xFF);
    out(5, lba >> 16 & 0xFF);
    select(0xE0 | (lba >> 24 & 15));
    out(7, code);
  }
  Bytes read_block(std::size_t bytes) {
    Bytes out;
    while (out.size() < bytes) {
      const std::uint32_t word = channel.command_ports().port_read(0, 2);
      out.push_back(static_cast<std::uint8_t>(word));
      out.push_back(static_cast<std::uint8_t>(word >> 8));
    }
    return out;
  }
  void write_block(const Bytes& bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      channel.command_ports().port_write(0, 2, bytes[i] | static_cast<std::uint32_t>(bytes[i + 1]) << 8);
    }
  }
  Bytes sectors(std::size_t lba, std::size_t count) const {
    return {disk.contents.begin() + static_cast<std::ptrdiff_t>(lba * 512),
            disk.contents.begin() + static_cast<std::ptrdiff_t>((lba + count) * 512)};
  }
  // One region for each size, one behind the other from `address`.
  void regions(std::uint32_t address, const std::vector<std::uint32_t>& sizes) {
    constexpr std::uint32_t kTable = 0x100;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      map.write(kTable + 8 * i, 4, address);
      map.write(kTable + 8 * i + 4, 4, (sizes[i] & 0xFFFF) | (i + 1 == sizes.size() ? 0x80000000U : 0));
      address += sizes[i];
    }
    for (unsigned i = 0; i < 4; ++i) channel.bus_master().write(4 + i, static_cast<std::uint8_t>(kTable >> (8 * i)));
  }
  void start(bool to_memory) { channel.bus_master().write(0, static_cast<std::uint8_t>(1 | (to_memory ? 8 : 0))); }
  Bytes ram(std::uint64_t at, std::size_t size) {
    Bytes out(size);
    EXPECT_TRUE(map.copy_out(at, out.data(), size));
    return out;
  }

  // The drive on position 1.
  void packet(const std::array<std::uint8_t, 12>& bytes, unsigned limit = 0xFFFE, bool dma = false) {
    select(0xB0);
    out(1, dma ? 1 : 0);
    out(4, limit & 0xFF);
    out(5, limit >> 8);
    out(7, 0xA0);
    write_block(Bytes(bytes.begin(), bytes.end()));
  }
  unsigned offered() { return in(4) | in(5) << 8; }

  static constexpr std::uint64_t kRam = 0x100000;
  mmu::GuestMemory memory = std::get<mmu::GuestMemory>(mmu::GuestMemory::create(kRam));
  mmu::PhysicalMap map{memory};
  FakeLine irq;
  FakeMedium disk{512 * 1024}, disc{2048 * 100};
  AtaDisk hard_disk{disk, "SERIAL"};
  AtapiCdrom cdrom{disc};
  IdeChannel channel{map, irq};
};

// ---- channel ----------------------------------------------------------------------------------

TEST_F(IdeTest, ResetLeavesSignatures) {
  out8(channel.control_port(), 0, 0x04);
  out8(channel.control_port(), 0, 0x00);
  EXPECT_EQ(status(), 0x50U);
  EXPECT_EQ((std::array{in(2), in(3), in(4), in(5)}), (std::array{1U, 1U, 0U, 0U}));
  select(0x10);
  EXPECT_EQ((std::array{in(4), in(5)}), (std::array{0x14U, 0xEBU}));
}

TEST_F(IdeTest, AbsentDrivesReadAsZero) {
  IdeChannel empty(map, irq);
  EXPECT_EQ(in8(empty.command_ports(), 7), 0);
  out8(empty.command_ports(), 2, 0x55);
  EXPECT_EQ(in8(empty.command_ports(), 2), 0);
}

TEST_F(IdeTest, InterruptIsTakenBackByReadingTheStatus) {
  command(0xE5);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(in(2), 0xFFU);
  status();
  EXPECT_TRUE(irq.level) << "the alternate status leaves it";
  in(7);
  EXPECT_FALSE(irq.level);
}

TEST_F(IdeTest, InterruptsCanBeOff) {
  out8(channel.control_port(), 0, 0x02);
  command(0xE5);
  EXPECT_FALSE(irq.level);
  out8(channel.control_port(), 0, 0x00);
  EXPECT_TRUE(irq.level);
}

// ---- disk -------------------------------------------------------------------------------------

TEST_F(IdeTest, IdentifyTellsSizeAndModel) {
  command(0xEC);
  const Bytes id = read_block(512);
  EXPECT_EQ(id[60 * 2] | id[60 * 2 + 1] << 8, 1024);
  EXPECT_EQ(id[100 * 2] | id[100 * 2 + 1] << 8, 1024);
  EXPECT_EQ(id[27 * 2], 'I') << "the bytes of a word are exchanged";
  EXPECT_EQ(status(), 0x50U);
}

TEST_F(IdeTest, ReadsSectorBySector) {
  command(0x20, 5, 2);
  EXPECT_EQ(status(), 0x58U);
  EXPECT_TRUE(irq.level);
  in(7);
  EXPECT_EQ(read_block(512), sectors(5, 1));
  EXPECT_TRUE(irq.level) << "one for each sector";
  EXPECT_EQ(read_block(512), sectors(6, 1));
  EXPECT_EQ(status(), 0x50U);
  EXPECT_EQ(in(3), 6U) << "the last sector";
  EXPECT_EQ(in(2), 0U);
}

TEST_F(IdeTest, ReadsMoreThanTheMediumIsAskedForAtOnce) {
  command(0x20, 0, 0);  // 256
  EXPECT_EQ(read_block(256 * 512), sectors(0, 256));
  EXPECT_EQ(status(), 0x50U);
}

TEST_F(IdeTest, WritesSectorBySector) {
  Bytes data(1024);
  std::iota(data.begin(), data.end(), std::uint8_t{7});
  command(0x30, 9, 2);
  EXPECT_FALSE(irq.level) << "the first block is asked for by DRQ alone";
  write_block(Bytes(data.begin(), data.begin() + 512));
  EXPECT_TRUE(irq.level);
  write_block(Bytes(data.begin() + 512, data.end()));
  EXPECT_EQ(sectors(9, 2), data);
  EXPECT_EQ(status(), 0x50U);
}

TEST_F(IdeTest, MultipleMovesSeveralSectorsABlock) {
  command(0xC4, 0, 4);
  EXPECT_EQ(in(1), 0x04U) << "not before it is set";
  command(0xC6, 0, 4);
  command(0xC4, 3, 6);
  irq.rises = 0;
  in(7);
  EXPECT_EQ(read_block(6 * 512), sectors(3, 6));
  EXPECT_EQ(irq.rises, 1U) << "six sectors are two blocks; the first interrupt came before";
}

TEST_F(IdeTest, LongAddressesUseBothHalvesOfTheRegisters) {
  select(0x40);
  for (const unsigned half : {0U, 1U}) {
    out(2, half == 0 ? 0 : 1);
    out(3, half == 0 ? 0 : 200);
    out(4, half == 0 ? 0 : 1);
    out(5, 0);
  }
  out(7, 0x24);
  EXPECT_EQ(read_block(512), sectors(456, 1));
}

TEST_F(IdeTest, CylindersHeadsAndSectorsAreCounted) {
  out(2, 1);
  out(3, 3);
  out(4, 0);
  out(5, 0);
  select(0xA2);
  out(7, 0x20);
  EXPECT_EQ(read_block(512), sectors(2 * 63 + 2, 1));
}

TEST_F(IdeTest, SectorsBeyondTheEndDoNotExist) {
  for (const unsigned code : {0x20U, 0x30U, 0xC8U, 0xCAU, 0x40U}) {
    command(code, 1023, 2);
    EXPECT_EQ(status() & 0x01U, 1U) << code;
    EXPECT_EQ(in(1), 0x10U) << code;
  }
}

TEST_F(IdeTest, UnknownCommandsAreAborted) {
  command(0xB0);
  EXPECT_EQ(in(1), 0x04U);
  EXPECT_EQ(status(), 0x51U);
  EXPECT_TRUE(irq.level);
}

TEST_F(IdeTest, HostErrorsAreTheGuestsErrors) {
  disk.broken = true;
  command(0x20, 4);
  EXPECT_EQ(in(1), 0x40U);
  EXPECT_EQ(in(3), 4U);
  command(0x30, 4);
  write_block(Bytes(512));
  EXPECT_EQ(status() & 0x01U, 1U);
  EXPECT_EQ(in(1), 0x04U);
  EXPECT_EQ(in(3), 4U);
  command(0xE7);
  EXPECT_EQ(status() & 0x01U, 1U) << "flush";
  EXPECT_EQ(in(1), 0x04U);
  command(0x40, 4);
  EXPECT_EQ(in(1), 0x40U) << "verify";
  EXPECT_EQ(in(3), 4U);
}

// As a disk of the host that is full: what was there before stays, and the drive goes on.
TEST_F(IdeTest, AfterAnErrorTheDriveGoesOn) {
  command(0x30, 3);
  write_block(Bytes(512, 0x33));
  disk.broken = true;
  command(0x30, 4, 2);
  write_block(Bytes(512, 0x44));
  write_block(Bytes(512, 0x44));
  EXPECT_EQ(status() & 0x89U, 0x01U);
  disk.broken = false;
  command(0x20, 3);
  EXPECT_EQ(read_block(512), Bytes(512, 0x33));
  command(0x30, 4);
  write_block(Bytes(512, 0x44));
  EXPECT_EQ(status(), 0x50U);
}

TEST_F(IdeTest, VerifyEndsAtItsLastSector) {
  command(0x40, 3, 4);
  EXPECT_EQ(status(), 0x50U);
  EXPECT_EQ(in(3), 6U);
}

TEST_F(IdeTest, ReadOnlyMediaRefuseWrites) {
  disk.is_writable = false;
  command(0x30, 4);
  EXPECT_EQ(in(1), 0x04U);
}

TEST_F(IdeTest, FlushReachesTheMedium) {
  command(0xE7);
  EXPECT_EQ(disk.flushes, 1U);
  out(1, 0x82);  // write cache off
  command(0xEF);
  command(0x30, 0);
  write_block(Bytes(512));
  EXPECT_EQ(disk.flushes, 2U);
}

TEST_F(IdeTest, DriveIsBusyUntilTheHostHasAnswered) {
  disk.slow = true;
  command(0x20, 1);
  EXPECT_EQ(status(), 0x80U);
  EXPECT_FALSE(irq.level);
  disk.answer();
  EXPECT_EQ(status(), 0x58U);
  EXPECT_TRUE(irq.level);
}

TEST_F(IdeTest, AnswersAfterAResetAreDropped) {
  disk.slow = true;
  command(0x20, 1);
  out8(channel.control_port(), 0, 0x04);
  disk.answer();
  EXPECT_EQ(status(), 0x50U);
  EXPECT_FALSE(irq.level);
}

// ---- bus master -------------------------------------------------------------------------------

TEST_F(IdeTest, DmaReadsIntoItsRegions) {
  regions(0x2000, {0x600, 0xA00});
  command(0xC8, 10, 8);
  EXPECT_FALSE(irq.level) << "nothing moves before the bus master starts";
  start(true);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(ram(0x2000, 4096), sectors(10, 8));
  EXPECT_EQ(channel.bus_master().read(2) & 7, 4) << "interrupt, and not active";
}

TEST_F(IdeTest, DmaEndsWithAnErrorOfTheHost) {
  disk.broken = true;
  regions(0x2000, {0x400});
  for (const bool reads : {true, false}) {
    command(reads ? 0xC8 : 0xCA, 7, 2);
    start(reads);
    EXPECT_TRUE(irq.level);
    EXPECT_EQ(in(1), reads ? 0x40U : 0x04U);
    EXPECT_EQ(in(3), 7U);
    EXPECT_EQ(in(7), 0x51U);
    channel.bus_master().write(0, 0);
  }
}

TEST_F(IdeTest, DmaMayBeStartedFirst) {
  regions(0x2000, {0x200});
  start(true);
  command(0xC8, 3, 1);
  EXPECT_EQ(ram(0x2000, 512), sectors(3, 1));
}

TEST_F(IdeTest, DmaWritesFromItsRegions) {
  for (std::uint32_t i = 0; i < 1024; ++i) map.write(0x3000 + i, 1, i * 5);
  regions(0x3000, {0x400});
  command(0xCA, 20, 2);
  start(false);
  EXPECT_EQ(sectors(20, 2), ram(0x3000, 1024));
  EXPECT_EQ(status(), 0x50U);
}

TEST_F(IdeTest, ATableThatIsTooShortLeavesTheDriveWaiting) {
  regions(0x2000, {0x200});
  command(0xC8, 0, 2);
  start(true);
  EXPECT_EQ(status() & 0x08U, 0x08U);
  EXPECT_FALSE(irq.level);
  channel.bus_master().write(0, 0);
  regions(0x2200, {0x200});
  start(true);
  EXPECT_EQ(ram(0x2000, 1024), sectors(0, 2));
  EXPECT_TRUE(irq.level);
}

TEST_F(IdeTest, ATableThatIsTooLongLeavesTheBusMasterActive) {
  regions(0x2000, {0x200, 0x200});
  command(0xC8, 0, 1);
  start(true);
  EXPECT_EQ(channel.bus_master().read(2) & 7, 5);
}

TEST_F(IdeTest, RegionsOutsideOfMemoryAreAnError) {
  regions(0xF0000000, {0x200});
  command(0xC8, 0, 1);
  start(true);
  EXPECT_EQ(channel.bus_master().read(2) & 7, 2);
}

TEST(Piix3Ide, PlacesTheBusMasters) {
  mmu::GuestMemory memory = std::get<mmu::GuestMemory>(mmu::GuestMemory::create(4096));
  mmu::PhysicalMap map{memory};
  FakeLine irq;
  IdeChannel first(map, irq), second(map, irq);
  std::vector<std::optional<std::uint16_t>> moves;
  Piix3Ide function(first, second, [&](std::optional<std::uint16_t> base) { moves.push_back(base); });
  function.config_write(0x20, 4, 0xC001);
  function.config_write(0x04, 2, 0x0005);
  EXPECT_EQ(moves, (std::vector<std::optional<std::uint16_t>>{0xC000}));
  function.bus_master_ports().port_write(12, 4, 0x1234);
  EXPECT_EQ(second.bus_master().read(4), 0x34);
  EXPECT_EQ(first.bus_master().read(4), 0);
}

// ---- CD-ROM -----------------------------------------------------------------------------------

struct CdromTest : IdeTest {
  CdromTest() {
    packet({0x00});  // the first command learns of the new medium
    in(7);
  }
  std::array<unsigned, 3> sense() {
    packet({0x03, 0, 0, 0, 18});
    const Bytes s = read_block(18);
    return {s[2], s[12], s[13]};
  }
};

TEST_F(CdromTest, IdentifyDeviceIsAbortedWithTheSignature) {
  select(0xB0);
  out(7, 0xEC);
  EXPECT_EQ(in(1), 0x04U);
  EXPECT_EQ(in(5), 0xEBU);
}

TEST_F(CdromTest, ReadsItsSectors) {
  packet({0x28, 0, 0, 0, 0, 7, 0, 0, 2, 0});
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(in(2), 0x02U) << "data for the host";
  EXPECT_EQ(offered(), 4096U);
  EXPECT_EQ(read_block(4096), Bytes(disc.contents.begin() + 7 * 2048, disc.contents.begin() + 9 * 2048));
  EXPECT_EQ(in(2), 0x03U);
  EXPECT_EQ(status(), 0x50U);
}

TEST_F(CdromTest, GivesAtMostWhatTheHostTakesAtATime) {
  packet({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 1500);
  EXPECT_EQ(offered(), 1500U);
  read_block(1500);
  EXPECT_EQ(offered(), 548U);
  read_block(548);
  EXPECT_EQ(in(2), 0x03U);
}

TEST_F(CdromTest, ReadsByDma) {
  regions(0x4000, {2048});
  packet({0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0}, 0, true);
  start(true);
  EXPECT_EQ(ram(0x4000, 2048), Bytes(disc.contents.begin() + 3 * 2048, disc.contents.begin() + 4 * 2048));
  EXPECT_TRUE(irq.level);
}

TEST_F(CdromTest, TellsItsCapacity) {
  packet({0x25});
  EXPECT_EQ(read_block(8), (Bytes{0, 0, 0, 99, 0, 0, 8, 0}));
}

TEST_F(CdromTest, ANewMediumIsReportedOnce) {
  AtapiCdrom fresh(disc);
  channel.attach(1, fresh);
  packet({0x00});
  EXPECT_EQ(in(1) >> 4, 6U);
  EXPECT_EQ(sense(), (std::array{6U, 0x28U, 0U}));
  packet({0x00});
  EXPECT_EQ(status(), 0x50U);
}

TEST_F(CdromTest, ErrorsHaveASense) {
  packet({0x28, 0, 0, 0, 0, 99, 0, 0, 2, 0});
  EXPECT_EQ(status() & 1, 1U);
  EXPECT_EQ(sense(), (std::array{5U, 0x21U, 0U}));
  packet({0xFF});
  EXPECT_EQ(sense(), (std::array{5U, 0x20U, 0U}));
  EXPECT_EQ(sense(), (std::array{0U, 0U, 0U})) << "told once";
  disc.broken = true;
  packet({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(sense(), (std::array{3U, 0x11U, 0U}));
}

TEST_F(CdromTest, AnOpenTrayHasNoMedium) {
  packet({0x1B, 0, 0, 0, 2});
  packet({0x25});
  EXPECT_EQ(sense(), (std::array{2U, 0x3AU, 2U}));
  packet({0x1B, 0, 0, 0, 3});
  packet({0x25});
  EXPECT_EQ(sense()[0], 6U);
}

TEST_F(CdromTest, ALockedTrayStaysShut) {
  packet({0x1E, 0, 0, 0, 1});
  packet({0x1B, 0, 0, 0, 2});
  EXPECT_EQ(sense(), (std::array{5U, 0x53U, 2U}));
}

TEST_F(CdromTest, AnotherMediumIsReportedAndRead) {
  FakeMedium other{2048 * 7};
  other.contents[0] = 0x5A;
  cdrom.change(&other);
  packet({0x00});
  EXPECT_EQ(sense(), (std::array{6U, 0x28U, 0U}));
  packet({0x25});
  EXPECT_EQ(read_block(8), (Bytes{0, 0, 0, 6, 0, 0, 8, 0}));
  packet({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(read_block(2048)[0], 0x5A);
}

TEST_F(CdromTest, AMediumThatIsTakenOutLeavesAnOpenTray) {
  cdrom.change(nullptr);
  packet({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(sense(), (std::array{2U, 0x3AU, 2U}));
  packet({0x1B, 0, 0, 0, 3});
  packet({0x00});
  EXPECT_EQ(sense(), (std::array{2U, 0x3AU, 1U})) << "closed and empty";
}

TEST_F(CdromTest, EventsTellOfMediaOnce) {
  const auto event = [this] {
    packet({0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8, 0});
    const Bytes answer = read_block(8);
    return std::array<unsigned, 2>{answer[4], answer[5]};
  };
  event();
  EXPECT_EQ(event(), (std::array{0U, 2U})) << "a medium, and no news";
  cdrom.change(nullptr);
  EXPECT_EQ(event(), (std::array{3U, 1U}));
  cdrom.change(&disc);
  EXPECT_EQ(event(), (std::array{2U, 2U}));
  cdrom.request_eject();
  EXPECT_EQ(event(), (std::array{1U, 2U}));
  EXPECT_EQ(event(), (std::array{0U, 2U}));
}

TEST_F(CdromTest, AReadThatTheMediumLeavesEndsWithAnError) {
  disc.slow = true;
  packet({0x28, 0, 0, 0, 0, 0, 0, 0, 64, 0});  // two requests to the medium
  cdrom.change(nullptr);
  disc.answer();
  for (unsigned i = 0; i < 32; ++i) EXPECT_EQ(read_block(2048).size(), 2048U);
  EXPECT_EQ(status() & 1, 1U);
  EXPECT_EQ(sense()[1], 0x3AU);
  EXPECT_TRUE(disc.waiting.empty());
}

TEST_F(CdromTest, TocHasOneTrack) {
  packet({0x43, 0, 0, 0, 0, 0, 0, 0, 20, 0});
  EXPECT_EQ(read_block(20), (Bytes{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA, 0, 0, 0, 0, 100}));
}

}  // namespace
}  // namespace ringshift::devices
