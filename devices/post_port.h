// Port 80h: power-on self-test codes, and the port that software writes to wait for an I/O cycle.
#pragma once

#include <cstdint>

#include "devices/byte_device.h"

namespace ringshift::devices {

class PostPort final : public ByteDevice {
 public:
  std::uint8_t read8(std::uint16_t) override { return last_; }
  void write8(std::uint16_t, std::uint8_t value) override { last_ = value; }
  // The last code shown.
  [[nodiscard]] std::uint8_t last() const { return last_; }

 private:
  std::uint8_t last_ = 0;
};

}  // namespace ringshift::devices
