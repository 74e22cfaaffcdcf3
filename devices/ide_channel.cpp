#include "devices/ide_channel.h"

#include <cassert>

namespace ringshift::devices {

namespace {
constexpr std::uint8_t kNoInterrupts = 0x02, kReset = 0x04, kHob = 0x80;  // device control
constexpr std::uint8_t kDiagnose = 0x90;
}  // namespace

IdeChannel::IdeChannel(mmu::PhysicalMap& memory, IrqLine& irq) : irq_(irq), bus_master_(memory) {
  bus_master_.on_start([this] {
    if (IdeDrive* drive = selected()) drive->pump();
  });
}

void IdeChannel::attach(unsigned position, IdeDrive& drive) {
  assert(position < drives_.size());
  drives_[position] = &drive;
  drive.connect(bus_master_, [this] { update_irq(); });
}

void IdeChannel::update_irq() {
  const IdeDrive* drive = selected();
  irq_.set(drive != nullptr && drive->interrupt() && (control_value_ & kNoInterrupts) == 0);
}

std::uint8_t IdeChannel::read8(unsigned reg) {
  IdeDrive* drive = selected();
  if (drive == nullptr) return 0;
  if (reg == ide::kStatus) return drive->read_status();
  return drive->read(reg, (control_value_ & kHob) != 0);
}

void IdeChannel::write8(unsigned reg, std::uint8_t value) {
  if (reg == ide::kCommand) {
    if (value == kDiagnose) {
      for (IdeDrive* drive : drives_) {
        if (drive != nullptr) drive->write_command(value);
      }
    } else if (IdeDrive* drive = selected()) {
      drive->write_command(value);
    }
    return;
  }
  control_value_ &= static_cast<std::uint8_t>(~kHob);  // any write to the command block clears it
  for (IdeDrive* drive : drives_) {
    if (drive != nullptr && (drive->status() & ide::kBusy) == 0) drive->write(reg, value);
  }
  if (reg == ide::kDevice) {
    device_ = value;
    update_irq();
  }
}

std::uint8_t IdeChannel::read_control(std::uint16_t) {
  const IdeDrive* drive = selected();
  return drive == nullptr ? std::uint8_t{0} : drive->status();
}

void IdeChannel::write_control(std::uint16_t, std::uint8_t value) {
  const bool resets = (value & ~control_value_ & kReset) != 0;
  control_value_ = value;
  if (resets) {
    device_ = 0;
    for (IdeDrive* drive : drives_) {
      if (drive != nullptr) drive->reset();
    }
  }
  update_irq();
}

std::uint32_t IdeChannel::Command::port_read(std::uint16_t offset, unsigned size) {
  if (offset == ide::kData) {
    IdeDrive* drive = owner_.selected();
    if (drive == nullptr) return 0;
    std::uint32_t value = drive->read_data();
    if (size == 4) value |= static_cast<std::uint32_t>(drive->read_data()) << 16;
    return value;
  }
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) value |= static_cast<std::uint32_t>(owner_.read8(offset + i)) << (8 * i);
  return value;
}

void IdeChannel::Command::port_write(std::uint16_t offset, unsigned size, std::uint32_t value) {
  if (offset == ide::kData) {
    IdeDrive* drive = owner_.selected();
    if (drive == nullptr) return;
    drive->write_data(static_cast<std::uint16_t>(value));
    if (size == 4) drive->write_data(static_cast<std::uint16_t>(value >> 16));
    return;
  }
  for (unsigned i = 0; i < size; ++i) owner_.write8(offset + i, static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace ringshift::devices
