#include "devices/vga.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ringshift::devices {

namespace {

// Offsets from 3B0h.
enum Port : std::uint16_t {
  kMonoIndex = 0x04,
  kMonoData = 0x05,
  kMonoStatus = 0x0A,
  kAttribute = 0x10,
  kAttributeRead = 0x11,
  kMiscWrite = 0x12,  // read: input status 0
  kEnable = 0x13,
  kSequencerIndex = 0x14,
  kSequencerData = 0x15,
  kPaletteMask = 0x16,
  kPaletteRead = 0x17,  // read: DAC state
  kPaletteWrite = 0x18,
  kPaletteData = 0x19,
  kFeatureRead = 0x1A,
  kMiscRead = 0x1C,
  kGraphicsIndex = 0x1E,
  kGraphicsData = 0x1F,
  kColorIndex = 0x24,
  kColorData = 0x25,
  kColorStatus = 0x2A,
};

constexpr std::uint8_t kColorPorts = 0x01;                     // miscellaneous output: 3Dxh
constexpr std::uint8_t kProtect = 0x80, kLineCompare8 = 0x10;  // CRTC 11h, 7
constexpr std::uint8_t kDisplayOff = 0x01, kVerticalRetrace = 0x08;
constexpr std::uint64_t kFrameNs = 1'000'000'000 / 70, kLineNs = kFrameNs / 449;
constexpr unsigned kDisplayedLines = 400;

constexpr std::array<std::uint8_t, 8> kSequencerBits = {0x03, 0x3D, 0x0F, 0x3F, 0x0E, 0x00, 0x00, 0xFF};
constexpr std::array<std::uint8_t, 16> kGraphicsBits = {0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF};

enum DispiIndex : unsigned {
  kId,
  kWidth,
  kHeight,
  kBits,
  kEnableMode,
  kBank,
  kVirtualWidth,
  kVirtualHeight,
  kX,
  kY,
  kMemory64K
};
constexpr std::uint16_t kGetCaps = 0x02, k8BitDac = 0x20, kNoClear = 0x80;

}  // namespace

Vga::Vga(const Clock& clock, std::span<std::uint8_t> memory, std::function<void()> changed)
    : clock_(clock), changed_(std::move(changed)), window_(s_, changed_) {
  assert(memory.size() == VgaState::kMemoryBytes);
  s_.memory = memory;
}

// ---- VGA registers ----------------------------------------------------------------------------

// Retrace follows the clock: software waits for its edges.
std::uint8_t Vga::status1() {
  attribute_data_ = false;
  const std::uint64_t in_frame = clock_.now_ns() % kFrameNs;
  const std::uint64_t line = in_frame / kLineNs;
  if (line >= kDisplayedLines) {
    const bool retrace = line >= kDisplayedLines + 12 && line < kDisplayedLines + 14 + 20;
    return retrace ? kDisplayOff | kVerticalRetrace : kDisplayOff;
  }
  return in_frame % kLineNs >= kLineNs * 4 / 5 ? kDisplayOff : 0;
}

std::uint8_t Vga::read_crtc(bool data) { return data ? s_.crtc[crtc_index_ & 31U] : crtc_index_; }

void Vga::write_crtc(bool data, std::uint8_t value) {
  if (!data) {
    crtc_index_ = value & 0x1F;
    return;
  }
  std::uint8_t& reg = s_.crtc[crtc_index_];
  if ((s_.crtc[vga::kRetraceEnd] & kProtect) != 0 && crtc_index_ <= vga::kOverflow) {
    if (crtc_index_ == vga::kOverflow) {
      reg = static_cast<std::uint8_t>((reg & ~kLineCompare8) | (value & kLineCompare8));
    }
    return;
  }
  reg = value;
}

void Vga::write_attribute(std::uint8_t value) {
  if (!std::exchange(attribute_data_, !attribute_data_)) {
    attribute_index_ = value & 0x1F;
    s_.screen_on = (value & 0x20) != 0;
    return;
  }
  if (attribute_index_ > 0x14) {
    ++odd_;
    return;
  }
  s_.attribute[attribute_index_] = attribute_index_ < 16 ? value & 0x3F : value;
}

std::uint8_t Vga::read_palette() {
  const std::uint8_t value = s_.palette[read_color_][component_];
  if (++component_ == 3) {
    component_ = 0;
    ++read_color_;
  }
  return value;
}

void Vga::write_palette(std::uint8_t value) {
  s_.palette[write_color_][component_] = (s_.dispi.enable & k8BitDac) != 0 ? value : value & 0x3F;
  if (++component_ == 3) {
    component_ = 0;
    ++write_color_;
  }
}

