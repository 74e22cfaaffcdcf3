#include "devices/acpi_pm.h"

#include <utility>

namespace ringshift::devices {

namespace {

// PM1 status and enable.
constexpr std::uint16_t kTimer = 0x0001, kGlobal = 0x0020, kPowerButton = 0x0100, kRtc = 0x0400, kWake = 0x8000;
constexpr std::uint16_t kStatusBits = 0x8731;  // TMR, BM, GBL, PWRBTN, SLPBTN, RTC, WAK
constexpr std::uint16_t kEnableBits = kTimer | kGlobal | kPowerButton | 0x0200 | kRtc;
// PM1 control.
constexpr std::uint16_t kSciEnable = 0x0001, kGlobalRelease = 0x0004, kSleepEnable = 0x2000;
constexpr std::uint16_t kControlBits = 0x1C03;  // SLP_TYP, BM_RLD, SCI_EN: the rest reads as zero

constexpr std::uint16_t set_byte(std::uint16_t word, unsigned index, std::uint8_t byte) {
  return static_cast<std::uint16_t>(index == 0 ? (word & 0xFF00) | byte : (word & 0x00FF) | byte << 8);
}

}  // namespace

AcpiPm::AcpiPm(EventQueue& events, IrqLine& sci, PowerCallback on_power, TimerWidth width)
    : events_(events),
      sci_(sci),
      on_power_(std::move(on_power)),
      timer_(events.add([this](std::uint64_t) { update(); })),
      width_(static_cast<unsigned>(width)) {}

void AcpiPm::reset() {
  status_ = enable_ = control_ = gpe_status_ = gpe_enable_ = 0;
  pm2_control_ = 0;
  update();
}

void AcpiPm::press_power_button() {
  status_ |= kPowerButton;
  update();
}

void AcpiPm::raise_gpe(unsigned number) {
  gpe_status_ = static_cast<std::uint16_t>(gpe_status_ | 1U << (number & 15));
  update();
}

// TMR_STS is set whenever the timer's highest bit changes.
void AcpiPm::sync_timer() {
  const std::uint64_t carries = ticks() >> (width_ - 1);
  if (carries != carries_) status_ |= kTimer;
  carries_ = carries;
}

void AcpiPm::update() {
  sync_timer();
  const bool event = (status_ & enable_) != 0 || (gpe_status_ & gpe_enable_) != 0;
  sci_.set(event && acpi_mode());
  if ((enable_ & kTimer) != 0 && (status_ & kTimer) == 0) {
    events_.arm(timer_, rate_.ns_of((carries_ + 1) << (width_ - 1)));
  } else {
    events_.disarm(timer_);
  }
}

std::uint32_t AcpiPm::PmPorts::port_read(std::uint16_t offset, unsigned size) {
  if (offset >= acpi::kPmTimer && offset + size <= acpi::kPmTimer + 4U) {
    const std::uint64_t mask = (1ULL << owner_.width_) - 1;
    return static_cast<std::uint32_t>((owner_.ticks() & mask) >> (8 * (offset - acpi::kPmTimer)));
  }
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    value |= static_cast<std::uint32_t>(owner_.read_pm(static_cast<std::uint16_t>(offset + i))) << (8 * i);
  }
  return value;
}

void AcpiPm::PmPorts::port_write(std::uint16_t offset, unsigned size, std::uint32_t value) {
  for (unsigned i = 0; i < size; ++i) {
    owner_.write_pm(static_cast<std::uint16_t>(offset + i), static_cast<std::uint8_t>(value >> (8 * i)));
  }
}

std::uint8_t AcpiPm::read_pm(std::uint16_t offset) {
  const unsigned shift = 8 * (offset & 1U);
  switch (offset & ~1U) {
    case acpi::kPm1Event:
      sync_timer();
      return static_cast<std::uint8_t>(status_ >> shift);
    case acpi::kPm1Event + 2:
      return static_cast<std::uint8_t>(enable_ >> shift);
    case acpi::kPm1Control:
      return static_cast<std::uint8_t>(control_ >> shift);
    case acpi::kGpe0:
      return static_cast<std::uint8_t>(gpe_status_ >> shift);
    case acpi::kGpe0 + 2:
      return static_cast<std::uint8_t>(gpe_enable_ >> shift);
    default:
      ++odd_;
      return 0;
  }
}

void AcpiPm::write_pm(std::uint16_t offset, std::uint8_t value) {
  const unsigned index = offset & 1U;
  const auto clear = static_cast<std::uint16_t>(value << (8 * index));
  switch (offset & ~1U) {
    case acpi::kPm1Event:  // write 1 to clear
      sync_timer();
      status_ = static_cast<std::uint16_t>(status_ & ~clear & kStatusBits);
      break;
    case acpi::kPm1Event + 2:
      enable_ = set_byte(enable_, index, value) & kEnableBits;
      break;
    case acpi::kPm1Control:
      if (index == 1) {
        write_control_high(value);
      } else {
        // SCI_EN changes only through the SMI command port.
        if ((value & kGlobalRelease) != 0) ++odd_;  // no SMI handler to release the lock to
        control_ = static_cast<std::uint16_t>((control_ & ~0x00FE) | (value & kControlBits & 0x00FE));
      }
      break;
    case acpi::kGpe0:
      gpe_status_ = static_cast<std::uint16_t>(gpe_status_ & ~clear);
      break;
    case acpi::kGpe0 + 2:
      gpe_enable_ = set_byte(gpe_enable_, index, value);
      break;
    default:
      ++odd_;
      return;
  }
  update();
}

void AcpiPm::write_control_high(std::uint8_t value) {
  const auto word = static_cast<std::uint16_t>(value << 8);
  control_ = static_cast<std::uint16_t>((control_ & 0x00FF) | (word & kControlBits));
  if ((word & kSleepEnable) == 0) return;
  if (((word >> 10) & 7) == acpi::kSleepTypeS5) {
    if (on_power_) on_power_(PowerRequest::off);
    return;
  }
  // No other sleep state is offered: the machine wakes at once.
  ++odd_;
  status_ |= kWake;
}

std::uint8_t AcpiPm::read_smi(std::uint16_t offset) { return offset == 0 ? smi_command_ : smi_status_; }

void AcpiPm::write_smi(std::uint16_t offset, std::uint8_t value) {
  if (offset != 0) {
    smi_status_ = value;
    return;
  }
  smi_command_ = value;
  if (value == acpi::kEnable) {
    control_ |= kSciEnable;
  } else if (value == acpi::kDisable) {
    control_ = static_cast<std::uint16_t>(control_ & ~kSciEnable);
  } else {
    ++odd_;
  }
  update();
}

}  // namespace ringshift::devices
