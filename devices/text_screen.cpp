#include "devices/text_screen.h"

#include <algorithm>
#include <array>

namespace ringshift::devices {

namespace {

constexpr unsigned kMostColumns = 256, kMostRows = 128;
constexpr std::uint8_t kDoubleScan = 0x80, kCursorOff = 0x20;

constexpr std::array<char16_t, 32> kControls = {
    u' ',      u'\u263A', u'\u263B', u'\u2665', u'\u2666', u'\u2663', u'\u2660', u'\u2022',
    u'\u25D8', u'\u25CB', u'\u25D9', u'\u2642', u'\u2640', u'\u266A', u'\u266B', u'\u263C',
    u'\u25BA', u'\u25C4', u'\u2195', u'\u203C', u'\u00B6', u'\u00A7', u'\u25AC', u'\u21A8',
    u'\u2191', u'\u2193', u'\u2192', u'\u2190', u'\u221F', u'\u2194', u'\u25B2', u'\u25BC'};

constexpr std::array<char16_t, 128> kUpper = {
    u'\u00C7', u'\u00FC', u'\u00E9', u'\u00E2', u'\u00E4', u'\u00E0', u'\u00E5', u'\u00E7', u'\u00EA', u'\u00EB',
    u'\u00E8', u'\u00EF', u'\u00EE', u'\u00EC', u'\u00C4', u'\u00C5', u'\u00C9', u'\u00E6', u'\u00C6', u'\u00F4',
    u'\u00F6', u'\u00F2', u'\u00FB', u'\u00F9', u'\u00FF', u'\u00D6', u'\u00DC', u'\u00A2', u'\u00A3', u'\u00A5',
    u'\u20A7', u'\u0192', u'\u00E1', u'\u00ED', u'\u00F3', u'\u00FA', u'\u00F1', u'\u00D1', u'\u00AA', u'\u00BA',
    u'\u00BF', u'\u2310', u'\u00AC', u'\u00BD', u'\u00BC', u'\u00A1', u'\u00AB', u'\u00BB', u'\u2591', u'\u2592',
    u'\u2593', u'\u2502', u'\u2524', u'\u2561', u'\u2562', u'\u2556', u'\u2555', u'\u2563', u'\u2551', u'\u2557',
    u'\u255D', u'\u255C', u'\u255B', u'\u2510', u'\u2514', u'\u2534', u'\u252C', u'\u251C', u'\u2500', u'\u253C',
    u'\u255E', u'\u255F', u'\u255A', u'\u2554', u'\u2569', u'\u2566', u'\u2560', u'\u2550', u'\u256C', u'\u2567',
    u'\u2568', u'\u2564', u'\u2565', u'\u2559', u'\u2558', u'\u2552', u'\u2553', u'\u256B', u'\u256A', u'\u2518',
    u'\u250C', u'\u2588', u'\u2584', u'\u258C', u'\u2590', u'\u2580', u'\u03B1', u'\u00DF', u'\u0393', u'\u03C0',
    u'\u03A3', u'\u03C3', u'\u00B5', u'\u03C4', u'\u03A6', u'\u0398', u'\u03A9', u'\u03B4', u'\u221E', u'\u03C6',
    u'\u03B5', u'\u2229', u'\u2261', u'\u00B1', u'\u2265', u'\u2264', u'\u2320', u'\u2321', u'\u00F7', u'\u2248',
    u'\u00B0', u'\u2219', u'\u00B7', u'\u221A', u'\u207F', u'\u00B2', u'\u25A0', u'\u00A0'};

}  // namespace

TextScreen text_screen(const VgaState& vga) {
  TextScreen screen;
  screen.graphics = vga.graphics_mode();
  if (screen.graphics) return screen;
  const unsigned cell_lines = (vga.crtc[vga::kMaxScan] & 0x1FU) + 1;
  const unsigned lines = (vga.crtc[vga::kMaxScan] & kDoubleScan) != 0 ? vga.lines() / 2 : vga.lines();
  screen.columns = std::min(vga.crtc[vga::kDisplayEnd] + 1U, kMostColumns);
  screen.rows = std::min(lines / cell_lines, kMostRows);
  // Start and line offset count characters and pairs of characters: a character with its attribute is one offset of
  // the planes.
  const unsigned stride = vga.crtc[vga::kOffset] * 2U;
  constexpr unsigned kOffsets = 0x10000;
  for (unsigned row = 0; row < screen.rows; ++row) {
    for (unsigned column = 0; column < screen.columns; ++column) {
      const std::size_t at = std::size_t{(vga.start() + row * stride + column) % kOffsets} * 4;
      screen.cells.push_back({vga.memory[at], vga.memory[at + 1]});
    }
  }
  const unsigned cursor = vga.crtc[vga::kCursorHigh] * 256U + vga.crtc[vga::kCursorLow];
  const unsigned first = vga.crtc[vga::kCursorStart] & 0x1FU, last = vga.crtc[vga::kCursorEnd] & 0x1FU;
  if ((vga.crtc[vga::kCursorStart] & kCursorOff) == 0 && first <= last && stride != 0) {
    const unsigned from_start = (cursor - vga.start()) % kOffsets;
    const TextScreen::Cursor at{from_start % stride, from_start / stride};
    if (at.column < screen.columns && at.row < screen.rows) screen.cursor = at;
  }
  return screen;
}

char16_t code_page_437(std::uint8_t byte) {
  if (byte < 0x20) return kControls[byte];
  if (byte == 0x7F) return u'\u2302';
  return byte < 0x80 ? char16_t{byte} : kUpper[byte - 0x80U];
}

void append_utf8(std::string& out, char16_t character) {
  const unsigned c = character;
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xE0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

std::string to_text(const TextScreen& screen) {
  if (screen.graphics) return "(graphics mode)\n";
  std::string out;
  for (unsigned row = 0; row < screen.rows; ++row) {
    std::string line;
    std::size_t used = 0;
    for (unsigned column = 0; column < screen.columns; ++column) {
      const char16_t character = code_page_437(screen.cells[row * screen.columns + column].character);
      append_utf8(line, character);
      if (character != u' ' && character != u'\u00A0') used = line.size();
    }
    line.resize(used);
    out += line + '\n';
  }
  return out;
}

}  // namespace ringshift::devices
