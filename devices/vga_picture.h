// The VGA's output as pixels: text with fonts and cursor, planar, CGA and 256-colour modes, DISPI modes.
// Sources: IBM VGA Technical Reference, "CRT Controller" and "Attribute Controller"; Bochs VBE interface (DISPI).
#pragma once

#include "devices/picture.h"
#include "devices/vga_state.h"

namespace ringshift::devices {

struct Blink {
  bool cursor = true;      // the cursor is seen
  bool characters = true;  // blinking characters are seen
  friend bool operator==(const Blink&, const Blink&) = default;
};

// What is displayed, without the border. A row of pixels that the VGA shows on several scan lines is one row of the
// picture, and a column that it shows on two dots one column: mode 13h is 320x200. A screen that is off is black;
// one that has no size yet is a black 640x480.
[[nodiscard]] Picture vga_picture(const VgaState& vga, Blink blink = {});

// A black picture of the same size.
[[nodiscard]] Picture empty_picture(const VgaState& vga);

// The rows [first, end) of a picture, of the size that vga_picture() gives, are drawn again.
struct Rows {
  unsigned first = 0, end = 0;
  [[nodiscard]] bool empty() const { return first >= end; }
};
void draw_rows(const VgaState& vga, Blink blink, Rows rows, Picture& picture);
// Brings a copy of a picture up to date, of which these rows have changed; all of it if its size has.
void copy_rows(const Picture& from, Rows rows, Picture& to);

// Where the rows of a packed-pixel DISPI mode lie in video memory; bytes_per_line 0: not in such a mode.
struct PackedRows {
  std::size_t first = 0;  // byte of the first pixel shown
  unsigned bytes_per_line = 0, height = 0;
};
[[nodiscard]] PackedRows packed_rows(const VgaState& vga);

// Whether pixels change with time alone.
[[nodiscard]] bool blinks(const VgaState& vga);

}  // namespace ringshift::devices
