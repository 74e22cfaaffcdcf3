// What an operating system reads in the tables (ACPI specification 2.0, 5.2) is what the devices do.
#include "devices/acpi_tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>

#include "devices/acpi_pm.h"
#include "devices/aml.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

using Bytes = std::vector<std::uint8_t>;

class Tables : public testing::Test {
 protected:
  explicit Tables(const AcpiConfig& c = {}) : config(c), tables(build_acpi_tables(c)) {}

  std::uint64_t get(std::uint32_t offset, unsigned size) const {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= std::uint64_t{tables.bytes.at(offset + i)} << (8 * i);
    return value;
  }
  std::string text(std::uint32_t offset, unsigned size) const {
    return {tables.bytes.begin() + offset, tables.bytes.begin() + offset + size};
  }
  std::uint32_t length(std::uint32_t table) const { return static_cast<std::uint32_t>(get(table + 4, 4)); }
  unsigned sum(std::uint32_t offset, std::uint32_t size) const {
    return std::accumulate(tables.bytes.begin() + offset, tables.bytes.begin() + offset + size, 0U) & 0xFF;
  }
  // Where an address is in `tables.bytes`.
  std::uint32_t at(std::uint64_t address) const { return static_cast<std::uint32_t>(address) - config.base; }
  std::uint64_t fadt(std::uint32_t offset, unsigned size) const { return get(tables.fadt + offset, size); }
  std::size_t find(const Bytes& part) const {
    const auto found = std::search(tables.bytes.begin() + tables.dsdt, tables.bytes.end(), part.begin(), part.end());
    return found == tables.bytes.end() ? std::string::npos : static_cast<std::size_t>(found - tables.bytes.begin());
  }

  AcpiConfig config;
  AcpiTables tables;
};

// ---- finding them -----------------------------------------------------------------------------

TEST_F(Tables, ScanOnParagraphsFindsTheRsdp) {
  unsigned found = 0;
  for (std::uint32_t offset = 0; offset + 20 <= tables.bytes.size(); offset += 16) {
    if (text(offset, 8) == "RSD PTR " && sum(offset, 20) == 0) ++found;
  }
  EXPECT_EQ(found, 1U);
  EXPECT_EQ(config.base % 16, 0U);
}

TEST_F(Tables, PointersLeadFromTheRsdpToEveryTable) {
  const auto rsdt = at(get(16, 4));
  EXPECT_EQ(text(rsdt, 4), "RSDT");
  ASSERT_EQ(length(rsdt), 40U);
  const auto facp = at(get(rsdt + 36, 4));
  EXPECT_EQ(text(facp, 4), "FACP");
  EXPECT_EQ(text(at(get(facp + 36, 4)), 4), "FACS");
  EXPECT_EQ(text(at(get(facp + 40, 4)), 4), "DSDT");
  EXPECT_EQ(get(facp + 140, 8), get(facp + 40, 4)) << "X_DSDT";
}

TEST_F(Tables, EveryTableAddsUpToZero) {
  for (const std::uint32_t table : {tables.rsdt, tables.fadt, tables.dsdt}) {
    EXPECT_EQ(sum(table, length(table)), 0U) << text(table, 4);
  }
}

TEST_F(Tables, LieInsideTheirBytesWithoutOverlap) {
  EXPECT_LE(tables.facs + 64, tables.rsdt);
  EXPECT_LE(tables.rsdt + length(tables.rsdt), tables.fadt);
  EXPECT_LE(tables.fadt + length(tables.fadt), tables.dsdt);
  EXPECT_EQ(tables.dsdt + length(tables.dsdt), tables.bytes.size());
}

TEST_F(Tables, FacsIsAlignedTo64Bytes) { EXPECT_EQ((config.base + tables.facs) % 64, 0U); }

TEST_F(Tables, FitInTheFirmwareArea) { EXPECT_LT(tables.bytes.size(), 0x10000U); }

// ---- FADT (5.2.8) against the devices ---------------------------------------------------------

TEST_F(Tables, FadtNamesThePortsOfThePowerManager) {
  EXPECT_EQ(fadt(46, 2), acpi::kSciIrq);
  EXPECT_EQ(fadt(48, 4), acpi::kSmiCommand);
  EXPECT_EQ(fadt(52, 1), acpi::kEnable);
  EXPECT_EQ(fadt(53, 1), acpi::kDisable);
  EXPECT_EQ(fadt(56, 4), acpi::kPmBase + acpi::kPm1Event);
  EXPECT_EQ(fadt(64, 4), acpi::kPmBase + acpi::kPm1Control);
  EXPECT_EQ(fadt(72, 4), acpi::kPm2Control);
  EXPECT_EQ(fadt(76, 4), acpi::kPmBase + acpi::kPmTimer);
  EXPECT_EQ(fadt(80, 4), acpi::kPmBase + acpi::kGpe0);
}

