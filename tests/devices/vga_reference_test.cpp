// The path between the CPU and the planes, against its description, one bit after the other.
// Source: IBM VGA Technical Reference, "Graphics Controller", read and write modes.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/devices/vga_lab.h"

namespace ringshift::devices {
namespace {

struct Registers {
  unsigned set_reset = 0, enable = 0, compare = 0, rotate = 0, function = 0, read_map = 0, write_mode = 0,
           read_mode = 0, care = 0, bit_mask = 0, map_mask = 0;
};

using Planes = std::array<unsigned, 4>;
bool bit(unsigned value, unsigned index) { return (value >> index & 1) != 0; }

// What a write of `data` leaves in one plane.
unsigned written(const Registers& r, unsigned data, unsigned plane, unsigned latch, unsigned before) {
  if (!bit(r.map_mask, plane)) return before;
  unsigned out = 0;
  for (unsigned i = 0; i < 8; ++i) {
    const bool rotated = bit(data, (i + r.rotate) % 8), old = bit(latch, i);
    bool value = false, selected = bit(r.bit_mask, i);
    switch (r.write_mode) {
      case 0:
        value = bit(r.enable, plane) ? bit(r.set_reset, plane) : rotated;
        break;
      case 1:
        out |= static_cast<unsigned>(old) << i;
        continue;
      case 2:
        value = bit(data, plane);
        break;
      default:
        value = bit(r.set_reset, plane);
        selected = selected && rotated;
        break;
    }
    if (r.function == 1) value = value && old;
    if (r.function == 2) value = value || old;
    if (r.function == 3) value = value != old;
    out |= static_cast<unsigned>(selected ? value : old) << i;
  }
  return out;
}

unsigned read_back(const Registers& r, const Planes& planes) {
  if (r.read_mode == 0) return planes[r.read_map];
  unsigned out = 0;
  for (unsigned i = 0; i < 8; ++i) {
    bool same = true;
    for (unsigned plane = 0; plane < 4; ++plane) {
      if (bit(r.care, plane) && bit(planes[plane], i) != bit(r.compare, plane)) same = false;
    }
    out |= static_cast<unsigned>(same) << i;
  }
  return out;
}

void load(VgaLab& lab, const Registers& r) {
  lab.gc(0, r.set_reset);
  lab.gc(1, r.enable);
  lab.gc(2, r.compare);
  lab.gc(3, r.rotate | r.function << 3);
  lab.gc(4, r.read_map);
  lab.gc(5, r.write_mode | r.read_mode << 3);
  lab.gc(7, r.care);
  lab.gc(8, r.bit_mask);
  lab.seq(2, r.map_mask);
}

TEST(VgaReference, EveryModeDoesWhatItsDescriptionSays) {
  VgaLab lab;
  lab.planar();
  std::mt19937 random(20);  // NOLINT(cert-msc51-cpp): the same every time
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  for (unsigned round = 0; round < 20000; ++round) {
    const Registers r{below(16), below(16), below(16), below(8),   below(4), below(4),
                      below(4),  below(2),  below(16), below(256), below(16)};
    const std::size_t from = below(100), to = below(100);
    for (std::size_t i = 0; i < 4; ++i) {
      lab.memory[from * 4 + i] = static_cast<std::uint8_t>(random());
      lab.memory[to * 4 + i] = static_cast<std::uint8_t>(random());
    }
    const auto planes = [&](std::size_t offset) {
      const auto now = lab.planes(offset);
      return Planes{now[0], now[1], now[2], now[3]};
    };
    load(lab, r);
    const Planes latches = planes(from), before = planes(to);
    ASSERT_EQ(lab.peek(0xA0000 + from), read_back(r, latches)) << "read mode " << r.read_mode;
    const unsigned data = below(256);
    lab.poke(0xA0000 + to, data);
    const Planes after = planes(to);
    for (unsigned plane = 0; plane < 4; ++plane) {
      ASSERT_EQ(after[plane], written(r, data, plane, latches[plane], before[plane]))
          << "write mode " << r.write_mode << ", function " << r.function << ", plane " << plane;
    }
  }
}

}  // namespace
}  // namespace ringshift::devices
