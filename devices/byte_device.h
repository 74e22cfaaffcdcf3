// Port ranges of devices with 8-bit registers: a wider access becomes byte cycles, as on the ISA bus.
#pragma once

#include <cstdint>

#include "devices/port_bus.h"

namespace ringshift::devices {

class ByteDevice : public PortDevice {
 public:
  std::uint32_t port_read(std::uint16_t offset, unsigned size) final {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      value |= static_cast<std::uint32_t>(read8(static_cast<std::uint16_t>(offset + i))) << (8 * i);
    }
    return value;
  }
  void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) final {
    for (unsigned i = 0; i < size; ++i) {
      write8(static_cast<std::uint16_t>(offset + i), static_cast<std::uint8_t>(value >> (8 * i)));
    }
  }

  virtual std::uint8_t read8(std::uint16_t offset) = 0;
  virtual void write8(std::uint16_t offset, std::uint8_t value) = 0;
};

// One of several byte-wide ranges of a device that is not contiguous in port space.
template <class Owner>
class BytePorts final : public ByteDevice {
 public:
  using Read = std::uint8_t (Owner::*)(std::uint16_t);
  using Write = void (Owner::*)(std::uint16_t, std::uint8_t);
  BytePorts(Owner& owner, Read read, Write write) : owner_(owner), read_(read), write_(write) {}

  std::uint8_t read8(std::uint16_t offset) override { return (owner_.*read_)(offset); }
  void write8(std::uint16_t offset, std::uint8_t value) override { (owner_.*write_)(offset, value); }

 private:
  Owner& owner_;
  Read read_;
  Write write_;
};

}  // namespace ringshift::devices
