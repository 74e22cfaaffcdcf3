// The VGA's PCI function, 1234:1111: frame buffer in BAR 0, registers in BAR 2, and its BIOS as an expansion ROM.
// Source: QEMU, docs/specs/standard-vga.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "devices/pci.h"
#include "devices/vga_state.h"

namespace ringshift::devices {

class VgaPci final : public PciFunction {
 public:
  static constexpr std::uint32_t kRegisterBytes = 4096;

  // Physical addresses; 0: not decoded.
  struct Places {
    std::uint32_t memory = 0, registers = 0, rom = 0;
    friend bool operator==(const Places&, const Places&) = default;
  };
  using OnMove = std::function<void(const Places& before, const Places& after)>;

  // `rom_bytes` is a power of two from 4 KiB, or 0 for no ROM.
  VgaPci(std::uint32_t rom_bytes, OnMove on_move)
      : PciFunction({0x1234, 0x1111, 0x02, 0x030000, false}), on_move_(std::move(on_move)) {
    add_bar(0, BarKind::prefetchable, VgaState::kMemoryBytes);
    add_bar(2, BarKind::memory, kRegisterBytes);
    if (rom_bytes != 0) add_rom_bar(rom_bytes);
  }

 protected:
  void decoding_changed() override {
    const Places now = memory_enabled() ? Places{bar(0), bar(2), rom_address()} : Places{};
    if (now == places_) return;
    on_move_(std::exchange(places_, now), now);
  }

 private:
  OnMove on_move_;
  Places places_;
};

}  // namespace ringshift::devices
