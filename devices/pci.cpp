#include "devices/pci.h"

#include <cassert>

namespace ringshift::devices {

namespace {

enum Register : std::uint8_t {
  kVendor = 0x00,
  kDevice = 0x02,
  kCommand = 0x04,
  kStatus = 0x06,
  kRevision = 0x08,
  kClass = 0x09,
  kCacheLine = 0x0C,
  kLatency = 0x0D,
  kHeaderType = 0x0E,
  kBar0 = 0x10,
  kSubsystem = 0x2C,
  kRomBar = 0x30,
  kInterruptLine = 0x3C,
  kInterruptPin = 0x3D,
};

constexpr std::uint32_t kEnable = 0x80000000;
constexpr std::uint32_t ones(unsigned size) { return size == 4 ? ~0U : (1U << (8 * size)) - 1; }

}  // namespace

PciFunction::PciFunction(const Identity& identity) {
  set_config(kVendor, 2, identity.vendor);
  set_config(kDevice, 2, identity.device);
  set_config(kCommand, 2, 0, 0x0547);  // decoders, bus master, parity, SERR, interrupt disable
  set_config(kRevision, 1, identity.revision);
  set_config(kClass, 1, identity.class_code & 0xFF);
  set_config(kClass + 1, 2, identity.class_code >> 8);
  set_config(kCacheLine, 1, 0, 0xFF);
  set_config(kLatency, 1, 0, 0xF8);
  set_config(kHeaderType, 1, identity.multifunction ? 0x80 : 0x00);
  set_config(kSubsystem, 2, identity.subsystem_vendor);
  set_config(kSubsystem + 2, 2, identity.subsystem);
  set_config(kInterruptLine, 1, 0, 0xFF);
}

std::uint32_t PciFunction::config_dword(std::uint8_t reg) const {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value |= static_cast<std::uint32_t>(space_[(reg & 0xFC) + i]) << (8 * i);
  return value;
}

std::uint32_t PciFunction::bar(unsigned index) const {
  const std::uint32_t value = config_dword(static_cast<std::uint8_t>(kBar0 + 4 * index));
  return value & ((value & 1) != 0 ? ~3U : ~15U);
}

void PciFunction::set_config(std::uint8_t reg, unsigned size, std::uint32_t value, std::uint32_t writable) {
  assert(reg + size <= space_.size());
  for (unsigned i = 0; i < size; ++i) {
    space_[reg + i] = static_cast<std::uint8_t>(value >> (8 * i));
    writable_[reg + i] = static_cast<std::uint8_t>(writable >> (8 * i));
  }
}

void PciFunction::add_bar(unsigned index, BarKind kind, std::uint32_t size) {
  assert(index < 6 && (size & (size - 1)) == 0 && size >= (kind == BarKind::io ? 4U : 16U));
  const std::uint32_t type = kind == BarKind::io ? 1U : kind == BarKind::prefetchable ? 8U : 0U;
  // The bits below the size read as zero however they are written: that is how software finds the size.
  set_config(static_cast<std::uint8_t>(kBar0 + 4 * index), 4, type, ~(size - 1));
}

void PciFunction::add_rom_bar(std::uint32_t size) {
  assert((size & (size - 1)) == 0 && size >= 2048);
  set_config(kRomBar, 4, 0, ~(size - 1) | 1U);
}

std::uint32_t PciFunction::rom_address() const {
  const std::uint32_t value = config_dword(kRomBar);
  return (value & 1) != 0 ? value & ~0x7FFU : 0;
}

void PciFunction::set_interrupt(std::uint8_t pin, std::uint8_t irq) {
  set_config(kInterruptPin, 1, pin);
  set_config(kInterruptLine, 1, irq, 0xFF);
}

std::uint32_t PciFunction::config_read(std::uint8_t reg, unsigned size) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) value |= static_cast<std::uint32_t>(space_[reg + i]) << (8 * i);
  return value;
}

