// A port through which a test guest ends the run with an exit code.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "devices/port_bus.h"

namespace ringshift::devices {

// Writing `value`, of any size, asks to end with (value << 1) | 1, so that 0 always means something else.
class IsaDebugExit final : public PortDevice {
 public:
  static constexpr std::uint16_t kPort = 0x501;
  static constexpr std::uint32_t kPorts = 4;
  using OnExit = std::function<void(std::uint32_t code)>;

  explicit IsaDebugExit(OnExit on_exit) : on_exit_(std::move(on_exit)) {}

  std::uint32_t port_read(std::uint16_t, unsigned) override { return 0; }
  void port_write(std::uint16_t, unsigned, std::uint32_t value) override {
    if (on_exit_) on_exit_((value << 1) | 1);
  }

 private:
  OnExit on_exit_;
};

}  // namespace ringshift::devices
