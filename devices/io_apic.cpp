#include "devices/io_apic.h"

#include <utility>

namespace ringshift::devices {

namespace {

// Registers of memory, and those behind them.
constexpr std::uint64_t kSelect = 0x00, kWindow = 0x10;
constexpr std::uint8_t kId = 0, kVersion = 1, kArbitration = 2, kTable = 0x10;

constexpr std::uint32_t kVersionValue = (IoApic::kPins - 1) << 16 | 0x11;
constexpr std::uint64_t kMasked = 1U << 16, kLevel = 1U << 15, kRemoteIrr = 1U << 14, kStatus = 1U << 12,
                        kLogical = 1U << 11;
constexpr std::uint64_t kWritable = 0xFF00'0000'0001'AFFF;

}  // namespace

IoApic::IoApic(std::function<bool(const ApicMessage&)> send) : send_(std::move(send)) {
  entries_.fill(kMasked);
  for (unsigned i = 0; i < kPins; ++i) {
    pins_[i].owner = this;
    pins_[i].number = i;
  }
}

void IoApic::set_pin(unsigned number, bool asserted) {
  const bool rises = asserted && !lines_[number];
  lines_[number] = asserted;
  if ((entries_[number] & kLevel) != 0) {
    service_level(number);
  } else if (rises && (entries_[number] & kMasked) == 0) {
    send(number);  // an edge that comes while it is masked is lost
  }
}

// A level that has not been accepted yet is sent.
void IoApic::service_level(unsigned number) {
  const std::uint64_t entry = entries_[number];
  if (lines_[number] && (entry & (kMasked | kRemoteIrr)) == 0) send(number);
}

void IoApic::send(unsigned number) {
  std::uint64_t& entry = entries_[number];
  ApicMessage message;
  message.destination = static_cast<std::uint8_t>(entry >> 56);
  message.logical = (entry & kLogical) != 0;
  message.delivery = delivery_of(static_cast<std::uint32_t>(entry));
  message.vector = static_cast<std::uint8_t>(entry);
  message.level = has_vector(message.delivery) && (entry & kLevel) != 0;
  // Before it is sent: the answer may be on its way at once.
  if (message.level) entry |= kRemoteIrr;
  if (!send_(message) && message.level) entry &= ~kRemoteIrr;
}

void IoApic::end_of_interrupt(std::uint8_t vector) {
  for (unsigned i = 0; i < kPins; ++i) {
    std::uint64_t& entry = entries_[i];
    if ((entry & kRemoteIrr) == 0 || static_cast<std::uint8_t>(entry) != vector) continue;
    entry &= ~kRemoteIrr;
    service_level(i);
  }
}

std::uint32_t IoApic::read() const {
  switch (select_) {
    case kId:
    case kArbitration:
      return id_;
    case kVersion:
      return kVersionValue;
    default:
      break;
  }
  const unsigned index = select_ - kTable;
  if (select_ < kTable || index >= 2 * kPins) return 0;
  return static_cast<std::uint32_t>(entries_[index / 2] >> (32 * (index & 1)));
}

void IoApic::write(std::uint32_t value) {
  if (select_ == kId) {
    id_ = value & 0x0F000000;
    return;
  }
  const unsigned index = select_ - kTable;
  if (select_ < kTable || index >= 2 * kPins) {
    ++odd_;
    return;
  }
  std::uint64_t& entry = entries_[index / 2];
  const unsigned shift = 32 * (index & 1);
  const std::uint64_t writable = kWritable & (std::uint64_t{0xFFFFFFFF} << shift);
  entry = (entry & ~writable) | (std::uint64_t{value} << shift & writable);
  // How drivers end an interrupt that they cannot acknowledge: edge for a moment.
  if ((entry & kLevel) == 0) {
    entry &= ~kRemoteIrr;
  } else {
    service_level(index / 2);
  }
}

std::uint32_t IoApic::mmio_read(std::uint64_t offset, unsigned /*size*/) {
  const unsigned shift = 8 * (offset & 3);
  switch (offset & ~std::uint64_t{3}) {
    case kSelect:
      return std::uint32_t{select_} >> shift;
    case kWindow:
      return read() >> shift;
    default:
      ++odd_;
      return 0;
  }
}

void IoApic::mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) {
  if (offset == kSelect) {
    select_ = static_cast<std::uint8_t>(value);
  } else if (offset == kWindow && size == 4) {
    write(value);
  } else {
    ++odd_;
  }
}

static_assert((kStatus & kWritable) == 0);

}  // namespace ringshift::devices
