// One interrupt request line, injected into a device.
#pragma once

#include <functional>

namespace ringshift::devices {

// Level as the device drives it; whoever receives decides between edge and level triggering.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void set(bool asserted) = 0;
};

}  // namespace ringshift::devices
