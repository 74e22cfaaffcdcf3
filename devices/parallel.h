// A PC's parallel port: three registers, as on the PS/2 (bidirectional data, no EPP, no ECP), with a printer that is
// always ready. Source: IBM PS/2 Hardware Interface Technical Reference, parallel port controller.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "devices/byte_device.h"
#include "devices/irq_line.h"

namespace ringshift::devices {

class ParallelPort final : public ByteDevice {
 public:
  static constexpr std::uint16_t kPort = 0x378, kPorts = 3;
  static constexpr unsigned kIrq = 7;

  // `print` gets what is strobed out.
  ParallelPort(IrqLine& irq, std::function<void(std::uint8_t)> print) : irq_(irq), print_(std::move(print)) {}

  std::uint8_t read8(std::uint16_t offset) override {
    switch (offset) {
      case 0:
        return (control_ & kInput) != 0 ? kNothingDriven : data_;
      case 1:  // software that polls sees the acknowledge once, however late it looks
        return std::exchange(acknowledging_, false) ? kReady & ~kNotAcknowledge : kReady;
      default:
        return control_ | kUnused;
    }
  }

  void write8(std::uint16_t offset, std::uint8_t value) override {
    if (offset == 0) data_ = value;
    if (offset != 2) return;  // the status is the printer's
    const bool strobe_ends = (control_ & ~value & kStrobe) != 0;
    control_ = value & kWritable;
    // The printer takes the byte with the end of the strobe and acknowledges at once; the interrupt is that pulse.
    if (!strobe_ends || (control_ & (kNotInit | kSelect)) != (kNotInit | kSelect)) return;
    print_(data_);
    acknowledging_ = true;
    if ((control_ & kInterrupt) == 0) return;
    irq_.set(true);
    irq_.set(false);
  }

 private:
  // Control. Strobe, auto feed and select are inverted on the wire: 1 is asserted.
  static constexpr std::uint8_t kStrobe = 0x01, kNotInit = 0x04, kSelect = 0x08, kInterrupt = 0x10, kInput = 0x20;
  static constexpr std::uint8_t kWritable = 0x3F, kUnused = 0xC0;
  // Status: not busy, no acknowledge, paper, selected, no error; the three low bits have no wire.
  static constexpr std::uint8_t kReady = 0xDF, kNotAcknowledge = 0x40;
  static constexpr std::uint8_t kNothingDriven = 0xFF;

  IrqLine& irq_;
  std::function<void(std::uint8_t)> print_;
  std::uint8_t data_ = 0, control_ = kNotInit | kSelect;  // the BIOS leaves the selection to whoever made it
  bool acknowledging_ = false;
};

}  // namespace ringshift::devices
