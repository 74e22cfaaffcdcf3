// Devices on a port bus of their own, with what must hold for each of them whatever a guest does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "devices/port_bus.h"
#include "tests/devices/fakes.h"

namespace ringshift::fuzz {

class Rig {
 public:
  virtual ~Rig() = default;

  // Something from outside the guest: a key, a byte on the wire, a line, an acknowledge.
  virtual void event(std::uint8_t kind, std::uint8_t value) = 0;
  // Aborts if the devices are in a state that they must never be in.
  virtual void check() = 0;

  devices::PortBus bus;
  devices::FakeTime time;
  std::vector<std::uint16_t> ports;  // where the devices are

 protected:
  void claim(std::uint16_t first, std::uint16_t count, devices::PortDevice& device);
};

inline constexpr unsigned kRigs = 17;
// 0 PIC, 1 PIT and port 61h, 2 RTC, 3 UART, 4 keyboard controller, 5 PCI, 6 DMA, 7 ACPI, 8 all of them together; from 9
// on those of pc_rigs.h, from 14 on those of apic_rigs.h.
std::unique_ptr<Rig> make_rig(unsigned number);

// Aborts, as a fuzzer wants it.
void require(bool condition);

}  // namespace ringshift::fuzz
