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

// The A20 mask has two inputs on a PC, the keyboard controller's output port and port 92h; address line 20 is
// enabled while either of them enables it.
class A20Gate {
 public:
  using OnChange = std::function<void(bool enabled)>;
  explicit A20Gate(OnChange on_change = {}) : on_change_(std::move(on_change)) {}

  void set_keyboard(bool enabled) { update(enabled, port92_); }
  void set_port92(bool enabled) { update(keyboard_, enabled); }
  [[nodiscard]] bool keyboard() const { return keyboard_; }
  [[nodiscard]] bool port92() const { return port92_; }
  [[nodiscard]] bool enabled() const { return keyboard_ || port92_; }

 private:
  void update(bool keyboard, bool port92) {
    const bool before = enabled();
    keyboard_ = keyboard;
    port92_ = port92;
    if (enabled() != before && on_change_) on_change_(enabled());
  }

  OnChange on_change_;
  bool keyboard_ = true;  // the output port's pins are pulled up at reset
  bool port92_ = false;
};

}  // namespace ringshift::devices