void PciFunction::config_write(std::uint8_t reg, unsigned size, std::uint32_t value) {
  bool decoding = false;
  for (unsigned i = 0; i < size; ++i) {
    const std::size_t at = reg + i;
    const auto byte = static_cast<std::uint8_t>(value >> (8 * i));
    const auto after = static_cast<std::uint8_t>((space_[at] & ~writable_[at]) | (byte & writable_[at]));
    if (after != space_[at]) {
      decoding |= at == kCommand || (at >= kBar0 && at < kBar0 + 24) || (at >= kRomBar && at < kRomBar + 4);
    }
    space_[at] = after;
  }
  if (decoding) decoding_changed();
}

void PciHost::add(unsigned device, unsigned function, PciFunction& target) {
  assert(device < 32 && function < 8);
  functions_[static_cast<std::uint8_t>(device * 8 + function)] = &target;
}

PciFunction* PciHost::selected() const {
  if (((address_ >> 16) & 0xFF) != 0) return nullptr;  // other buses do not exist
  const auto found = functions_.find(static_cast<std::uint8_t>(address_ >> 8));
  return found == functions_.end() ? nullptr : found->second;
}

std::uint32_t PciHost::port_read(std::uint16_t offset, unsigned size) {
  if (offset < 4) {
    if (size == 4 && offset == 0) return address_;
    if (size == 1 && offset == 1 && reset_control_ != nullptr) return reset_control_->port_read(0, 1);
    ++odd_;
    return ones(size);
  }
  if (offset + size > 8 || (address_ & kEnable) == 0) {
    ++odd_;
    return ones(size);
  }
  PciFunction* function = selected();
  if (function == nullptr) return ones(size);  // master abort
  return function->config_read(static_cast<std::uint8_t>((address_ & 0xFC) + (offset & 3U)), size) & ones(size);
}

void PciHost::port_write(std::uint16_t offset, unsigned size, std::uint32_t value) {
  if (offset < 4) {
    if (size == 4 && offset == 0) {
      address_ = value & (kEnable | 0x00FFFFFC);
    } else if (size == 1 && offset == 1 && reset_control_ != nullptr) {
      reset_control_->port_write(0, 1, value);
    } else {
      ++odd_;
    }
    return;
  }
  if (offset + size > 8 || (address_ & kEnable) == 0) {
    ++odd_;
    return;
  }
  PciFunction* function = selected();
  if (function == nullptr) return;
  function->config_write(static_cast<std::uint8_t>((address_ & 0xFC) + (offset & 3U)), size, value);
}

HostBridge::HostBridge() : PciFunction({0x8086, 0x1237, 0x02, 0x060000, false}) {
  set_config(kCommand, 2, 0x0006, 0x0100);
  set_config(kStatus, 2, 0x0280);
  // PAM and SMRAM registers: what firmware leaves when C0000-FFFFF is RAM.
  set_config(0x59, 1, 0x30, 0xFF);
  for (std::uint8_t reg = 0x5A; reg <= 0x5F; ++reg) set_config(reg, 1, 0x33, 0xFF);
  set_config(0x72, 1, 0x02, 0x7F);
}

IsaBridge::IsaBridge() : PciFunction({0x8086, 0x7000, 0x00, 0x060100, true}) {
  set_config(kCommand, 2, 0x0007, 0x0108);
  set_config(kStatus, 2, 0x0200);
  set_config(0x4C, 1, 0x4D, 0xFF);      // I/O recovery
  set_config(0x4E, 2, 0x0003, 0x07FF);  // X-bus chip selects: RTC and keyboard controller
  for (unsigned i = 0; i < 4; ++i) {    // PIRQRCA-D, as rotated for slot 1
    set_config(static_cast<std::uint8_t>(0x60 + i), 1, pci_irq(1, i), 0x8F);
  }
  set_config(0x69, 1, 0x02, 0xFE);  // top of memory
  set_config(0x82, 1, 0x00, 0x0F);  // delayed transactions, passive release
}

PowerManagementFunction::PowerManagementFunction(std::uint16_t pm_base)
    : PciFunction({0x8086, 0x7113, 0x03, 0x068000, false}) {
  set_config(kCommand, 2, 0x0000, 0x0001);
  set_config(kStatus, 2, 0x0280);
  set_interrupt(1, 9);                // SCI
  set_config(0x40, 4, pm_base | 1U);  // PMBA: fixed here
  set_config(0x80, 1, 0x01);          // PMREGMISC: the PM registers are decoded
}

}  // namespace ringshift::devices
