// PCI configuration mechanism 1 and the functions of one bus.
// Source: PCI Local Bus Specification 2.2, chapters 3.2.2.3 and 6.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "devices/port_bus.h"

namespace ringshift::devices {

// How the four interrupt pins of each slot reach the PICs: hard-wired, in the usual rotation. `pin` is 0 for INTA#.
constexpr unsigned pci_irq(unsigned slot, unsigned pin) {
  constexpr unsigned kPirq[] = {10, 10, 11, 11};  // PIRQA# to PIRQD#
  return kPirq[(slot + pin + 3) & 3];
}

// One function's configuration space: a type 0 header that software may read and write where a mask allows it.
// A device derives from it to add registers and to hear of changes to its BARs.
class PciFunction {
 public:
  struct Identity {
    std::uint16_t vendor = 0xFFFF;
    std::uint16_t device = 0xFFFF;
    std::uint8_t revision = 0;
    std::uint32_t class_code = 0;  // class, subclass, interface: 24 bits
    bool multifunction = false;
    std::uint16_t subsystem_vendor = 0, subsystem = 0;
  };
  enum class BarKind : std::uint8_t {
    memory,
    prefetchable,
    io
  };

  explicit PciFunction(const Identity& identity);
  virtual ~PciFunction() = default;

  // The access does not cross a dword; size is 1, 2 or 4. Overriders call these first.
  virtual std::uint32_t config_read(std::uint8_t reg, unsigned size);
  virtual void config_write(std::uint8_t reg, unsigned size, std::uint32_t value);

  [[nodiscard]] std::uint8_t config_byte(std::uint8_t reg) const { return space_[reg]; }
  [[nodiscard]] std::uint32_t config_dword(std::uint8_t reg) const;
  // What the address decoders see.
  [[nodiscard]] bool io_enabled() const { return (space_[4] & 1) != 0; }
  [[nodiscard]] bool memory_enabled() const { return (space_[4] & 2) != 0; }
  [[nodiscard]] std::uint32_t bar(unsigned index) const;
  // Of the expansion ROM; 0 while its decoder is off.
  [[nodiscard]] std::uint32_t rom_address() const;

 protected:
  // For constructors: contents, and which of the bits software may change.
  void set_config(std::uint8_t reg, unsigned size, std::uint32_t value, std::uint32_t writable = 0);
  // size is a power of two, at least 16 (memory) or 4 (I/O).
  void add_bar(unsigned index, BarKind kind, std::uint32_t size);
  // size is a power of two, at least 2 KiB.
  void add_rom_bar(std::uint32_t size);
  // pin is 1 for INTA#; the line register says what firmware would have written.
  void set_interrupt(std::uint8_t pin, std::uint8_t irq);
  // After the command register, a BAR or the ROM's changed.
  virtual void decoding_changed() {}

 private:
  std::array<std::uint8_t, 256> space_{};
  std::array<std::uint8_t, 256> writable_{};
};

// The host's side: CONFIG_ADDRESS at CF8h and CONFIG_DATA at CFCh; bus 0 only.
class PciHost final : public PortDevice {
 public:
  // A byte access to CF9h does not reach CONFIG_ADDRESS: it belongs to the chip set's reset control.
  explicit PciHost(PortDevice* reset_control = nullptr) : reset_control_(reset_control) {}

  // The function must outlive the host. `device` is 0-31, `function` 0-7.
  void add(unsigned device, unsigned function, PciFunction& target);

  std::uint32_t port_read(std::uint16_t offset, unsigned size) override;  // eight ports at CF8h
  void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  // Accesses to CONFIG_ADDRESS that are not dwords, to CONFIG_DATA while disabled, across a dword.
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  [[nodiscard]] PciFunction* selected() const;

  PortDevice* reset_control_;
  std::map<std::uint8_t, PciFunction*> functions_;  // by device * 8 + function
  std::uint32_t address_ = 0;
  std::uint64_t odd_ = 0;
};

// 8086:1237, the host bridge of an Intel 440FX, at 00.0. Its memory control registers are kept but do nothing.
class HostBridge final : public PciFunction {
 public:
  HostBridge();
};

// 8086:7000, the PIIX3 ISA bridge, at 01.0. The interrupt routers start out as pci_irq() says.
class IsaBridge final : public PciFunction {
 public:
  IsaBridge();
};

// 8086:7113, the PIIX4 power management function, at 01.3. It shows where the registers are; acpi_pm.h has them.
class PowerManagementFunction final : public PciFunction {
 public:
  explicit PowerManagementFunction(std::uint16_t pm_base);
};

}  // namespace ringshift::devices
