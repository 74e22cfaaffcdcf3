// The debug console of Bochs and QEMU: each byte written to E9h goes to the host.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "devices/byte_device.h"

namespace ringshift::devices {

class DebugPort final : public ByteDevice {
 public:
  static constexpr std::uint16_t kPort = 0xE9;
  using Sink = std::function<void(std::uint8_t)>;

  explicit DebugPort(Sink sink) : sink_(std::move(sink)) {}

  // Reading gives the port's number: how a guest finds out that somebody listens.
  std::uint8_t read8(std::uint16_t) override { return 0xE9; }
  void write8(std::uint16_t, std::uint8_t value) override {
    if (sink_) sink_(value);
  }

 private:
  Sink sink_;
};

}  // namespace ringshift::devices
