#include "devices/pic.h"

#include <bit>

namespace ringshift::devices {

namespace {

using Chip = Pic::Chip;

constexpr unsigned kCascade = 2;
constexpr int kNone = -1;
// The timer, the keyboard, the cascade, the RTC and the FPU are always edge-triggered.
constexpr std::uint8_t kElcrWritable[2] = {0xF8, 0xDE};

constexpr std::uint8_t bit(unsigned n) { return static_cast<std::uint8_t>(1U << n); }

// The input of highest priority in a set; kNone for the empty set.
int highest(std::uint8_t set, std::uint8_t lowest) {
  if (set == 0) return kNone;
  const unsigned first = (lowest + 1U) & 7;
  const auto rotated = std::rotr(set, static_cast<int>(first));
  return static_cast<int>((static_cast<unsigned>(std::countr_zero(rotated)) + first) & 7);
}

unsigned rank(unsigned input, std::uint8_t lowest) { return (input - lowest - 1U) & 7; }

std::uint8_t level_inputs(const Chip& chip) { return chip.all_level ? std::uint8_t{0xFF} : chip.elcr; }

// The input for which the chip drives its INT pin, or kNone.
int requested(const Chip& chip, bool is_master) {
  if (!chip.ready || chip.expect != 0) return kNone;
  const int request = highest(static_cast<std::uint8_t>(chip.irr & ~chip.imr), chip.lowest);
  if (request == kNone) return kNone;
  std::uint8_t inhibiting = chip.isr;
  if (chip.special_mask) inhibiting = static_cast<std::uint8_t>(inhibiting & ~chip.imr);
  // The slave has resolved its own priorities: its input in service must not lock out its better requests.
  if (chip.special_fully_nested && is_master) inhibiting = static_cast<std::uint8_t>(inhibiting & ~bit(kCascade));
  const int serving = highest(inhibiting, chip.lowest);
  if (serving == kNone) return request;
  return rank(static_cast<unsigned>(request), chip.lowest) < rank(static_cast<unsigned>(serving), chip.lowest) ? request
                                                                                                               : kNone;
}

void take(Chip& chip, unsigned input) {
  if (chip.auto_eoi) {
    if (chip.rotate_on_auto_eoi) chip.lowest = static_cast<std::uint8_t>(input);
  } else {
    chip.isr |= bit(input);
  }
  if ((level_inputs(chip) & bit(input)) == 0) chip.irr = static_cast<std::uint8_t>(chip.irr & ~bit(input));
}

}  // namespace

Pic::Pic(OnChange on_change) : on_change_(std::move(on_change)) {
  for (unsigned i = 0; i < lines_.size(); ++i) {
    lines_[i].pic = this;
    lines_[i].irq = i;
  }
}

void Pic::reset() {
  for (Chip& chip : chips_) {
    const std::uint8_t lines = chip.lines;
    chip = {};
    chip.lines = lines;
  }
  update();
}

void Pic::set_line(unsigned irq, bool asserted) {
  if (irq == kCascade) {
    ++odd_;
    return;
  }
  Chip& chip = chips_[irq / 8];
  const std::uint8_t mask = bit(irq & 7);
  const bool before = (chip.lines & mask) != 0;
  if (before == asserted) return;
  chip.lines = static_cast<std::uint8_t>(asserted ? chip.lines | mask : chip.lines & ~mask);
  if (asserted) {
    chip.irr |= mask;
  } else if ((level_inputs(chip) & mask) != 0) {
    chip.irr = static_cast<std::uint8_t>(chip.irr & ~mask);
  }
  update();
}

void Pic::update() {
  Chip& m = chips_[0];
  // The master's input 2 follows the slave's INT pin, which the slave drops by itself when a request goes away.
  const bool slave_int = requested(chips_[1], false) != kNone;
  m.irr = static_cast<std::uint8_t>(slave_int ? m.irr | bit(kCascade) : m.irr & ~bit(kCascade));
  const bool intr = requested(m, true) != kNone;
  if (intr == intr_) return;
  intr_ = intr;
  if (on_change_) on_change_(intr);
}

std::uint8_t Pic::acknowledge() {
  Chip& m = chips_[0];
  Chip& s = chips_[1];
  const int input = requested(m, true);
  if (input == kNone) {
    ++spurious_;
    return static_cast<std::uint8_t>(m.base + 7);
  }
  take(m, static_cast<unsigned>(input));
  std::uint8_t vector = static_cast<std::uint8_t>(m.base + input);
  if (input == kCascade) {
    const int slave_input = requested(s, false);
    if (slave_input == kNone) {
      ++spurious_;
      vector = static_cast<std::uint8_t>(s.base + 7);
    } else {
      take(s, static_cast<unsigned>(slave_input));
      vector = static_cast<std::uint8_t>(s.base + slave_input);
    }
  }
  update();
  return vector;
}

std::uint8_t Pic::read(unsigned index, std::uint16_t offset) {
  Chip& chip = chips_[index];
  if (chip.poll) {
    // The read stands for the INTA cycles of this chip alone; software polls the slave by itself.
    chip.poll = false;
    const int input = requested(chip, index == 0);
    if (input == kNone) return 0;
    take(chip, static_cast<unsigned>(input));
    update();
    return static_cast<std::uint8_t>(0x80 | input);
  }
  if (offset == 1) return chip.imr;
  return chip.read_isr ? chip.isr : chip.irr;
}

void Pic::write(unsigned index, std::uint16_t offset, std::uint8_t value) {
  if (offset == 1) {
    write_data(index, value);
  } else if ((value & 0x10) != 0) {
    write_icw1(index, value);
  } else if ((value & 0x08) != 0) {
    write_ocw3(chips_[index], value);
  } else {
    write_ocw2(chips_[index], value);
  }
  update();
}

void Pic::write_icw1(unsigned index, std::uint8_t value) {
  const Chip old = chips_[index];
  Chip& chip = chips_[index];
  chip = {};
  chip.lines = old.lines;
  chip.elcr = old.elcr;
  chip.base = old.base;
  chip.imr = 0;
  chip.ready = true;
  chip.expect = 2;
  chip.all_level = (value & 0x08) != 0;
  chip.single = (value & 0x02) != 0;
  chip.wants_icw4 = (value & 0x01) != 0;
  // The edge sense circuit is reset: only inputs in level mode still request.
  chip.irr = chip.lines & level_inputs(chip);
  if (chip.single || !chip.wants_icw4) ++odd_;  // a PC has two chips, in 8086 mode
}

void Pic::write_data(unsigned index, std::uint8_t value) {
  Chip& chip = chips_[index];
  switch (chip.expect) {
    case 2:
      chip.base = value & 0xF8;
      chip.expect = !chip.single ? 3 : chip.wants_icw4 ? 4 : 0;
      return;
    case 3:
      if (value != (index == 0 ? bit(kCascade) : kCascade)) ++odd_;  // the wiring is fixed
      chip.expect = chip.wants_icw4 ? 4 : 0;
      return;
    case 4:
      if ((value & 0x01) == 0) ++odd_;  // MCS-80/85 mode has no meaning here
      chip.auto_eoi = (value & 0x02) != 0;
      chip.special_fully_nested = (value & 0x10) != 0;
      chip.expect = 0;
      return;
    default:
      chip.imr = value;
      return;
  }
}

void Pic::write_ocw2(Chip& chip, std::uint8_t value) {
  const unsigned level = value & 7;
  switch (value >> 5) {
    case 0:
    case 4:
      chip.rotate_on_auto_eoi = (value & 0x80) != 0;
      return;
    case 1:
    case 5: {
      // A masked input in service is passed over in special mask mode.
      const auto candidates = static_cast<std::uint8_t>(chip.special_mask ? chip.isr & ~chip.imr : chip.isr);
      const int input = highest(candidates, chip.lowest);
      if (input == kNone) return;
      chip.isr = static_cast<std::uint8_t>(chip.isr & ~bit(static_cast<unsigned>(input)));
      if ((value & 0x80) != 0) chip.lowest = static_cast<std::uint8_t>(input);
      return;
    }
    case 3:
    case 7:
      chip.isr = static_cast<std::uint8_t>(chip.isr & ~bit(level));
      if ((value & 0x80) != 0) chip.lowest = static_cast<std::uint8_t>(level);
      return;
    case 6:
      chip.lowest = static_cast<std::uint8_t>(level);
      return;
    default:  // 2: no operation
      return;
  }
}

void Pic::write_ocw3(Chip& chip, std::uint8_t value) {
  if ((value & 0x40) != 0) chip.special_mask = (value & 0x20) != 0;
  chip.poll = (value & 0x04) != 0;
  if ((value & 0x02) != 0) chip.read_isr = (value & 0x01) != 0;
}

void Pic::write_elcr(std::uint16_t offset, std::uint8_t value) {
  Chip& chip = chips_[offset & 1];
  if ((value & ~kElcrWritable[offset & 1]) != 0) ++odd_;
  const auto before = chip.elcr;
  chip.elcr = value & kElcrWritable[offset & 1];
  // An input that becomes level-triggered requests what its line says from now on.
  const auto now_level = static_cast<std::uint8_t>(chip.elcr & ~before);
  chip.irr = static_cast<std::uint8_t>((chip.irr & ~now_level) | (chip.lines & now_level));
  update();
}

}  // namespace ringshift::devices
