// System control port A (92h): A20 and fast reset. Source: IBM PS/2 Hardware Interface Technical Reference.
#pragma once

#include <utility>

#include "devices/byte_device.h"
#include "devices/signals.h"

namespace ringshift::devices {

class Port92 final : public ByteDevice {
 public:
  Port92(A20Gate& a20, PowerCallback on_power) : a20_(a20), on_power_(std::move(on_power)) {}

  std::uint8_t read8(std::uint16_t) override { return static_cast<std::uint8_t>(kept_ | (a20_.enabled() ? 0x02 : 0)); }
  void write8(std::uint16_t, std::uint8_t value) override {
    const bool reset = (value & 0x01) != 0 && (kept_ & 0x01) == 0;  // the edge resets, not the level
    kept_ = value & 0xFD;
    a20_.set((value & 0x02) != 0);
    if (reset) {
      kept_ &= 0xFE;  // the reset clears it
      if (on_power_) on_power_(PowerRequest::reset_cpu);
    }
  }

 private:
  A20Gate& a20_;
  PowerCallback on_power_;
  std::uint8_t kept_ = 0;
};

}  // namespace ringshift::devices
