#include "devices/acpi_loader.h"

#include <string_view>

namespace ringshift::devices {

namespace {

constexpr std::string_view kRsdp = "etc/acpi/rsdp", kTables = "etc/acpi/tables";
constexpr std::size_t kNameBytes = 56, kCommandBytes = 128;
constexpr std::uint32_t kAllocate = 1, kAddPointer = 2, kAddChecksum = 3;
constexpr std::uint8_t kHigh = 1, kBelow1M = 2;
constexpr std::uint32_t kRsdpBytes = 20;

class Commands {
 public:
  void allocate(std::string_view file, std::uint32_t align, std::uint8_t zone) {
    const std::size_t end = begin(kAllocate);
    name(file);
    put(align, 4);
    put(zone, 1);
    bytes_.resize(end, 0);
  }
  // To the pointer of `size` bytes at `offset` of `in` is added where `to` begins.
  void pointer(std::string_view in, std::string_view to, std::uint32_t offset, std::uint8_t size) {
    const std::size_t end = begin(kAddPointer);
    name(in);
    name(to);
    put(offset, 4);
    put(size, 1);
    bytes_.resize(end, 0);
  }
  void checksum(std::string_view in, std::uint32_t offset, std::uint32_t start, std::uint32_t length) {
    const std::size_t end = begin(kAddChecksum);
    name(in);
    put(offset, 4);
    put(start, 4);
    put(length, 4);
    bytes_.resize(end, 0);
  }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::size_t begin(std::uint32_t command) {
    const std::size_t end = bytes_.size() + kCommandBytes;
    put(command, 4);
    return end;
  }
  void name(std::string_view file) {
    bytes_.insert(bytes_.end(), file.begin(), file.end());
    bytes_.resize(bytes_.size() + kNameBytes - file.size(), 0);
  }
  void put(std::uint32_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }

  std::vector<std::uint8_t> bytes_;
};

}  // namespace

AcpiFiles build_acpi_files(AcpiConfig config) {
  config.base = 0;  // so that pointers are offsets
  AcpiTables built = build_acpi_tables(config);
  const auto length = [&](std::uint32_t table) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) value |= static_cast<std::uint32_t>(built.bytes[table + 4 + i]) << (8 * i);
    return value;
  };

  Commands commands;
  commands.allocate(kRsdp, 16, kBelow1M);
  commands.allocate(kTables, 64, kHigh);
  commands.pointer(kTables, kTables, built.fadt + 36, 4);   // FACS
  commands.pointer(kTables, kTables, built.fadt + 40, 4);   // DSDT
  commands.pointer(kTables, kTables, built.fadt + 140, 8);  // DSDT again
  commands.checksum(kTables, built.fadt + 9, built.fadt, length(built.fadt));
  // FADT, MADT, HPET
  for (std::uint32_t at = built.rsdt + 36; at < built.rsdt + length(built.rsdt); at += 4) {
    commands.pointer(kTables, kTables, at, 4);
  }
  commands.checksum(kTables, built.rsdt + 9, built.rsdt, length(built.rsdt));
  commands.pointer(kRsdp, kTables, 16, 4);  // RSDT
  commands.checksum(kRsdp, 8, 0, kRsdpBytes);

  // Firmware adds to what stands there: the checksums must be of the rest.
  built.bytes[built.fadt + 9] = built.bytes[built.rsdt + 9] = built.bytes[8] = 0;
  AcpiFiles files;
  files.rsdp.assign(built.bytes.begin(), built.bytes.begin() + kRsdpBytes);
  files.tables = std::move(built.bytes);
  files.loader = commands.take();
  return files;
}

}  // namespace ringshift::devices
