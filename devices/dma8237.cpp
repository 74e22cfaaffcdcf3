#include "devices/dma8237.h"

#include <algorithm>

namespace ringshift::devices {

namespace {

// Page register of each channel, as port - 80h.
constexpr std::uint8_t kPage[8] = {0x7, 0x3, 0x1, 0x2, 0xF, 0xB, 0x9, 0xA};

constexpr std::uint8_t kAutoInitialize = 0x10, kDecrement = 0x20;
constexpr std::uint8_t kDisable = 0x04;

std::uint16_t put(std::uint16_t word, bool high, std::uint8_t value) {
  return static_cast<std::uint16_t>(high ? (word & 0x00FF) | value << 8 : (word & 0xFF00) | value);
}

}  // namespace

void Dma8237::master_clear(Controller& c) {
  c.command = c.requests = c.terminal = 0;
  c.high_byte = false;
  c.mask = 0x0F;
}

void Dma8237::reset() {
  for (Controller& c : controllers_) master_clear(c);
}

Dma8237::Channel Dma8237::channel(unsigned number) const {
  const Controller& c = controllers_[(number >> 2) & 1];
  const Registers& r = c.channels[number & 3];
  const std::uint32_t page = pages_[kPage[number & 7]];
  Channel view;
  // A 16-bit channel's address counts words, and its page register's bit 0 is not used.
  view.unit = number >= 4 ? 2 : 1;
  view.address =
      number >= 4 ? (page & 0xFE) << 16 | static_cast<std::uint32_t>(r.address) << 1 : page << 16 | r.address;
  view.remaining = r.count + 1U;
  view.direction = static_cast<Direction>((r.mode >> 2) & 3);
  view.decrement = (r.mode & kDecrement) != 0;
  view.ready = (c.mask >> (number & 3) & 1) == 0 && (c.command & kDisable) == 0;
  return view;
}

bool Dma8237::advance(unsigned number, std::uint32_t units) {
  Controller& c = controllers_[(number >> 2) & 1];
  Registers& r = c.channels[number & 3];
  const std::uint32_t done = std::min(units, r.count + 1U);
  r.address = static_cast<std::uint16_t>((r.mode & kDecrement) != 0 ? r.address - done : r.address + done);
  const bool terminal = done == r.count + 1U;
  r.count = static_cast<std::uint16_t>(r.count - done);
  if (!terminal) return false;
  const auto bit = static_cast<std::uint8_t>(1U << (number & 3));
  c.terminal |= bit;
  if ((r.mode & kAutoInitialize) != 0) {
    r.address = r.base_address;
    r.count = r.base_count;
  } else {
    c.mask |= bit;
  }
  return true;
}

std::uint8_t Dma8237::read(Controller& c, unsigned reg) {
  if (reg < 8) {
    const Registers& r = c.channels[reg >> 1];
    const std::uint16_t word = (reg & 1) != 0 ? r.count : r.address;
    const bool high = c.high_byte;
    c.high_byte = !high;
    return static_cast<std::uint8_t>(high ? word >> 8 : word);
  }
  switch (reg) {
    case 0x8: {  // status; reading clears the terminal counts
      const auto status = static_cast<std::uint8_t>(c.requests << 4 | c.terminal);
      c.terminal = 0;
      return status;
    }
    case 0xD:  // temporary register: memory to memory transfers, which a PC cannot do
      return 0;
    case 0xF:  // all mask bits, on later chips
      return c.mask | 0xF0;
    default:
      ++odd_;
      return 0xFF;
  }
}

void Dma8237::write(Controller& c, unsigned reg, std::uint8_t value) {
  if (reg < 8) {
    Registers& r = c.channels[reg >> 1];
    std::uint16_t& base = (reg & 1) != 0 ? r.base_count : r.base_address;
    std::uint16_t& current = (reg & 1) != 0 ? r.count : r.address;
    base = put(base, c.high_byte, value);
    current = put(current, c.high_byte, value);
    c.high_byte = !c.high_byte;
    return;
  }
  const auto bit = static_cast<std::uint8_t>(1U << (value & 3));
  switch (reg) {
    case 0x8:
      c.command = value;
      if ((value & 0x03) != 0) ++odd_;  // memory to memory
      return;
    case 0x9:  // software request
      c.requests = static_cast<std::uint8_t>((value & 4) != 0 ? c.requests | bit : c.requests & ~bit);
      return;
    case 0xA:  // one mask bit
      c.mask = static_cast<std::uint8_t>((value & 4) != 0 ? c.mask | bit : c.mask & ~bit);
      return;
    case 0xB:
      c.channels[value & 3].mode = value & 0xFC;
      return;
    case 0xC:
      c.high_byte = false;
      return;
    case 0xD:
      master_clear(c);
      return;
    case 0xE:
      c.mask = 0;
      return;
    default:  // F: all mask bits
      c.mask = value & 0x0F;
      return;
  }
}

}  // namespace ringshift::devices
