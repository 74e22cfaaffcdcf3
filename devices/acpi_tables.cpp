#include "devices/acpi_tables.h"

#include <cassert>
#include <iterator>
#include <numeric>
#include <utility>

#include "devices/acpi_pm.h"
#include "devices/aml.h"
#include "devices/hpet.h"
#include "devices/io_apic.h"
#include "devices/isa_irqs.h"
#include "devices/local_apic.h"
#include "devices/pci.h"

namespace ringshift::devices {

namespace {

using aml::Bytes;

constexpr std::uint32_t kHeaderSize = 36;
constexpr std::string_view kOem = "RINGSH", kOemTable = "RINGSHFT", kCreator = "RING";

// A table under construction: fields at the offsets that the specification gives.
class Table {
 public:
  explicit Table(std::uint32_t size) : bytes_(size, 0) {}

  void put(std::uint32_t offset, std::uint64_t value, unsigned size) {
    assert(offset + size <= bytes_.size());
    for (unsigned i = 0; i < size; ++i) bytes_[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  void text(std::uint32_t offset, std::string_view value) {
    for (std::size_t i = 0; i < value.size(); ++i) bytes_[offset + i] = static_cast<std::uint8_t>(value[i]);
  }
  // Generic Address Structure for I/O ports; access: 1 byte, 2 word, 3 dword.
  void io_address(std::uint32_t offset, std::uint16_t port, unsigned bits, unsigned access) {
    put(offset, 1, 1);
    put(offset + 1, bits, 1);
    put(offset + 3, access, 1);
    put(offset + 4, port, 8);
  }
  void header(std::string_view signature, std::uint8_t revision) {
    text(0, signature);
    put(4, bytes_.size(), 4);
    put(8, revision, 1);
    text(10, kOem);
    text(16, kOemTable);
    put(24, 1, 4);
    text(28, kCreator);
    put(32, 1, 4);
  }
  // Makes the bytes add up to 0.
  void checksum(std::uint32_t offset) {
    bytes_[offset] = 0;
    const unsigned sum = std::accumulate(bytes_.begin(), bytes_.end(), 0U);
    bytes_[offset] = static_cast<std::uint8_t>(0U - sum);
  }
  void append(const Bytes& tail) { bytes_.insert(bytes_.end(), tail.begin(), tail.end()); }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

Bytes pnp_device(std::string_view segment, std::string_view id, unsigned uid, const Bytes& resources) {
  return aml::device(segment, aml::join({aml::name("_HID", aml::eisa_id(id)), aml::name("_UID", aml::integer(uid)),
                                         aml::name("_CRS", resources)}));
}

Bytes interrupt_routing() {
  std::vector<Bytes> entries;
  for (unsigned slot = 1; slot < 32; ++slot) {
    for (unsigned pin = 0; pin < 4; ++pin) {
      // The source index is the interrupt itself where the source is 0: hard-wired.
      entries.push_back(aml::package(
          {aml::integer(slot << 16 | 0xFFFF), aml::integer(pin), aml::integer(0), aml::integer(pci_irq(slot, pin))}));
    }
  }
  return aml::package(entries);
}

Bytes isa_devices(const AcpiConfig& config) {
  using namespace aml;
  Bytes out = join({
      pnp_device("PIC", "PNP0000", 0, resource_template({io(0x20, 2), io(0xA0, 2), io(0x4D0, 2), irq(2)})),
      pnp_device("TIMR", "PNP0100", 0, resource_template({io(0x40, 4), irq(0)})),
      pnp_device("DMAC", "PNP0200", 0, resource_template({io(0x00, 16), io(0x81, 15), io(0xC0, 32), dma(4)})),
      pnp_device("SPKR", "PNP0800", 0, resource_template({io(0x61, 1)})),
      pnp_device("RTC", "PNP0B00", 0, resource_template({io(0x70, 4), irq(8)})),
      pnp_device("FPU", "PNP0C04", 0, resource_template({io(0xF0, 16), irq(13)})),
      pnp_device("SYSR", "PNP0C02", 0,
                 resource_template({io(0x80, 1), io(0x92, 1), io(acpi::kSmiCommand, 2), io(acpi::kPm2Control, 1),
                                    io(acpi::kPmBase, static_cast<std::uint8_t>(acpi::kPmSize))})),
  });
  if (config.keyboard) {
    out = join({out, pnp_device("KBD", "PNP0303", 0, resource_template({io(0x60, 1), io(0x64, 1), irq(1)}))});
  }
  if (config.mouse) out = join({out, pnp_device("MOU", "PNP0F13", 0, resource_template({irq(12)}))});
  if (config.parallel) {
    out = join({out, pnp_device("LPT", "PNP0400", 0, resource_template({io(0x378, 3), irq(7)}))});
  }
  if (config.hpet) {
    out = join({out, pnp_device("HPET", "PNP0103", 0, resource_template({memory_fixed(Hpet::kBase, 0x400)}))});
  }
  unsigned number = 0;
  for (const AcpiSerialPort& port : config.serial_ports) {
    ++number;
    const char segment[] = {'C', 'O', 'M', static_cast<char>('0' + number)};
    out =
        join({out, pnp_device({segment, 4}, "PNP0501", number, resource_template({io(port.base, 8), irq(port.irq)}))});
  }
  return out;
}

Bytes definition_block(const AcpiConfig& config) {
  using namespace aml;
  const Bytes root_resources = resource_template({
      bus_range(0, 0xFF),
      io(0xCF8, 8),
      io_range(0x0000, 0x0CF7),
      io_range(0x0D00, 0xFFFF),
      memory_range(0xA0000, 0xBFFFF, true),
      memory_range(config.pci_memory_first, config.pci_memory_last, false),
  });
  const Bytes isa = device("ISA", join({name("_ADR", integer(0x00010000)), isa_devices(config)}));
  const Bytes pci = device("PCI0", join({name("_HID", eisa_id("PNP0A03")), name("_UID", integer(0)),
                                         name("_CRS", root_resources), name("_PRT", interrupt_routing()), isa}));
  const Bytes soft_off = package({integer(acpi::kSleepTypeS5), integer(acpi::kSleepTypeS5), integer(0), integer(0)});
  return join({name("\\_S5", soft_off), scope("\\_SB", pci)});
}

Table fadt(const AcpiConfig& config, std::uint32_t facs, std::uint32_t dsdt) {
  constexpr std::uint32_t kSize = 244;
  constexpr std::uint16_t kEvent = acpi::kPmBase + acpi::kPm1Event, kControl = acpi::kPmBase + acpi::kPm1Control;
  constexpr std::uint16_t kTimer = acpi::kPmBase + acpi::kPmTimer, kGpe = acpi::kPmBase + acpi::kGpe0;
  constexpr std::uint32_t kWbinvd = 1U << 0, kC1 = 1U << 2, kNoSleepButton = 1U << 5, kNoRtcWake = 1U << 6;
  constexpr std::uint32_t kTimer32 = 1U << 8, kResetRegister = 1U << 10;
  constexpr std::uint32_t kLegacyDevices = 1U << 0, k8042 = 1U << 1, kNoVga = 1U << 2;

  Table t(kSize);
  t.header("FACP", 3);
  t.put(36, facs, 4);
  t.put(40, dsdt, 4);
  t.put(45, 1, 1);  // preferred profile: desktop
  t.put(46, acpi::kSciIrq, 2);
  t.put(48, acpi::kSmiCommand, 4);
  t.put(52, acpi::kEnable, 1);
  t.put(53, acpi::kDisable, 1);
  t.put(56, kEvent, 4);
  t.put(64, kControl, 4);
  t.put(72, acpi::kPm2Control, 4);
  t.put(76, kTimer, 4);
  t.put(80, kGpe, 4);
  t.put(88, 4, 1);  // lengths of the blocks
  t.put(89, 2, 1);
  t.put(90, 1, 1);
  t.put(91, 4, 1);
  t.put(92, 4, 1);
  t.put(96, 0x0FFF, 2);  // latencies above the limits: neither C2 nor C3
  t.put(98, 0x0FFF, 2);
  t.put(108, 0x32, 1);  // the century's place in CMOS
  t.put(109, kLegacyDevices | (config.keyboard ? k8042 : 0) | (config.vga ? 0 : kNoVga), 2);
  t.put(112, kWbinvd | kC1 | kNoSleepButton | kNoRtcWake | kResetRegister | (config.pm_timer_32bit ? kTimer32 : 0), 4);
  t.io_address(116, 0xCF9, 8, 1);
  t.put(128, 0x06, 1);  // reset value
  t.put(140, dsdt, 8);
  t.io_address(148, kEvent, 32, 2);
  t.io_address(172, kControl, 16, 2);
  t.io_address(196, acpi::kPm2Control, 8, 1);
  t.io_address(208, kTimer, 32, 3);
  t.io_address(220, kGpe, 32, 1);
  t.checksum(9);
  return t;
}

// Processor 0, the I/O APIC, and how the interrupts of ISA differ from its pins: the timer is on another, and those of
// PCI and ACPI are levels.
Table madt() {
  constexpr std::uint32_t kFixed = kHeaderSize + 8, kProcessor = 8, kIoApicEntry = 12, kOverride = 10, kNmi = 6;
  constexpr std::uint16_t kConforming = 0x0, kHighLevel = 0xD;
  constexpr unsigned kLevels[] = {5, acpi::kSciIrq, 10, 11};
  Table t(kFixed + kProcessor + kIoApicEntry + kOverride * (1 + std::size(kLevels)) + kNmi);
  t.header("APIC", 1);
  t.put(36, LocalApic::kBase, 4);
  t.put(40, 1, 4);  // there are 8259s too
  std::uint32_t at = kFixed;
  const auto entry = [&](unsigned type, std::uint32_t length) {
    t.put(at, type, 1);
    t.put(at + 1, length, 1);
    return std::exchange(at, at + length);
  };
  std::uint32_t place = entry(0, kProcessor);
  t.put(place + 4, 1, 4);  // enabled
  place = entry(1, kIoApicEntry);
  t.put(place + 4, IoApic::kBase, 4);
  const auto interrupt = [&](unsigned irq, std::uint16_t flags) {
    place = entry(2, kOverride);
    t.put(place + 3, irq, 1);
    t.put(place + 4, IsaIrqs::pin_of(irq), 4);
    t.put(place + 8, flags, 2);
  };
  interrupt(0, kConforming);
  for (const unsigned irq : kLevels) interrupt(irq, kHighLevel);
  place = entry(4, kNmi);
  t.put(place + 2, 0xFF, 1);  // all processors
  t.put(place + 5, 1, 1);     // LINT1
  t.checksum(9);
  return t;
}

Table hpet() {
  Table t(56);
  t.header("HPET", 1);
  t.put(36, Hpet::kCapabilities, 4);
  t.put(41, 64, 1);  // in memory, 64 bits wide
  t.put(44, Hpet::kBase, 8);
  t.put(53, 0x80, 2);  // ticks between two interrupts of a periodic timer, at least
  t.checksum(9);
  return t;
}

std::uint32_t align(std::uint32_t value, std::uint32_t to) { return (value + to - 1) & ~(to - 1); }

}  // namespace

AcpiTables build_acpi_tables(const AcpiConfig& config) {
  assert(config.base % 16 == 0);
  constexpr std::uint32_t kRsdpSize = 20, kFacsSize = 64;
  const std::uint32_t rsdt_size = kHeaderSize + 4 * (1U + (config.apic ? 1U : 0U) + (config.hpet ? 1U : 0U));

  Table dsdt(kHeaderSize);
  dsdt.append(definition_block(config));
  dsdt.header("DSDT", 1);  // revision 1: integers have 32 bits
  dsdt.checksum(9);

  AcpiTables out;
  out.facs = align(config.base + kRsdpSize, 64) - config.base;  // the FACS must lie on a 64-byte boundary
  out.rsdt = out.facs + kFacsSize;
  out.fadt = align(out.rsdt + rsdt_size, 16);
  out.dsdt = align(out.fadt + 244, 16);

  Table rsdp(kRsdpSize);
  rsdp.text(0, "RSD PTR ");
  rsdp.text(9, kOem);
  rsdp.put(16, config.base + out.rsdt, 4);
  rsdp.checksum(8);

  Table facs(kFacsSize);
  facs.text(0, "FACS");
  facs.put(4, kFacsSize, 4);
  facs.put(32, 1, 1);  // version

  std::uint32_t end = out.dsdt + static_cast<std::uint32_t>(dsdt.bytes().size());
  Table rsdt(rsdt_size);
  rsdt.header("RSDT", 1);
  std::uint32_t pointer = kHeaderSize;
  const auto point_to = [&](std::uint32_t table) {
    rsdt.put(pointer, config.base + table, 4);
    pointer += 4;
  };
  std::vector<std::pair<std::uint32_t, Table>> more;
  const auto add = [&](Table table) {
    const std::uint32_t place = align(end, 16);
    end = place + static_cast<std::uint32_t>(table.bytes().size());
    point_to(place);
    more.emplace_back(place, std::move(table));
    return place;
  };
  point_to(out.fadt);
  if (config.apic) out.madt = add(madt());
  if (config.hpet) out.hpet = add(hpet());
  rsdt.checksum(9);

  out.bytes.assign(end, 0);
  const auto place = [&out](std::uint32_t offset, const Table& table) {
    std::copy(table.bytes().begin(), table.bytes().end(), out.bytes.begin() + offset);
  };
  place(0, rsdp);
  place(out.facs, facs);
  place(out.rsdt, rsdt);
  place(out.fadt, fadt(config, config.base + out.facs, config.base + out.dsdt));
  place(out.dsdt, dsdt);
  for (const auto& [offset, table] : more) place(offset, table);
  return out;
}

}  // namespace ringshift::devices
