// 8086:7010, the IDE function of a PIIX3: two channels at their legacy ports, bus masters in BAR 4.
// Source: 82371SB data sheet, IDE controller.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "devices/byte_device.h"
#include "devices/ide_channel.h"
#include "devices/pci.h"

namespace ringshift::devices {

class Piix3Ide final : public PciFunction {
 public:
  static constexpr std::uint16_t kBusMasterPorts = 16;
  // The base of the bus masters' ports, or none while they are not decoded.
  using OnMove = std::function<void(std::optional<std::uint16_t> base)>;

  Piix3Ide(IdeChannel& primary, IdeChannel& secondary, OnMove on_move)
      : PciFunction({0x8086, 0x7010, 0x00, 0x010180, false}),
        channels_{&primary, &secondary},
        on_move_(std::move(on_move)) {
    set_config(0x06, 2, 0x0280);
    add_bar(4, BarKind::io, kBusMasterPorts);
    set_config(0x40, 4, 0, 0xB3FFB3FF);  // IDETIM: the channels answer in any case
    set_config(0x44, 1, 0, 0xFF);
  }

  PortDevice& bus_master_ports() { return ports_; }

 protected:
  void decoding_changed() override {
    std::optional<std::uint16_t> now;
    if (io_enabled() && bar(4) != 0 && bar(4) <= 0x10000 - kBusMasterPorts) now = static_cast<std::uint16_t>(bar(4));
    if (now == base_) return;
    base_ = now;
    on_move_(now);
  }

 private:
  std::uint8_t read_port(std::uint16_t offset) { return channels_[offset >> 3 & 1]->bus_master().read(offset & 7U); }
  void write_port(std::uint16_t offset, std::uint8_t value) {
    channels_[offset >> 3 & 1]->bus_master().write(offset & 7U, value);
  }

  std::array<IdeChannel*, 2> channels_;
  OnMove on_move_;
  std::optional<std::uint16_t> base_;
  BytePorts<Piix3Ide> ports_{*this, &Piix3Ide::read_port, &Piix3Ide::write_port};
};

}  // namespace ringshift::devices
