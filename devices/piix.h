// The PIIX's functions as they are after reset, for firmware to set up.
// Sources: 82371SB (PIIX3) and 82371AB (PIIX4) data sheets.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "devices/pci.h"
#include "devices/pirq_router.h"

namespace ringshift::devices {

// 8086:7000, the PIIX3 ISA bridge: steers PCI interrupts.
class Piix3 final : public PciFunction {
 public:
  explicit Piix3(PirqRouter& router);
  void config_write(std::uint8_t reg, unsigned size, std::uint32_t value) override;

 private:
  PirqRouter& router_;
};

// 8086:7113, the PIIX4's power management: says where the ports of AcpiPm are.
class Piix4Power final : public PciFunction {
 public:
  // The base of the 64 ports, or none while they are not decoded.
  using OnMove = std::function<void(std::optional<std::uint16_t> base)>;

  explicit Piix4Power(OnMove on_move);
  void config_write(std::uint8_t reg, unsigned size, std::uint32_t value) override;
  [[nodiscard]] std::optional<std::uint16_t> base() const;

 private:
  OnMove on_move_;
};

}  // namespace ringshift::devices