std::uint8_t Vga::read(std::uint16_t offset) {
  const bool color = (s_.misc_output & kColorPorts) != 0;
  switch (offset) {
    case kMonoIndex:
    case kMonoData:
      return color ? 0xFF : read_crtc(offset == kMonoData);
    case kColorIndex:
    case kColorData:
      return color ? read_crtc(offset == kColorData) : 0xFF;
    case kMonoStatus:
      return color ? 0xFF : status1();
    case kColorStatus:
      return color ? status1() : 0xFF;
    case kAttribute:
      return attribute_data_ ? 0 : static_cast<std::uint8_t>(attribute_index_ | (s_.screen_on ? 0x20 : 0));
    case kAttributeRead:
      return s_.attribute[attribute_index_];
    case kMiscWrite:
      return 0x10;  // switch sense: a colour monitor
    case kEnable:
      return 0x01;
    case kSequencerIndex:
      return sequencer_index_;
    case kSequencerData:
      return s_.sequencer[sequencer_index_];
    case kPaletteMask:
      return s_.palette_mask;
    case kPaletteRead:
      return reading_palette_ ? 0x03 : 0x00;
    case kPaletteWrite:
      return write_color_;
    case kPaletteData:
      return read_palette();
    case kFeatureRead:
      return feature_;
    case kMiscRead:
      return s_.misc_output;
    case kGraphicsIndex:
      return graphics_index_;
    case kGraphicsData:
      return s_.graphics[graphics_index_];
    default:
      ++odd_;
      return 0xFF;
  }
}

void Vga::write(std::uint16_t offset, std::uint8_t value) {
  const bool color = (s_.misc_output & kColorPorts) != 0;
  switch (offset) {
    case kMonoIndex:
    case kMonoData:
      if (!color) write_crtc(offset == kMonoData, value);
      break;
    case kColorIndex:
    case kColorData:
      if (color) write_crtc(offset == kColorData, value);
      break;
    case kMonoStatus:
    case kColorStatus:
      if (color == (offset == kColorStatus)) feature_ = value & 0x10;
      break;
    case kAttribute:
      write_attribute(value);
      break;
    case kMiscWrite:
      s_.misc_output = value & 0xEF;
      break;
    case kEnable:
      break;
    case kSequencerIndex:
      sequencer_index_ = value & 7;
      break;
    case kSequencerData:
      s_.sequencer[sequencer_index_] = value & kSequencerBits[sequencer_index_];
      break;
    case kPaletteMask:
      s_.palette_mask = value;
      break;
    case kPaletteRead:
    case kPaletteWrite:
      reading_palette_ = offset == kPaletteRead;
      (reading_palette_ ? read_color_ : write_color_) = value;
      component_ = 0;
      break;
    case kPaletteData:
      write_palette(value);
      break;
    case kGraphicsIndex:
      graphics_index_ = value & 15;
      break;
    case kGraphicsData:
      s_.graphics[graphics_index_] = value & kGraphicsBits[graphics_index_];
      break;
    default:
      ++odd_;
      return;
  }
  changed_();
}

// ---- DISPI ------------------------------------------------------------------------------------

std::uint16_t Vga::read_dispi(unsigned index) const {
  const VgaState::Dispi& d = s_.dispi;
  const bool caps = (d.enable & kGetCaps) != 0;
  switch (index) {
    case kId:
      return d.id;
    case kWidth:
      return caps ? VgaState::kMostWidth : d.width;
    case kHeight:
      return caps ? VgaState::kMostHeight : d.height;
    case kBits:
      return caps ? VgaState::kMostBits : d.bits;
    case kEnableMode:
      return d.enable;
    case kBank:
      return d.bank;
    case kVirtualWidth:
      return d.virtual_width;
    case kVirtualHeight:
      return d.virtual_height;
    case kX:
      return d.x;
    case kY:
      return d.y;
    case kMemory64K:
      return VgaState::kMemoryBytes >> 16;
    default:
      return 0;
  }
}

void Vga::write_dispi(unsigned index, std::uint16_t value) {
  VgaState::Dispi& d = s_.dispi;
  switch (index) {
    case kId:  // a driver asks for the oldest version that it can use
      if (value >= 0xB0C0 && value <= 0xB0C5) d.id = value;
      break;
    case kWidth:
      if (value != 0 && value <= VgaState::kMostWidth) d.width = static_cast<std::uint16_t>(value & ~7);
      break;
    case kHeight:
      if (value != 0 && value <= VgaState::kMostHeight) d.height = value;
      break;
    case kBits:
      if (value == 0) value = 8;
      if (value == 4 || value == 8 || value == 15 || value == 16 || value == 24 || value == 32) d.bits = value;
      break;
    case kEnableMode:
      enable_dispi(value);
      break;
    case kBank:
      d.bank = value & ((VgaState::kMemoryBytes >> 16) - 1);
      break;
    case kVirtualWidth:
      d.virtual_width = static_cast<std::uint16_t>(value & ~7);
      break;
    case kVirtualHeight:
      break;  // follows from the width
    case kX:
      d.x = value;
      break;
    case kY:
      d.y = value;
      break;
    default:
      ++odd_;
      break;
  }
  limit_dispi();
  changed_();
}

