#include "devices/piix.h"

#include <utility>

namespace ringshift::devices {

namespace {

constexpr std::uint8_t kPirq = 0x60;
constexpr std::uint8_t kPmBase = 0x40, kDeviceActivityB = 0x58, kPmMisc = 0x80;
constexpr std::uint32_t kPmBaseMask = 0xFFC0;
// Writes to the APM control port raise an SMI. There is no SMM here, and firmware that finds the bit set takes SMM
// for initialized already and leaves it alone.
constexpr std::uint32_t kApmcEnable = 1U << 25;

}  // namespace

Piix3::Piix3(PirqRouter& router) : PciFunction({0x8086, 0x7000, 0x00, 0x060100, true}), router_(router) {
  set_config(0x04, 2, 0x0007, 0x0108);
  set_config(0x06, 2, 0x0200);
  set_config(0x4C, 1, 0x4D, 0xFF);
  set_config(0x4E, 2, 0x0003, 0x07FF);
  for (std::uint8_t pin = 0; pin < PirqRouter::kPins; ++pin) set_config(kPirq + pin, 1, 0x80, 0x8F);
  set_config(0x69, 1, 0x02, 0xFE);
  set_config(0x70, 2, 0x8080, 0xCFCF);
  set_config(0x76, 2, 0x0C0C, 0x8F8F);
  set_config(0x82, 1, 0x00, 0x0F);
  set_config(0xA0, 1, 0x08, 0x1F);
}

void Piix3::config_write(std::uint8_t reg, unsigned size, std::uint32_t value) {
  PciFunction::config_write(reg, size, value);
  for (std::uint8_t pin = 0; pin < PirqRouter::kPins; ++pin) {
    const unsigned at = kPirq + pin;
    if (at >= reg && at < reg + size) router_.route(pin, config_byte(static_cast<std::uint8_t>(at)));
  }
}

Piix4Power::Piix4Power(OnMove on_move)
    : PciFunction({0x8086, 0x7113, 0x03, 0x068000, false}), on_move_(std::move(on_move)) {
  set_config(0x04, 2, 0x0000, 0x0001);
  set_config(0x06, 2, 0x0280);
  set_interrupt(1, 9);
  set_config(kPmBase, 4, 1, kPmBaseMask);
  set_config(kDeviceActivityB, 4, kApmcEnable, 0xFFFFFFFF);
  set_config(kPmMisc, 1, 0, 1);
}

std::optional<std::uint16_t> Piix4Power::base() const {
  const std::uint32_t base = config_dword(kPmBase) & kPmBaseMask;
  if ((config_byte(kPmMisc) & 1) == 0 || base == 0) return std::nullopt;
  return static_cast<std::uint16_t>(base);
}

void Piix4Power::config_write(std::uint8_t reg, unsigned size, std::uint32_t value) {
  const auto before = base();
  PciFunction::config_write(reg, size, value);
  if (base() != before && on_move_) on_move_(base());
}

}  // namespace ringshift::devices
