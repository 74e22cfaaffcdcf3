// What a VGA in a text mode shows, as characters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "devices/vga_state.h"

namespace ringshift::devices {

struct TextScreen {
  struct Cell {
    std::uint8_t character = ' ';  // code page 437
    std::uint8_t attribute = 0x07;
    friend bool operator==(const Cell&, const Cell&) = default;
  };
  struct Cursor {
    unsigned column = 0, row = 0;
    friend bool operator==(const Cursor&, const Cursor&) = default;
  };
  unsigned columns = 0, rows = 0;
  std::vector<Cell> cells;       // row by row
  std::optional<Cursor> cursor;  // if it is on and on the screen
  bool graphics = false;         // no text mode: no cells

  friend bool operator==(const TextScreen&, const TextScreen&) = default;
};

[[nodiscard]] TextScreen text_screen(const VgaState& vga);

// The Unicode character of each byte, as the VGA's font shows it.
[[nodiscard]] char16_t code_page_437(std::uint8_t byte);
void append_utf8(std::string& out, char16_t character);

// Rows as lines of UTF-8 without trailing blanks. In a graphics mode one line says so.
[[nodiscard]] std::string to_text(const TextScreen& screen);

}  // namespace ringshift::devices