void Vga::enable_dispi(std::uint16_t value) {
  VgaState::Dispi& d = s_.dispi;
  const bool was = d.enabled();
  const bool wide = (d.enable & k8BitDac) != 0, wider = (value & k8BitDac) != 0;
  d.enable = value;
  d.bank = 0;
  if (wide != wider) {
    for (auto& color : s_.palette) {
      for (auto& component : color) component = static_cast<std::uint8_t>(wider ? component << 2 : component >> 2);
    }
  }
  if (!d.enabled() || was) return;
  d.virtual_width = d.width;
  d.x = d.y = 0;
  limit_dispi();
  if ((value & kNoClear) != 0) return;
  const std::size_t bytes = std::size_t{d.bytes_per_line()} * d.height;
  std::fill_n(s_.memory.begin(), std::min<std::size_t>(bytes, s_.memory.size()), std::uint8_t{0});
}

// Keeps what is displayed within video memory, whatever was written.
void Vga::limit_dispi() {
  VgaState::Dispi& d = s_.dispi;
  d.virtual_width = std::max(d.virtual_width, d.width);
  const unsigned line = d.bytes_per_line();
  const unsigned lines = line == 0 ? 0 : VgaState::kMemoryBytes / line;
  d.virtual_height = static_cast<std::uint16_t>(std::min(lines, 0xFFFFU));
  d.height = std::min(d.height, d.virtual_height == 0 ? d.height : d.virtual_height);
  d.x = static_cast<std::uint16_t>(std::min<unsigned>(d.x, d.virtual_width - d.width));
  d.y = static_cast<std::uint16_t>(
      std::min<unsigned>(d.y, d.virtual_height > d.height ? d.virtual_height - d.height : 0));
}

std::uint32_t Vga::DispiPorts::port_read(std::uint16_t offset, unsigned size) {
  if (size == 2 && offset == 0) return owner_.dispi_index_;
  // The data register answers at 1CFh, and at 1D0h for machines without unaligned ports.
  if (size == 2) return owner_.read_dispi(owner_.dispi_index_);
  ++owner_.odd_;
  return 0xFFFFFFFF;
}

void Vga::DispiPorts::port_write(std::uint16_t offset, unsigned size, std::uint32_t value) {
  if (size == 2 && offset == 0) {
    owner_.dispi_index_ = static_cast<std::uint16_t>(value);
  } else if (size == 2) {
    owner_.write_dispi(owner_.dispi_index_, static_cast<std::uint16_t>(value));
  } else {
    ++owner_.odd_;
  }
}

// ---- BAR 2 ------------------------------------------------------------------------------------

namespace {
// 3C0h-3DFh stand at 400h, the DISPI registers at 500h.
constexpr std::uint64_t kVgaAt = 0x400, kVgaBytes = 0x20, kDispiAt = 0x500, kDispiBytes = 2 * (kMemory64K + 1);
constexpr std::uint16_t kFirstVga = kAttribute;
}  // namespace

std::uint32_t Vga::Registers::mmio_read(std::uint64_t offset, unsigned size) {
  if (offset >= kVgaAt && offset + size <= kVgaAt + kVgaBytes) {
    return owner_.ports_.port_read(static_cast<std::uint16_t>(offset - kVgaAt + kFirstVga), size);
  }
  if (offset >= kDispiAt && offset + size <= kDispiAt + kDispiBytes && size == 2) {
    return owner_.read_dispi(static_cast<unsigned>(offset - kDispiAt) / 2);
  }
  ++owner_.odd_;
  return 0xFFFFFFFF;
}

void Vga::Registers::mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) {
  if (offset >= kVgaAt && offset + size <= kVgaAt + kVgaBytes) {
    owner_.ports_.port_write(static_cast<std::uint16_t>(offset - kVgaAt + kFirstVga), size, value);
  } else if (offset >= kDispiAt && offset + size <= kDispiAt + kDispiBytes && size == 2) {
    owner_.write_dispi(static_cast<unsigned>(offset - kDispiAt) / 2, static_cast<std::uint16_t>(value));
  } else {
    ++owner_.odd_;
  }
}

}  // namespace ringshift::devices
