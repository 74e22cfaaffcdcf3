#include "devices/vga_memory.h"

#include <cstring>

namespace ringshift::devices {

namespace {

constexpr std::uint8_t kChain4 = 0x08;       // sequencer, memory mode
constexpr std::uint8_t kOddEven = 0x10;      // graphics controller, mode
constexpr std::uint8_t kReadCompare = 0x08;  // graphics controller, mode
constexpr std::uint8_t kRamEnable = 0x02;    // miscellaneous output

// A byte in every plane.
constexpr std::uint32_t in_all(std::uint8_t value) { return value * 0x01010101U; }
// All bits of the planes whose bit is set.
constexpr std::uint32_t of_planes(unsigned bits) {
  std::uint32_t mask = 0;
  for (unsigned plane = 0; plane < 4; ++plane) mask |= (bits >> plane & 1) != 0 ? 0xFFU << (8 * plane) : 0;
  return mask;
}

std::uint8_t rotate_right(std::uint8_t value, unsigned count) {
  return static_cast<std::uint8_t>((value | value << 8) >> (count & 7));
}

}  // namespace

std::uint32_t VgaMemory::decode(std::uint64_t offset) const {
  struct Part {
    std::uint32_t base, size;
  };
  constexpr Part kParts[] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
  if ((s_.misc_output & kRamEnable) == 0) return kOutside;
  const Part part = kParts[s_.graphics[vga::kMisc] >> 2 & 3];
  if (offset < part.base || offset - part.base >= part.size) return kOutside;
  return static_cast<std::uint32_t>(offset - part.base);
}

// A DISPI mode's window shows 64 KiB of its pixels.
bool VgaMemory::linear() const { return s_.dispi.enabled() && s_.dispi.bits > 4; }

std::optional<std::uint32_t> VgaMemory::direct() const {
  if (decode(0) != 0 || decode(kDirectBytes) != kOutside) return std::nullopt;
  const bool chained = (s_.sequencer[vga::kMemoryMode] & kChain4) != 0 && (s_.sequencer[vga::kMapMask] & 0xF) == 0xF;
  if (!linear() && !chained) return std::nullopt;
  return s_.dispi.bank * kDirectBytes % VgaState::kMemoryBytes;
}

std::uint32_t& VgaMemory::planes(std::uint32_t at) const {
  const std::uint32_t index = (at + s_.dispi.bank * 0x4000U) % (VgaState::kMemoryBytes / 4);
  return reinterpret_cast<std::uint32_t*>(s_.memory.data())[index];
}

std::uint32_t VgaMemory::mmio_read(std::uint64_t offset, unsigned size) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    const std::uint32_t at = decode(offset + i);
    value |= static_cast<std::uint32_t>(at == kOutside ? 0xFF : read8(at)) << (8 * i);
  }
  return value;
}

void VgaMemory::mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) {
  for (unsigned i = 0; i < size; ++i) {
    const std::uint32_t at = decode(offset + i);
    if (at != kOutside) write8(at, static_cast<std::uint8_t>(value >> (8 * i)));
  }
  changed_();
}

std::uint8_t VgaMemory::read8(std::uint32_t at) {
  const auto& gc = s_.graphics;
  if (linear()) return s_.memory[(s_.dispi.bank * 0x10000U + at) % VgaState::kMemoryBytes];
  if ((s_.sequencer[vga::kMemoryMode] & kChain4) != 0) {
    latches_ = planes(at >> 2);
    return static_cast<std::uint8_t>(latches_ >> (8 * (at & 3)));
  }
  if ((gc[vga::kMode] & kOddEven) != 0) {
    latches_ = planes(at >> 1);
    const unsigned plane = (gc[vga::kReadMap] & 2U) | (at & 1U);
    return static_cast<std::uint8_t>(latches_ >> (8 * plane));
  }
  latches_ = planes(at);
  if ((gc[vga::kMode] & kReadCompare) == 0) return static_cast<std::uint8_t>(latches_ >> (8 * (gc[vga::kReadMap] & 3)));
  // A bit for each pixel whose colour is the compared one in all planes that count.
  std::uint32_t differs = (latches_ ^ of_planes(gc[vga::kColorCompare])) & of_planes(gc[vga::kColorCare]);
  differs |= differs >> 16;
  differs |= differs >> 8;
  return static_cast<std::uint8_t>(~differs);
}

void VgaMemory::write8(std::uint32_t at, std::uint8_t value) {
  const auto& gc = s_.graphics;
  const unsigned mask = s_.sequencer[vga::kMapMask];
  if (linear()) {
    s_.memory[(s_.dispi.bank * 0x10000U + at) % VgaState::kMemoryBytes] = value;
    return;
  }
  const bool chain4 = (s_.sequencer[vga::kMemoryMode] & kChain4) != 0;
  if (chain4 || (gc[vga::kMode] & kOddEven) != 0) {
    const unsigned plane = chain4 ? at & 3 : (gc[vga::kReadMap] & 2U) | (at & 1);
    if ((mask >> plane & 1) == 0) return;
    std::uint32_t& target = planes(at >> (chain4 ? 2 : 1));
    target = (target & ~(0xFFU << (8 * plane))) | static_cast<std::uint32_t>(value) << (8 * plane);
    return;
  }
  write_planes(at, value);
}

void VgaMemory::write_planes(std::uint32_t at, std::uint8_t value) {
  const auto& gc = s_.graphics;
  const unsigned mode = gc[vga::kMode] & 3;
  const std::uint8_t rotated = rotate_right(value, gc[vga::kRotate]);
  std::uint32_t data = latches_;
  if (mode != 1) {
    std::uint32_t mask = in_all(gc[vga::kBitMask]);
    if (mode == 0) {
      const std::uint32_t fixed = of_planes(gc[vga::kEnableSetReset]);
      data = (in_all(rotated) & ~fixed) | (of_planes(gc[vga::kSetReset]) & fixed);
    } else if (mode == 2) {
      data = of_planes(value);
    } else {
      data = of_planes(gc[vga::kSetReset]);
      mask &= in_all(rotated);
    }
    switch (gc[vga::kRotate] >> 3 & 3) {
      case 1:
        data &= latches_;
        break;
      case 2:
        data |= latches_;
        break;
      case 3:
        data ^= latches_;
        break;
      default:
        break;
    }
    data = (data & mask) | (latches_ & ~mask);
  }
  const std::uint32_t written = of_planes(s_.sequencer[vga::kMapMask]);
  std::uint32_t& target = planes(at);
  target = (target & ~written) | (data & written);
}

}  // namespace ringshift::devices
