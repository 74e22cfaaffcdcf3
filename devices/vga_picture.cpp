#include "devices/vga_picture.h"

#include <algorithm>
#include <array>

namespace ringshift::devices {
namespace {

// Sequencer: clocking mode.
constexpr unsigned kClocking = 1;
constexpr std::uint8_t kEightDots = 0x01, kSequencerOff = 0x20;
// Graphics controller, mode.
constexpr std::uint8_t kInterleave = 0x20, k256Colors = 0x40;
// CRT controller.
constexpr unsigned kUnderline = 0x14, kModeControl = 0x17, kLineCompare = 0x18;
constexpr std::uint8_t kDoubleScan = 0x80, kRowScanIs13 = 0x01, kRowScanIs14 = 0x02, kByteMode = 0x40;
constexpr std::uint8_t kDoubleWord = 0x40, kCursorOff = 0x20;
// Attribute controller.
constexpr unsigned kAttributeMode = 0x10, kPlaneEnable = 0x12, kPanning = 0x13, kColorSelect = 0x14;
constexpr std::uint8_t kLineGraphics = 0x04, kBlinking = 0x08, kPanTopOnly = 0x20, kSelect54 = 0x80, kMonochrome = 0x02;

constexpr unsigned kOffsets = VgaState::kMemoryBytes / 4;  // of each plane
constexpr unsigned kBlankWidth = 640, kBlankHeight = 480;

enum class Kind : std::uint8_t {
  blank,
  text,
  planar,
  cga,  // two bits a pixel, from two planes in turn
  colors256,
  packed
};

struct Format {
  Kind kind = Kind::blank;
  unsigned width = kBlankWidth, height = kBlankHeight;
  unsigned repeat = 1;  // scan lines a row
};

// Scan lines that show one row of pixels; the rest of the character's height is rows of their own.
unsigned repeat_of(const VgaState& vga, bool graphics) {
  const std::uint8_t max_scan = vga.crtc[vga::kMaxScan];
  const unsigned doubled = (max_scan & kDoubleScan) != 0 ? 2 : 1;
  constexpr std::uint8_t kNoRowScan = kRowScanIs13 | kRowScanIs14;
  if (!graphics || (vga.crtc[kModeControl] & kNoRowScan) != kNoRowScan) return doubled;
  return doubled * ((max_scan & 0x1FU) + 1);
}

Format format_of(const VgaState& vga) {
  const VgaState::Dispi& d = vga.dispi;
  const bool off = !vga.screen_on || (vga.sequencer[kClocking] & kSequencerOff) != 0;
  if (d.enabled()) {
    if (d.width == 0 || d.height == 0 || d.bits == 0) return {};
    const Kind kind = d.bits == 4 ? Kind::planar : Kind::packed;
    return {off ? Kind::blank : kind, d.width, d.height, 1};
  }
  const bool graphics = (vga.graphics[vga::kMisc] & 1) != 0;
  Format out;
  out.repeat = repeat_of(vga, graphics);
  const unsigned characters = vga.crtc[vga::kDisplayEnd] + 1U;
  out.height = std::max(vga.lines() / out.repeat, 1U);
  if (!graphics) {
    out.kind = Kind::text;
    out.width = characters * ((vga.sequencer[kClocking] & kEightDots) != 0 ? 8 : 9);
  } else if ((vga.graphics[vga::kMode] & k256Colors) != 0) {
    out.kind = Kind::colors256;
    out.width = characters * 4;
  } else {
    out.kind = (vga.graphics[vga::kMode] & kInterleave) != 0 ? Kind::cga : Kind::planar;
    out.width = characters * 8;
  }
  // Registers as after reset, before anything has set a mode.
  if (vga.crtc[vga::kDisplayEnd] == 0) return {};
  if (off) out.kind = Kind::blank;
  return out;
}

// ---- colours ----------------------------------------------------------------------------------

std::uint32_t dac_color(const VgaState& vga, unsigned index) {
  const auto& color = vga.palette[index & vga.palette_mask];
  const auto level = [&](unsigned component) -> std::uint32_t {
    const unsigned v = color[component];
    return vga.dispi.wide_dac() ? v : (v << 2 | v >> 4) & 0xFF;
  };
  return level(0) << 16 | level(1) << 8 | level(2);
}

using Colors16 = std::array<std::uint32_t, 16>;
using Colors256 = std::array<std::uint32_t, 256>;

// Of the attribute controller: its palette's six bits, with two or four more from the colour select register.
Colors16 colors16(const VgaState& vga) {
  Colors16 out{};
  const unsigned select = vga.attribute[kColorSelect];
  for (unsigned i = 0; i < 16; ++i) {
    unsigned index = vga.attribute[i] & 0x3FU;
    if ((vga.attribute[kAttributeMode] & kSelect54) != 0) index = (index & 0x0F) | (select & 3) << 4;
    out[i] = dac_color(vga, index | (select & 0x0C) << 4);
  }
  return out;
}

Colors256 colors256(const VgaState& vga) {
  Colors256 out{};
  for (unsigned i = 0; i < out.size(); ++i) out[i] = dac_color(vga, i);
  return out;
}

// ---- where a row begins -----------------------------------------------------------------------

struct RowStart {
  unsigned offset = 0;    // of the first character, in each plane
  unsigned row_scan = 0;  // line of the character
  unsigned panning = 0;   // dots that are shifted out on the left
};

// Rows below the line compare begin at offset 0.
RowStart row_start(const VgaState& vga, const Format& format, bool text, unsigned y) {
  const auto& crtc = vga.crtc;
  const unsigned split = crtc[kLineCompare] | (crtc[vga::kOverflow] & 0x10U) << 4 | (crtc[vga::kMaxScan] & 0x40U) << 3;
  const unsigned doubled = (crtc[vga::kMaxScan] & kDoubleScan) != 0 ? 2 : 1;
  const unsigned character_lines = text || format.repeat == doubled ? (crtc[vga::kMaxScan] & 0x1FU) + 1 : 1;
  const unsigned line_bytes = crtc[vga::kOffset] * 2U;
  const unsigned split_row = split / format.repeat + 1;  // the first one below
  RowStart out;
  unsigned row = y;
  if (y >= split_row) {
    row -= split_row;
    if ((vga.attribute[kAttributeMode] & kPanTopOnly) == 0) out.panning = vga.attribute[kPanning] & 0x0FU;
  } else {
    row += crtc[vga::kPresetRow] & 0x1FU;
    out.offset = vga.start() + (crtc[vga::kPresetRow] >> 5 & 3U);
    out.panning = vga.attribute[kPanning] & 0x0FU;
  }
  out.row_scan = row % character_lines;
  out.offset += row / character_lines * line_bytes;
  return out;
}

// Of a character in each plane: lines of the character may stand for address bits 13 and 14, as in CGA and Hercules
// modes. The memory's words and double words lie side by side here, so that their address bits are lower.
unsigned plane_offset(const VgaState& vga, unsigned offset, unsigned row_scan) {
  const std::uint8_t control = vga.crtc[kModeControl];
  const unsigned shift = (vga.crtc[kUnderline] & kDoubleWord) != 0 ? 2 : (control & kByteMode) != 0 ? 0 : 1;
  const auto replace = [&](unsigned bit, unsigned value) { offset = (offset & ~(1U << bit)) | (value & 1) << bit; };
  if ((control & kRowScanIs13) == 0) replace(13 - shift, row_scan);
  if ((control & kRowScanIs14) == 0) replace(14 - shift, row_scan >> 1);
  return offset;
}

const std::uint8_t* planes_at(const VgaState& vga, unsigned offset) {
  return vga.memory.data() + std::size_t{offset % kOffsets} * 4;
}

// ---- one row of each kind ---------------------------------------------------------------------

using Row = std::span<std::uint32_t>;

// Hands out pixels, first those that panning shifts out of sight.
class RowWriter {
 public:
  RowWriter(Row row, unsigned skip) : row_(row), skip_(skip) {}
  [[nodiscard]] bool full() const { return at_ == row_.size(); }
  void put(std::uint32_t color) {
    if (skip_ != 0) {
      --skip_;
    } else if (!full()) {
      row_[at_++] = color;
    }
  }

