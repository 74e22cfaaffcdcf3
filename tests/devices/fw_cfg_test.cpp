// The firmware configuration device, and the ACPI tables that go through it.
#include "devices/fw_cfg.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "devices/acpi_loader.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct FwCfgTest : testing::Test {
  FwCfgTest() { map.add_ram(0, 0x10000, 0); }
  void select(unsigned key) { device.port_write(0, 2, key); }
  Bytes read(std::size_t count) {
    Bytes out;
    while (out.size() < count) out.push_back(in8(device, 1));
    return out;
  }
  // Returns the control word after the transfer.
  std::uint32_t dma(std::uint32_t control, std::uint32_t length, std::uint64_t address) {
    constexpr std::uint32_t kAt = 0x100;
    const auto be32 = [&](std::uint32_t at, std::uint32_t value) { map.write(at, 4, __builtin_bswap32(value)); };
    be32(kAt, control);
    be32(kAt + 4, length);
    be32(kAt + 8, static_cast<std::uint32_t>(address >> 32));
    be32(kAt + 12, static_cast<std::uint32_t>(address));
    device.port_write(4, 4, 0);
    device.port_write(8, 4, __builtin_bswap32(kAt));
    return __builtin_bswap32(static_cast<std::uint32_t>(map.read(kAt, 4)));
  }

  mmu::GuestMemory memory = std::get<mmu::GuestMemory>(mmu::GuestMemory::create(0x10000));
  mmu::PhysicalMap map{memory};
  FwCfg device{map};
};

TEST_F(FwCfgTest, ShowsItsSignatureAndFeatures) {
  select(0);
  EXPECT_EQ(read(4), (Bytes{'Q', 'E', 'M', 'U'}));
  select(1);
  EXPECT_EQ(read(4), (Bytes{3, 0, 0, 0}));
  EXPECT_EQ(device.port_read(4, 4), 0x554D4551U);
}

TEST_F(FwCfgTest, DirectoryNamesEveryFile) {
  device.add_file("etc/a", {1, 2, 3});
  select(0x19);
  const Bytes head = read(4 + 8);
  EXPECT_EQ(head, (Bytes{0, 0, 0, 1, 0, 0, 0, 3, 0, 0x20, 0, 0}));
  EXPECT_EQ(read(6), (Bytes{'e', 't', 'c', '/', 'a', 0}));
  select(0x20);
  EXPECT_EQ(read(5), (Bytes{1, 2, 3, 0, 0})) << "beyond the end are zeros";
}

TEST_F(FwCfgTest, UnknownKeysReadAsZero) {
  select(0x8001);
  EXPECT_EQ(read(2), (Bytes{0, 0}));
  EXPECT_EQ(device.odd_accesses(), 1U);
}

TEST_F(FwCfgTest, DmaSelectsReadsAndSkips) {
  device.add_file("f", {10, 11, 12, 13});
  map.write(0x202, 2, 0xEEEE);
  EXPECT_EQ(dma(0x20U << 16 | 8 | 4, 1, 0), 0U);  // select, skip one
  EXPECT_EQ(dma(2, 2, 0x200), 0U);                // read two
  EXPECT_EQ(map.read(0x200, 4), 0xEEEE0C0BU);
  EXPECT_EQ(dma(2, 2, 0x200), 0U);
  EXPECT_EQ(map.read(0x200, 2), 0x000DU);
}

TEST_F(FwCfgTest, DmaToNoMemoryIsAnError) {
  device.add_file("f", {1});
  EXPECT_EQ(dma(0x20U << 16 | 8 | 2, 4, 0xFFFE), 1U);
  EXPECT_EQ(dma(2, 0xFFFFFFFF, ~0ULL - 5), 1U);
  EXPECT_EQ(dma(16, 4, 0x200), 1U) << "nothing is writable";
  device.port_write(4, 4, 0xFFFFFFFF);
  device.port_write(8, 4, 0xFFFFFFFF);  // a descriptor in no memory
  EXPECT_GE(device.odd_accesses(), 4U);
}

// What firmware does with the loader's commands.
std::uint32_t get32(const Bytes& from, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, from.data() + at, 4);
  return value;
}

TEST(AcpiLoader, CommandsRebuildTheTablesAtTheirAddress) {
  constexpr std::uint32_t kTablesAt = 0x00FF0000;
  AcpiFiles files = build_acpi_files({});
  ASSERT_EQ(files.loader.size() % 128, 0U);
  const auto file = [&](std::size_t at) -> Bytes& {
    return std::strcmp(reinterpret_cast<const char*>(files.loader.data() + at), "etc/acpi/rsdp") == 0 ? files.rsdp
                                                                                                      : files.tables;
  };
  for (std::size_t at = 0; at < files.loader.size(); at += 128) {
    Bytes& target = file(at + 4);
    switch (get32(files.loader, at)) {
      case 1:
        break;
      case 2: {  // every pointer leads into the tables; four of its bytes are enough below 4 GiB
        const std::uint32_t offset = get32(files.loader, at + 116);
        const std::uint32_t pointer = get32(target, offset) + kTablesAt;
        std::memcpy(target.data() + offset, &pointer, 4);
        break;
      }
      case 3: {
        const std::uint32_t offset = get32(files.loader, at + 60), start = get32(files.loader, at + 64);
        std::uint8_t sum = 0;
        for (std::uint32_t i = 0; i < get32(files.loader, at + 68); ++i)
          sum = static_cast<std::uint8_t>(sum + target[start + i]);
        target[offset] = static_cast<std::uint8_t>(target[offset] - sum);
        break;
      }
      default:
        ADD_FAILURE() << "unknown command";
    }
  }
  AcpiConfig direct;
  direct.base = kTablesAt;
  const AcpiTables expected = build_acpi_tables(direct);
  EXPECT_TRUE(std::equal(files.tables.begin() + 20, files.tables.end(), expected.bytes.begin() + 20));
  EXPECT_TRUE(std::equal(files.rsdp.begin(), files.rsdp.end(), expected.bytes.begin()));
}

}  // namespace
}  // namespace ringshift::devices
