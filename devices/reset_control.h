// The PIIX3's reset control register (CF9h). Source: 82371SB data sheet, RC.
#pragma once

#include <utility>

#include "devices/byte_device.h"
#include "devices/signals.h"

namespace ringshift::devices {

// Bit 1 selects a hard reset, a rising bit 2 performs it. Both kinds reset this machine as a whole. Handed to PciHost,
// whose ports surround it.
class ResetControl final : public ByteDevice {
 public:
  explicit ResetControl(PowerCallback on_power) : on_power_(std::move(on_power)) {}

  std::uint8_t read8(std::uint16_t) override { return value_; }
  void write8(std::uint16_t, std::uint8_t value) override {
    const bool rising = (value & ~value_ & 0x04) != 0;
    value_ = value & 0x06;
    if (!rising) return;
    value_ = 0;
    if (on_power_) on_power_(PowerRequest::reset);
  }

 private:
  PowerCallback on_power_;
  std::uint8_t value_ = 0;
};

}  // namespace ringshift::devices
