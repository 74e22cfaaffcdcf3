// The I/O port space: 65,536 ports, each claimed by at most one device.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ringshift::devices {

// A device's registers in port space. `offset` counts from the start of the claimed range.
class PortDevice {
 public:
  virtual ~PortDevice() = default;
  // size is 1, 2 or 4.
  virtual std::uint32_t port_read(std::uint16_t offset, unsigned size) = 0;
  virtual void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) = 0;
};

// Accesses that cross from one device's range into another's or out of it are split into bytes. Ports
// nobody claimed read as ones; they are counted by port for --stats.
class PortBus {
 public:
  PortBus();
  // A later claim of the same port wins.
  void claim(std::uint16_t first, std::uint32_t count, PortDevice& device);
  // The same for ports that software chose (a BAR): those that somebody has stay theirs.
  void claim_unused(std::uint16_t first, std::uint32_t count, PortDevice& device);
  // The device's ports answer no longer: its decoder was disabled or moves.
  void release(const PortDevice& device);

  std::uint32_t read(std::uint16_t port, unsigned size);
  void write(std::uint16_t port, unsigned size, std::uint32_t value);

  struct Unclaimed {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
  };
  [[nodiscard]] const std::map<std::uint16_t, Unclaimed>& unclaimed() const { return unclaimed_; }

 private:
  struct Claim {
    PortDevice* device = nullptr;
    std::uint16_t first = 0;
    std::uint32_t count = 0;
  };
  [[nodiscard]] std::uint16_t number_claim(std::uint16_t first, std::uint32_t count, PortDevice& device);
  std::vector<Claim> claims_;
  std::vector<std::uint16_t> index_;  // port -> claim number; 0: nobody
  std::map<std::uint16_t, Unclaimed> unclaimed_;
};

}  // namespace ringshift::devices
