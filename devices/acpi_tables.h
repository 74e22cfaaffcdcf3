// The ACPI tables that describe this machine's devices to an operating system.
// Source: ACPI specification 2.0 (chapter 5.2).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ringshift::devices {

struct AcpiSerialPort {
  std::uint16_t base = 0x3F8;
  std::uint8_t irq = 4;
};

struct AcpiConfig {
  // Guest physical address of the first byte, which will be the RSDP: a multiple of 16, in E0000h-FFFFFh for systems
  // that search for it.
  std::uint32_t base = 0xE0000;
  // Addresses for PCI memory, above RAM; first and last.
  std::uint32_t pci_memory_first = 0xE0000000;
  std::uint32_t pci_memory_last = 0xFEBFFFFF;
  std::vector<AcpiSerialPort> serial_ports = {{0x3F8, 4}};
  bool keyboard = true;
  bool mouse = false;
  bool vga = false;
  bool pm_timer_32bit = false;
  bool apic = false;  // a local and an I/O APIC
  bool hpet = false;
  bool parallel = false;  // LPT1 at 378h, IRQ 7
};

struct AcpiTables {
  std::vector<std::uint8_t> bytes;  // to be copied to AcpiConfig::base
  // Offsets in `bytes`. The RSDP's is 0.
  std::uint32_t rsdt = 0, fadt = 0, facs = 0, dsdt = 0;
  std::uint32_t madt = 0, hpet = 0;  // 0: none
};

// RSDP (revision 0), RSDT, FADT (revision 3), FACS and DSDT; MADT (revision 1) and HPET if there are such devices.
AcpiTables build_acpi_tables(const AcpiConfig& config);

}  // namespace ringshift::devices
