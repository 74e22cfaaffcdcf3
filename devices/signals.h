// What devices ask of the machine as a whole, delivered through injected functions.
#pragma once

#include <cstdint>
#include <functional>

namespace ringshift::devices {

enum class PowerRequest : std::uint8_t {
  none,
  off,
  reset,     // of everything
  reset_cpu  // of the CPU alone, as programs for the 286 leave protected mode
};

using PowerCallback = std::function<void(PowerRequest)>;

// Address line 20 of the CPU. A PC has two switches for it, the keyboard controller's output port and port 92h. The
// last one that software has touched counts, and both read back what it said: programs such as DOS's HIMEM use one and
// leave the other as the firmware left it, which on a board that combines them (PIIX3: OR) depends on the firmware.
class A20Gate {
 public:
  using OnChange = std::function<void(bool enabled)>;
  explicit A20Gate(OnChange on_change = {}) : on_change_(std::move(on_change)) {}

  void set(bool enabled) {
    if (enabled == enabled_) return;
    enabled_ = enabled;
    if (on_change_) on_change_(enabled);
  }
  [[nodiscard]] bool enabled() const { return enabled_; }

 private:
  OnChange on_change_;
  bool enabled_ = true;  // the output port's pins are pulled up at reset
};

}  // namespace ringshift::devices