struct Block {
  std::uint32_t port, length, extended;
};
class FadtBlocks : public Tables, public testing::WithParamInterface<Block> {};

TEST_P(FadtBlocks, AreTheSameInBothForms) {
  const auto& [port, size, extended] = GetParam();
  EXPECT_EQ(fadt(extended, 1), 1U) << "I/O space";
  EXPECT_EQ(fadt(extended + 1, 1), 8 * fadt(size, 1)) << "bits";
  EXPECT_EQ(fadt(extended + 4, 8), fadt(port, 4));
}
INSTANTIATE_TEST_SUITE_P(Fields, FadtBlocks,
                         testing::Values(Block{56, 88, 148}, Block{64, 89, 172}, Block{72, 90, 196}, Block{76, 91, 208},
                                         Block{80, 92, 220}));

TEST_F(Tables, CommandsOfTheFadtSwitchTheMode) {
  FakeTime time;
  FakeLine sci;
  AcpiPm pm(time.events(), sci, {});
  out8(pm.smi_ports(), 0, static_cast<unsigned>(fadt(52, 1)));
  EXPECT_TRUE(pm.acpi_mode());
  out8(pm.smi_ports(), 0, static_cast<unsigned>(fadt(53, 1)));
  EXPECT_FALSE(pm.acpi_mode());
}

TEST_F(Tables, ResetRegisterIsCf9) {
  EXPECT_EQ(fadt(112, 4) & (1U << 10), 1U << 10);
  EXPECT_EQ(fadt(120, 8), 0xCF9U);
  EXPECT_EQ(fadt(128, 1), 0x06U);
}

TEST_F(Tables, TimerWidthIsThatOfTheDefaultDevice) {
  EXPECT_EQ(fadt(112, 4) & (1U << 8), 0U) << "24 bits";
  AcpiConfig wide;
  wide.pm_timer_32bit = true;
  const AcpiTables other = build_acpi_tables(wide);
  EXPECT_EQ(other.bytes[other.fadt + 113] & 1, 1);
}

TEST_F(Tables, NoDeepIdleStatesAreOffered) {
  EXPECT_GT(fadt(96, 2), 100U);
  EXPECT_GT(fadt(98, 2), 1000U);
}

TEST_F(Tables, BootFlagsTellOfKeyboardAndVga) {
  EXPECT_EQ(fadt(109, 2), 0x0007U) << "legacy devices, 8042, no VGA";
  AcpiConfig other;
  other.keyboard = false;
  other.vga = true;
  const AcpiTables bare = build_acpi_tables(other);
  EXPECT_EQ(bare.bytes[bare.fadt + 109], 0x01);
}

// ---- DSDT -------------------------------------------------------------------------------------

TEST_F(Tables, SoftOffPackageHasTheSleepTypeOfTheDevice) {
  EXPECT_NE(find(aml::name("\\_S5", aml::package({aml::integer(acpi::kSleepTypeS5), aml::integer(acpi::kSleepTypeS5),
                                                  aml::integer(0), aml::integer(0)}))),
            std::string::npos);
}

TEST_F(Tables, DevicesAreDescribedOnlyWhenPresent) {
  EXPECT_NE(find(aml::eisa_id("PNP0303")), std::string::npos);
  EXPECT_NE(find(aml::eisa_id("PNP0501")), std::string::npos);
  AcpiConfig bare = config;
  bare.keyboard = false;
  bare.serial_ports.clear();
  tables = build_acpi_tables(bare);
  EXPECT_EQ(find(aml::eisa_id("PNP0303")), std::string::npos);
  EXPECT_EQ(find(aml::eisa_id("PNP0501")), std::string::npos);
}

// ---- AML encoding (17.2.4, 17.2.2) ------------------------------------------------------------

TEST(Aml, IntegersTakeTheShortestForm) {
  EXPECT_EQ(aml::integer(0), (Bytes{0x00}));
  EXPECT_EQ(aml::integer(1), (Bytes{0x01}));
  EXPECT_EQ(aml::integer(2), (Bytes{0x0A, 0x02}));
  EXPECT_EQ(aml::integer(0x1234), (Bytes{0x0B, 0x34, 0x12}));
  EXPECT_EQ(aml::integer(0x12345678), (Bytes{0x0C, 0x78, 0x56, 0x34, 0x12}));
}

TEST(Aml, EisaIdsAreCompressed) { EXPECT_EQ(aml::eisa_id("PNP0A03"), (Bytes{0x0C, 0x41, 0xD0, 0x0A, 0x03})); }

