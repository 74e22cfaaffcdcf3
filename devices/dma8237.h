// The PC's two 8237A DMA controllers with their page registers.
// Sources: Intel 8237A data sheet (231466); IBM PC AT Technical Reference for the page registers.
#pragma once

#include <array>
#include <cstdint>

#include "devices/byte_device.h"

namespace ringshift::devices {

// The register model, and for a device that transfers: where the next unit goes (channel()), and advance(). Channels
// 0-3 count bytes, 5-7 words; 4 is the cascade.
class Dma8237 {
 public:
  Dma8237() = default;
  Dma8237(const Dma8237&) = delete;
  Dma8237& operator=(const Dma8237&) = delete;

  PortDevice& low_ports() { return low_; }    // sixteen ports at 00h
  PortDevice& high_ports() { return high_; }  // 32 ports at C0h, every other one
  PortDevice& page_ports() { return page_; }  // fifteen ports at 81h (80h is PostPort's)

  enum class Direction : std::uint8_t {
    verify = 0,
    to_memory = 1,
    from_memory = 2,
    illegal = 3
  };
  struct Channel {
    std::uint32_t address = 0;    // physical, bytes
    std::uint32_t remaining = 0;  // units until terminal count: 1-65,536
    unsigned unit = 1;            // bytes
    Direction direction = Direction::verify;
    bool decrement = false;
    bool ready = false;  // unmasked and the controller enabled
  };
  [[nodiscard]] Channel channel(unsigned number) const;
  // A device has transferred that many units, at most `remaining`. True at terminal count, where the channel masks or
  // initializes itself again.
  bool advance(unsigned number, std::uint32_t units);
  void reset();

  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  struct Registers {
    std::uint16_t base_address = 0, base_count = 0, address = 0, count = 0;
    std::uint8_t mode = 0;
  };
  struct Controller {
    std::array<Registers, 4> channels;
    std::uint8_t mask = 0x0F, requests = 0, terminal = 0, command = 0;
    bool high_byte = false;  // the flip-flop
  };

  std::uint8_t read(Controller& c, unsigned reg);
  void write(Controller& c, unsigned reg, std::uint8_t value);
  static void master_clear(Controller& c);

  std::uint8_t read_low(std::uint16_t offset) { return read(controllers_[0], offset & 15U); }
  void write_low(std::uint16_t offset, std::uint8_t value) { write(controllers_[0], offset & 15U, value); }
  std::uint8_t read_high(std::uint16_t offset) { return read(controllers_[1], (offset >> 1) & 15U); }
  void write_high(std::uint16_t offset, std::uint8_t value) { write(controllers_[1], (offset >> 1) & 15U, value); }
  std::uint8_t read_page(std::uint16_t offset) { return pages_[(offset + 1U) & 15]; }
  void write_page(std::uint16_t offset, std::uint8_t value) { pages_[(offset + 1U) & 15] = value; }

  std::array<Controller, 2> controllers_;
  std::array<std::uint8_t, 16> pages_{};  // by port - 80h; those of no channel are plain latches
  std::uint64_t odd_ = 0;
  BytePorts<Dma8237> low_{*this, &Dma8237::read_low, &Dma8237::write_low};
  BytePorts<Dma8237> high_{*this, &Dma8237::read_high, &Dma8237::write_high};
  BytePorts<Dma8237> page_{*this, &Dma8237::read_page, &Dma8237::write_page};
};

}  // namespace ringshift::devices
