// What the parts of the VGA share: its registers and its memory.
// Sources: IBM VGA Technical Reference; Bochs VBE interface (DISPI).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ringshift::devices {

// Indexes of the registers that more than one part looks at.
namespace vga {
inline constexpr unsigned kMapMask = 2, kFontSelect = 3, kMemoryMode = 4;  // sequencer
inline constexpr unsigned kSetReset = 0, kEnableSetReset = 1, kColorCompare = 2, kRotate = 3, kReadMap = 4, kMode = 5,
                          kMisc = 6, kColorCare = 7, kBitMask = 8;  // graphics controller
inline constexpr unsigned kDisplayEnd = 0x01, kOverflow = 0x07, kPresetRow = 0x08, kMaxScan = 0x09, kCursorStart = 0x0A,
                          kCursorEnd = 0x0B, kStartHigh = 0x0C, kStartLow = 0x0D, kCursorHigh = 0x0E, kCursorLow = 0x0F,
                          kRetraceEnd = 0x11, kVerticalEnd = 0x12, kOffset = 0x13;  // CRT controller
}  // namespace vga

struct VgaState {
  // Bochs VBE: bytes of video memory, and what a mode may be.
  static constexpr std::uint32_t kMemoryBytes = 16U << 20;
  static constexpr std::uint16_t kMostWidth = 2560, kMostHeight = 1600, kMostBits = 32;

  struct Dispi {
    std::uint16_t id = 0xB0C5, width = 0, height = 0, bits = 0, enable = 0, bank = 0;
    std::uint16_t virtual_width = 0, virtual_height = 0, x = 0, y = 0;
    [[nodiscard]] bool enabled() const { return (enable & 1) != 0; }
    [[nodiscard]] bool wide_dac() const { return (enable & 0x20) != 0; }
    [[nodiscard]] unsigned bytes_per_line() const {
      return bits == 4 ? virtual_width / 2U : virtual_width * ((bits + 7U) / 8);
    }
  };

  std::span<std::uint8_t> memory;  // kMemoryBytes; plane p of offset o is byte o * 4 + p
  std::uint8_t misc_output = 0;
  std::array<std::uint8_t, 8> sequencer{};
  std::array<std::uint8_t, 16> graphics{};
  std::array<std::uint8_t, 32> crtc{};
  std::array<std::uint8_t, 32> attribute{};
  std::array<std::array<std::uint8_t, 3>, 256> palette{};  // 6 bits a component, or 8 with DISPI's 8-bit DAC
  std::uint8_t palette_mask = 0xFF;
  bool screen_on = false;  // PAS, bit 5 of the attribute controller's index
  Dispi dispi;

  [[nodiscard]] bool graphics_mode() const { return dispi.enabled() || (graphics[vga::kMisc] & 1) != 0; }
  // Scan lines that are displayed.
  [[nodiscard]] unsigned lines() const {
    const unsigned overflow = crtc[vga::kOverflow];
    return (crtc[vga::kVerticalEnd] | (overflow & 0x02U) << 7 | (overflow & 0x40U) << 3) + 1;
  }
  [[nodiscard]] unsigned start() const { return crtc[vga::kStartHigh] * 256U + crtc[vga::kStartLow]; }
};

}  // namespace ringshift::devices
