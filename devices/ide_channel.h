// One IDE channel: the command and control blocks that two drives share.
// Source: ATA/ATAPI-6 (T13/1410D), chapter 7.
#pragma once

#include <array>
#include <cstdint>

#include "devices/byte_device.h"
#include "devices/ide_drive.h"
#include "devices/irq_line.h"

namespace ringshift::devices {

class IdeChannel {
 public:
  IdeChannel(mmu::PhysicalMap& memory, IrqLine& irq);
  IdeChannel(const IdeChannel&) = delete;
  IdeChannel& operator=(const IdeChannel&) = delete;

  // Position 0 or 1. The drive must outlive the channel.
  void attach(unsigned position, IdeDrive& drive);

  PortDevice& command_ports() { return command_; }  // eight ports
  PortDevice& control_port() { return control_; }   // one port
  [[nodiscard]] BusMaster& bus_master() { return bus_master_; }

 private:
  class Command final : public PortDevice {
   public:
    explicit Command(IdeChannel& owner) : owner_(owner) {}
    std::uint32_t port_read(std::uint16_t offset, unsigned size) override;
    void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

   private:
    IdeChannel& owner_;
  };

  [[nodiscard]] IdeDrive* selected() const { return drives_[(device_ >> 4) & 1]; }
  std::uint8_t read8(unsigned reg);
  void write8(unsigned reg, std::uint8_t value);
  std::uint8_t read_control(std::uint16_t);
  void write_control(std::uint16_t, std::uint8_t value);
  void update_irq();

  IrqLine& irq_;
  BusMaster bus_master_;
  std::array<IdeDrive*, 2> drives_{};
  std::uint8_t device_ = 0;  // the device register, which selects a drive
  std::uint8_t control_value_ = 0;
  Command command_{*this};
  BytePorts<IdeChannel> control_{*this, &IdeChannel::read_control, &IdeChannel::write_control};
};

}  // namespace ringshift::devices