TEST(Aml, PackageLengthCountsItself) {
  EXPECT_EQ(aml::buffer(Bytes(58, 0)).at(1), 0x3D) << "58 bytes, their count in two, and one: 61";
  const Bytes two = aml::buffer(Bytes(61, 0));
  EXPECT_EQ(two.at(1), 0x41) << "65: low nibble, one more byte";
  EXPECT_EQ(two.at(2), 0x04);
}

TEST(Aml, NamesArePadded) { EXPECT_EQ(aml::name("A", aml::integer(0)), (Bytes{0x08, 'A', '_', '_', '_', 0x00})); }

// Skipped where Intel's disassembler (package acpica-tools) is not installed.
TEST_F(Tables, DsdtDisassemblesAndCompilesWithoutWarnings) {
  if (std::system("iasl -v >/dev/null 2>&1") != 0) GTEST_SKIP() << "no iasl";
  const auto folder = std::filesystem::path(testing::TempDir()) / "ringshift-dsdt";
  std::filesystem::create_directories(folder);
  for (const auto& [name, offset] : {std::pair{"dsdt", tables.dsdt}, std::pair{"facp", tables.fadt}}) {
    std::ofstream file(folder / (std::string(name) + ".aml"), std::ios::binary);
    const auto begin = tables.bytes.begin() + offset;
    std::copy(begin, begin + length(offset), std::ostreambuf_iterator<char>(file));
  }
  const std::string run = "cd " + folder.string() + " && iasl -d dsdt.aml >log 2>&1 && iasl -d facp.aml >>log 2>&1" +
                          " && iasl -p again dsdt.dsl >compiled 2>&1";
  EXPECT_EQ(std::system(run.c_str()), 0);
  const auto read = [&folder](const char* name) {
    std::ifstream file(folder / name);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const std::string log = read("log"), compiled = read("compiled");
  EXPECT_EQ(log.find("Warning"), std::string::npos) << log;
  EXPECT_EQ(log.find("Error"), std::string::npos) << log;
  EXPECT_NE(compiled.find(" 0 Errors, 0 Warnings"), std::string::npos) << compiled;
  std::filesystem::remove_all(folder);
}

// ---- APICs and HPET ---------------------------------------------------------------------------

class TablesWithApic : public Tables {
 protected:
  TablesWithApic() : Tables({.apic = true, .hpet = true}) {}
};

TEST_F(TablesWithApic, RsdtLeadsToAllOfThem) {
  EXPECT_EQ(length(tables.rsdt), 36U + 12);
  EXPECT_EQ(at(get(tables.rsdt + 36, 4)), tables.fadt);
  EXPECT_EQ(at(get(tables.rsdt + 40, 4)), tables.madt);
  EXPECT_EQ(at(get(tables.rsdt + 44, 4)), tables.hpet);
  for (const std::uint32_t table : {tables.rsdt, tables.madt, tables.hpet}) EXPECT_EQ(sum(table, length(table)), 0U);
}

TEST_F(TablesWithApic, MadtDescribesTheWiring) {
  EXPECT_EQ(text(tables.madt, 4), "APIC");
  EXPECT_EQ(get(tables.madt + 36, 4), 0xFEE00000U);
  std::vector<std::string> entries;
  for (std::uint32_t at = tables.madt + 44; at < tables.madt + length(tables.madt);) {
    const auto size = static_cast<unsigned>(get(at + 1, 1));
    std::string bytes;
    for (unsigned i = 0; i < size; ++i) {
      constexpr const char* kDigits = "0123456789ABCDEF";
      const auto byte = get(at + i, 1);
      bytes += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    entries.push_back(bytes);
    at += size;
  }
  const std::vector<std::string> expected{
      "0008000001000000",          // processor 0, APIC 0, enabled
      "010C00000000C0FE00000000",  // I/O APIC 0 at FEC00000, from interrupt 0 on
      "020A0000020000000000",      // IRQ 0 is pin 2
      "020A0005050000000D00",      // levels
      "020A0009090000000D00",
      "020A000A0A0000000D00",
      "020A000B0B0000000D00",
      "0406FF000001",  // NMI on LINT1
  };
  EXPECT_EQ(entries, expected);
}

TEST_F(TablesWithApic, HpetIsWhereTheTableSays) {
  EXPECT_EQ(text(tables.hpet, 4), "HPET");
  EXPECT_EQ(get(tables.hpet + 36, 4), 0x8086A201U);
  EXPECT_EQ(get(tables.hpet + 40, 1), 0U) << "memory";
  EXPECT_EQ(get(tables.hpet + 44, 8), 0xFED00000U);
}

TEST_F(Tables, WithoutThemTheyAreNotMentioned) {
  EXPECT_EQ(length(tables.rsdt), 36U + 4);
  EXPECT_EQ(tables.madt, 0U);
  EXPECT_EQ(tables.hpet, 0U);
}

}  // namespace
}  // namespace ringshift::devices
