// What a device is connected to in its tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "devices/clock.h"
#include "devices/irq_line.h"
#include "devices/port_bus.h"
#include "devices/uart.h"

namespace ringshift::devices {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t now_ns() const override { return now; }
  std::uint64_t now = 0;
};

// A clock and its queue, which a test moves together.
class FakeTime {
 public:
  EventQueue& events() { return events_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] std::uint64_t now() const { return clock_.now; }
  // Stops at each deadline on the way, as a host that is never late.
  void advance(std::uint64_t ns) {
    const std::uint64_t end = clock_.now + ns;
    while (events_.next_deadline() <= end) {
      clock_.now = std::max(clock_.now, events_.next_deadline());
      events_.run_due();
    }
    clock_.now = end;
  }
  // A host that was away: what was due runs only at the end.
  void advance_late(std::uint64_t ns) {
    clock_.now += ns;
    events_.run_due();
  }

 private:
  FakeClock clock_;
  EventQueue events_{clock_};
};

class FakeLine final : public IrqLine {
 public:
  void set(bool asserted) override {
    if (asserted && !level) ++rises;
    level = asserted;
  }
  bool level = false;
  unsigned rises = 0;
};

class FakeSerial final : public SerialBackend {
 public:
  void transmit(std::span<const std::uint8_t> bytes) override { sent.append(bytes.begin(), bytes.end()); }
  std::string sent;
};

inline std::uint8_t in8(PortDevice& device, std::uint16_t offset = 0) {
  return static_cast<std::uint8_t>(device.port_read(offset, 1));
}
inline void out8(PortDevice& device, std::uint16_t offset, unsigned value) { device.port_write(offset, 1, value); }

}  // namespace ringshift::devices
