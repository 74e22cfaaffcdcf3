// A VGA with its memory, used through its ports and its window as a guest does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "devices/vga.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {

struct VgaLab {
  VgaLab() { out(0x3C2, 0x67); }  // colour, RAM enabled
  void out(unsigned port, unsigned value) { out8(vga.ports(), static_cast<std::uint16_t>(port - 0x3B0), value); }
  unsigned in(unsigned port) { return in8(vga.ports(), static_cast<std::uint16_t>(port - 0x3B0)); }
  void seq(unsigned index, unsigned value) { set(0x3C4, index, value); }
  void gc(unsigned index, unsigned value) { set(0x3CE, index, value); }
  void crtc(unsigned index, unsigned value) { set(0x3D4, index, value); }
  void set(unsigned port, unsigned index, unsigned value) {
    out(port, index);
    out(port + 1, value);
  }
  // The screen stays on.
  void attribute(unsigned index, unsigned value) {
    in(0x3DA);
    out(0x3C0, index | 0x20);
    out(0x3C0, value);
  }
  void dispi(unsigned index, unsigned value) {
    vga.dispi_ports().port_write(0, 2, index);
    vga.dispi_ports().port_write(1, 2, value);
  }
  unsigned dispi(unsigned index) {
    vga.dispi_ports().port_write(0, 2, index);
    return vga.dispi_ports().port_read(1, 2);
  }
  void poke(std::uint64_t at, unsigned value, unsigned size = 1) { vga.window().mmio_write(at - 0xA0000, size, value); }
  unsigned peek(std::uint64_t at, unsigned size = 1) { return vga.window().mmio_read(at - 0xA0000, size); }
  std::vector<unsigned> planes(std::size_t offset) {
    return {memory[offset * 4], memory[offset * 4 + 1], memory[offset * 4 + 2], memory[offset * 4 + 3]};
  }
  using Planes = std::vector<unsigned>;

  // A planar mode at A0000h with all planes open.
  void planar() {
    gc(6, 0x05);
    seq(4, 0x06);
    seq(2, 0x0F);
    gc(8, 0xFF);
  }
  // 80x25 in cells of 16 lines at B8000h.
  void text() {
    gc(6, 0x0E);
    gc(5, 0x10);
    seq(2, 0x03);
    seq(4, 0x02);
    crtc(0x01, 79);
    crtc(0x07, 0x02);
    crtc(0x12, 0x8F);
    crtc(0x09, 0x0F);
    crtc(0x13, 40);
    crtc(0x0A, 0x0D);
    crtc(0x0B, 0x0E);
  }
  void print(unsigned cell, const std::string& what) {
    for (const char c : what) poke(0xB8000 + 2 * cell++, 0x0700U | static_cast<unsigned char>(c), 2);
  }

  FakeTime time;
  std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(VgaState::kMemoryBytes);
  unsigned changes = 0;
  Vga vga{time.clock(), memory, [this] { ++changes; }};
};

}  // namespace ringshift::devices
