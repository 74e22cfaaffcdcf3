#include "devices/i440fx.h"

namespace ringshift::devices {

namespace {

constexpr std::uint8_t kPam0 = 0x59, kSmram = 0x72;
constexpr std::uint8_t kOpen = 0x40, kClosed = 0x20, kLocked = 0x10, kEnabled = 0x08;
// C_BASE_SEG is fixed at A0000h.
constexpr std::uint8_t kBaseSegment = 0x02;

}  // namespace

I440Fx::I440Fx(Memory& memory) : PciFunction({0x8086, 0x1237, 0x02, 0x060000, false, 0x1AF4, 0x1100}), memory_(memory) {
  set_config(0x04, 2, 0x0006, 0x0100);
  set_config(0x06, 2, 0x0280);
  set_config(kPam0, 1, 0x00, 0x30);
  for (std::uint8_t reg = kPam0 + 1; reg <= kPam0 + 6; ++reg) set_config(reg, 1, 0x00, 0x33);
  set_config(kSmram, 1, kBaseSegment, kOpen | kClosed | kLocked | kEnabled);
}

I440Fx::Shadow I440Fx::shadow(unsigned area) const {
  // Area 0 is the upper half of PAM0; the others follow from PAM1 on, the lower half first.
  const unsigned half = area + 1;
  const unsigned bits = config_byte(static_cast<std::uint8_t>(kPam0 + half / 2)) >> (4 * (half & 1));
  return {(bits & 1) != 0, (bits & 2) != 0};
}

bool I440Fx::smram_open() const {
  const std::uint8_t smram = config_byte(kSmram);
  return (smram & kEnabled) != 0 && (smram & kOpen) != 0 && (smram & kLocked) == 0;
}

void I440Fx::config_write(std::uint8_t reg, unsigned size, std::uint32_t value) {
  std::array<Shadow, kAreas> before;
  for (unsigned area = 0; area < kAreas; ++area) before[area] = shadow(area);
  const bool was_open = smram_open();
  const std::uint8_t smram = config_byte(kSmram);

  PciFunction::config_write(reg, size, value);
  // Once locked, only a reset opens it; and D_OPEN is cleared.
  if ((smram & kLocked) != 0) {
    set_config(kSmram, 1, smram, 0);
  } else if ((config_byte(kSmram) & kLocked) != 0) {
    set_config(kSmram, 1, static_cast<std::uint32_t>(config_byte(kSmram) & ~kOpen), 0);
  }

  for (unsigned area = 0; area < kAreas; ++area) {
    if (shadow(area) != before[area]) memory_.shadow_changed(area, shadow(area));
  }
  if (smram_open() != was_open) memory_.smram_changed(!was_open);
}

}  // namespace ringshift::devices