 private:
  Row row_;
  unsigned skip_;
  std::size_t at_ = 0;
};

struct TextLook {
  Colors16 colors{};
  Blink blink;
  bool nine_dots = false, two_fonts = false;
  std::array<unsigned, 2> font{};  // offset in plane 2: of attributes with bit 3 clear and set
};

unsigned font_offset(unsigned select) { return (select & 3) * 0x4000 + (select & 4) * 0x800; }

TextLook text_look(const VgaState& vga, Blink blink) {
  TextLook out;
  out.colors = colors16(vga);
  out.blink = blink;
  out.nine_dots = (vga.sequencer[kClocking] & kEightDots) == 0;
  const unsigned select = vga.sequencer[vga::kFontSelect];
  out.font = {font_offset((select & 3) | (select >> 2 & 4)), font_offset((select >> 2 & 3) | (select >> 3 & 4))};
  out.two_fonts = out.font[0] != out.font[1];
  return out;
}

bool cursor_covers(const VgaState& vga, unsigned offset, unsigned row_scan) {
  if ((vga.crtc[vga::kCursorStart] & kCursorOff) != 0) return false;
  const unsigned at =
      vga.crtc[vga::kCursorHigh] * 256U + vga.crtc[vga::kCursorLow] + (vga.crtc[vga::kCursorEnd] >> 5 & 3U);
  const unsigned first = vga.crtc[vga::kCursorStart] & 0x1FU, last = vga.crtc[vga::kCursorEnd] & 0x1FU;
  return offset == at && row_scan >= first && row_scan <= last;
}

void text_row(const VgaState& vga, const RowStart& start, const TextLook& look, Row row) {
  // With nine dots a value of 8 is no panning, and 0 one dot.
  const unsigned skip = look.nine_dots ? (start.panning >= 8 ? 0 : start.panning + 1) : start.panning & 7;
  RowWriter out(row, skip);
  const std::uint8_t mode = vga.attribute[kAttributeMode];
  const unsigned underline = vga.crtc[kUnderline] & 0x1FU;
  for (unsigned offset = start.offset; !out.full(); ++offset) {
    const std::uint8_t* cell = planes_at(vga, offset & 0xFFFF);
    const std::uint8_t character = cell[0], attribute = cell[1];
    const unsigned font = look.font[attribute >> 3 & 1] + character * 32U + start.row_scan;
    unsigned dots = planes_at(vga, font)[2];
    // The ninth dot repeats the eighth of the line-drawing characters.
    unsigned ninth = 0;
    if (character >= 0xC0 && character <= 0xDF && (mode & kLineGraphics) != 0) ninth = dots & 1;
    unsigned foreground = attribute & 0x0FU, background = attribute >> 4;
    if (look.two_fonts) foreground &= 7;
    if ((mode & kBlinking) != 0) {
      if ((background & 8) != 0 && !look.blink.characters) dots = ninth = 0;
      background &= 7;
    }
    if ((mode & kMonochrome) != 0 && (attribute & 7) == 1 && start.row_scan == underline) dots = 0xFF, ninth = 1;
    if (look.blink.cursor && cursor_covers(vga, offset & 0xFFFF, start.row_scan)) dots = 0xFF, ninth = 1;
    const std::uint32_t on = look.colors[foreground & vga.attribute[kPlaneEnable]];
    const std::uint32_t off = look.colors[background & vga.attribute[kPlaneEnable]];
    for (unsigned dot = 0; dot < 8; ++dot) out.put((dots & 0x80U >> dot) != 0 ? on : off);
    if (look.nine_dots) out.put(ninth != 0 ? on : off);
  }
}

// Eight pixels of four bits: plane p gives bit p.
void put_planar(const std::uint8_t* planes, unsigned enabled, const Colors16& colors, RowWriter& out) {
  for (unsigned dot = 0; dot < 8; ++dot) {
    unsigned pixel = 0;
    for (unsigned plane = 0; plane < 4; ++plane) pixel |= (planes[plane] >> (7 - dot) & 1U) << plane;
    out.put(colors[pixel & enabled]);
  }
}

// Eight pixels: four from planes 0 and 2, then four from planes 1 and 3; two bits of each plane.
void put_cga(const std::uint8_t* planes, unsigned enabled, const Colors16& colors, RowWriter& out) {
  for (unsigned dot = 0; dot < 8; ++dot) {
    const unsigned shift = 6 - dot % 4 * 2, plane = dot / 4;
    const unsigned pixel = (planes[plane] >> shift & 3U) | (planes[plane + 2] >> shift & 3U) << 2;
    out.put(colors[pixel & enabled]);
  }
}

void graphics_row(const VgaState& vga, Kind kind, const RowStart& start, const Colors16& colors, Row row) {
  RowWriter out(row, start.panning & 7);
  const unsigned enabled = vga.attribute[kPlaneEnable] & 0x0FU;
  for (unsigned offset = start.offset; !out.full(); ++offset) {
    const std::uint8_t* planes = planes_at(vga, plane_offset(vga, offset & 0xFFFF, start.row_scan));
    if (kind == Kind::cga) {
      put_cga(planes, enabled, colors, out);
    } else {
      put_planar(planes, enabled, colors, out);
    }
  }
}

void colors256_row(const VgaState& vga, const RowStart& start, const Colors256& colors, Row row) {
  RowWriter out(row, start.panning / 2 & 3);  // two dots a pixel
  for (unsigned offset = start.offset; !out.full(); ++offset) {
    const std::uint8_t* planes = planes_at(vga, plane_offset(vga, offset & 0xFFFF, start.row_scan));
    for (unsigned plane = 0; plane < 4; ++plane) out.put(colors[planes[plane]]);
  }
}

// ---- DISPI ------------------------------------------------------------------------------------

constexpr std::uint32_t widen(unsigned value, unsigned bits) {
  return (value << (8 - bits) | value >> (2 * bits - 8)) & 0xFF;
}

constexpr std::uint32_t rgb16(unsigned v, unsigned green_bits) {
  const unsigned red = v >> (5 + green_bits) & 0x1F, green = v >> 5 & ((1U << green_bits) - 1), blue = v & 0x1F;
  return widen(red, 5) << 16 | widen(green, green_bits) << 8 | widen(blue, 5);
}

void packed_row(const std::uint8_t* from, unsigned bits, const Colors256& colors, Row row) {
  switch (bits) {
    case 8:
      for (auto& pixel : row) pixel = colors[*from++];
      break;
    case 15:
    case 16:
      for (auto& pixel : row) {
        pixel = rgb16(from[0] | from[1] * 256U, bits == 15 ? 5 : 6);
        from += 2;
      }
      break;
    case 24:
    default:
      for (auto& pixel : row) {
        pixel = from[0] | from[1] * 0x100U | from[2] * 0x10000U;
        from += bits / 8;
      }
      break;
  }
}

unsigned pixel_bytes(unsigned bits) { return (bits + 7) / 8; }

RowStart dispi_planar_start(const VgaState& vga, unsigned y) {
  const auto& d = vga.dispi;
  return {(d.y + y) * (d.virtual_width / 8U) + d.x / 8U, 0, d.x % 8U};
}

void dispi_planar_row(const VgaState& vga, const RowStart& start, const Colors16& colors, Row row) {
  RowWriter out(row, start.panning);
  for (unsigned offset = start.offset; !out.full(); ++offset) {
    put_planar(planes_at(vga, offset), vga.attribute[kPlaneEnable] & 0x0FU, colors, out);
  }
}

}  // namespace

PackedRows packed_rows(const VgaState& vga) {
  const auto& d = vga.dispi;
  if (format_of(vga).kind != Kind::packed) return {};
  const std::size_t line = d.bytes_per_line();
  return {d.y * line + std::size_t{d.x} * pixel_bytes(d.bits), d.bytes_per_line(), d.height};
}

void draw_rows(const VgaState& vga, Blink blink, Rows rows, Picture& picture) {
  const Format format = format_of(vga);
  rows.end = std::min({rows.end, picture.height, format.height});
  if (rows.empty() || picture.width != format.width) return;
  Colors16 colors{};
  Colors256 wide{};
  TextLook look;
  if (format.kind == Kind::text) look = text_look(vga, blink);
  if (format.kind == Kind::planar || format.kind == Kind::cga) colors = colors16(vga);
  const bool from_dac = format.kind == Kind::colors256 || (format.kind == Kind::packed && vga.dispi.bits == 8);
  if (from_dac) wide = colors256(vga);
  const PackedRows packed = packed_rows(vga);
  for (unsigned y = rows.first; y < rows.end; ++y) {
    const Row row = picture.row(y);
    switch (format.kind) {
      case Kind::blank:
        std::ranges::fill(row, 0U);
        break;
      case Kind::text:
        text_row(vga, row_start(vga, format, true, y), look, row);
        break;
      case Kind::planar:
      case Kind::cga:
        if (vga.dispi.enabled()) {
          dispi_planar_row(vga, dispi_planar_start(vga, y), colors, row);
        } else {
          graphics_row(vga, format.kind, row_start(vga, format, false, y), colors, row);
        }
        break;
      case Kind::colors256:
        colors256_row(vga, row_start(vga, format, false, y), wide, row);
        break;
      case Kind::packed: {
        const std::size_t at = packed.first + std::size_t{y} * packed.bytes_per_line;
        if (at + std::size_t{picture.width} * pixel_bytes(vga.dispi.bits) > vga.memory.size()) {
          std::ranges::fill(row, 0U);
        } else {
          packed_row(vga.memory.data() + at, vga.dispi.bits, wide, row);
        }
        break;
      }
    }
  }
}

void copy_rows(const Picture& from, Rows rows, Picture& to) {
  if (to.width != from.width || to.height != from.height) {
    to = from;
    return;
  }
  for (unsigned y = rows.first; y < std::min(rows.end, from.height); ++y) {
    std::ranges::copy(from.row(y), to.row(y).begin());
  }
}

Picture empty_picture(const VgaState& vga) {
  const Format format = format_of(vga);
  Picture picture{format.width, format.height, {}};
  picture.pixels.resize(std::size_t{format.width} * format.height);
  return picture;
}

Picture vga_picture(const VgaState& vga, Blink blink) {
  Picture picture = empty_picture(vga);
  draw_rows(vga, blink, {0, picture.height}, picture);
  return picture;
}

bool blinks(const VgaState& vga) { return format_of(vga).kind == Kind::text; }

}  // namespace ringshift::devices
