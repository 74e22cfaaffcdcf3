// What each mode shows of the memory.
#include "devices/vga_picture.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/devices/vga_lab.h"
#include "tests/devices/vga_modes.h"

namespace ringshift::devices {
namespace {

struct VgaPictureTest : testing::Test, VgaLab {
  [[nodiscard]] Picture shown(Blink blink = {}) const { return vga_picture(vga.state(), blink); }
  [[nodiscard]] std::uint32_t pixel(unsigned x, unsigned y) const { return shown().row(y)[x]; }
  // Pixels of one row, as entries of the palette.
  std::vector<int> row(unsigned x, unsigned y, unsigned count, Blink blink = {}) {
    const Picture picture = shown(blink);
    std::vector<int> out;
    for (unsigned i = 0; i < count; ++i) {
      int found = -1;
      for (unsigned entry = 0; entry < 256 && found < 0; ++entry) {
        if (picture.row(y)[x + i] == dac(entry)) found = static_cast<int>(entry);
      }
      out.push_back(found);
    }
    return out;
  }
  using Row = std::vector<int>;

  // A character of the font, all lines the same.
  void glyph(unsigned character, unsigned bits, unsigned font = 0) {
    for (unsigned line = 0; line < 32; ++line)
      memory[(font + character * 32 + line) * 4 + 2] = static_cast<std::uint8_t>(bits);
  }
  void linear_mode(unsigned width, unsigned height, unsigned bits) {
    in(0x3DA);
    out(0x3C0, 0x20);
    dispi(4, 0);
    dispi(1, width);
    dispi(2, height);
    dispi(3, bits);
    dispi(4, 0x41);
  }
};

using Size = std::pair<unsigned, unsigned>;
Size size_of(const Picture& picture) { return {picture.width, picture.height}; }

TEST_F(VgaPictureTest, BeforeAnyModeTheScreenIsBlack) {
  const Picture picture = shown();
  EXPECT_EQ(size_of(picture), (Size{640, 480}));
  EXPECT_EQ(std::set<std::uint32_t>(picture.pixels.begin(), picture.pixels.end()), std::set<std::uint32_t>{0});
}

TEST_F(VgaPictureTest, ModesHaveTheirSizes) {
  struct Mode {
    const ModeRegisters& registers;
    Size size;
  };
  for (const auto& [registers, size] :
       {Mode{mode::kText, {720, 400}}, Mode{mode::kMode4, {320, 200}}, Mode{mode::kMode6, {640, 200}},
        Mode{mode::kMode0D, {320, 200}}, Mode{mode::kMode0E, {640, 200}}, Mode{mode::kMode10, {640, 350}},
        Mode{mode::kMode12, {640, 480}}, Mode{mode::kMode13, {320, 200}}}) {
    set_mode(*this, registers);
    EXPECT_EQ(size_of(shown()), size);
  }
}

TEST_F(VgaPictureTest, AScreenThatIsOffIsBlack) {
  set_mode(*this, mode::kMode13);
  poke(0xA0000, 5);
  EXPECT_EQ(pixel(0, 0), dac(5));
  seq(1, 0x21);
  EXPECT_EQ(pixel(0, 0), 0U);
  seq(1, 0x01);
  in(0x3DA);
  out(0x3C0, 0x00);
  EXPECT_EQ(pixel(0, 0), 0U);
  EXPECT_EQ(size_of(shown()), (Size{320, 200}));
}

// ---- text -------------------------------------------------------------------------------------

struct VgaTextPictureTest : VgaPictureTest {
  VgaTextPictureTest() {
    set_mode(*this, mode::kText);
    crtc(0x0A, 0x20);  // no cursor
  }
  void cell(unsigned at, unsigned character, unsigned attribute_byte) {
    poke(0xB8000 + 2 * at, character | attribute_byte << 8, 2);
  }
};

TEST_F(VgaTextPictureTest, CellsAreGlyphsInTheirColors) {
  glyph('A', 0x81);
  cell(0, 'A', 0x1E);
  EXPECT_EQ(row(0, 0, 9), (Row{14, 1, 1, 1, 1, 1, 1, 14, 1}));
  EXPECT_EQ(row(0, 15, 9), row(0, 0, 9));
  cell(80, 'A', 0x0F);
  EXPECT_EQ(row(0, 16, 2), (Row{15, 0}));
}

TEST_F(VgaTextPictureTest, EachLineOfAGlyphIsItsOwn) {
  memory[('B' * 32 + 3) * 4 + 2] = 0xFF;
  cell(1, 'B', 0x07);
  EXPECT_EQ(row(9, 2, 1), Row{0});
  EXPECT_EQ(row(9, 3, 1), Row{7});
  EXPECT_EQ(row(9, 4, 1), Row{0});
}

TEST_F(VgaTextPictureTest, LineDrawingReachesIntoTheNinthDot) {
  glyph(0xC4, 0x01);
  glyph(0xB0, 0x01);
  cell(0, 0xC4, 0x07);
  cell(1, 0xB0, 0x07);
  EXPECT_EQ(row(7, 0, 2), (Row{7, 7}));
  EXPECT_EQ(row(16, 0, 2), (Row{7, 0}));
}

TEST_F(VgaTextPictureTest, EightDotsAreNarrower) {
  seq(1, 0x01);
  EXPECT_EQ(size_of(shown()), (Size{640, 400}));
  glyph('A', 0x80);
  cell(1, 'A', 0x07);
  EXPECT_EQ(row(7, 0, 3), (Row{0, 7, 0}));
}

TEST_F(VgaTextPictureTest, SmallerCellsGiveMoreRows) {
  crtc(9, 0x47);
  glyph('A', 0x80);
  cell(49 * 80, 'A', 0x07);
  EXPECT_EQ(row(0, 391, 1), Row{0});
  EXPECT_EQ(row(0, 392, 1), Row{7});
}

TEST_F(VgaTextPictureTest, BlinkingCharactersComeAndGo) {
  glyph('A', 0x80);
  cell(0, 'A', 0x97);
  EXPECT_EQ(row(0, 0, 2), (Row{7, 1}));
  EXPECT_EQ(row(0, 0, 2, {.cursor = true, .characters = false}), (Row{1, 1}));
  attribute(0x10, 0x04);  // the bit is the background's brightness
  EXPECT_EQ(row(0, 0, 2, {.cursor = true, .characters = false}), (Row{7, 9}));
}

TEST_F(VgaTextPictureTest, TheCursorHasItsLinesAndPlace) {
  cell(81, ' ', 0x0A);
  crtc(0x0A, 13);
  crtc(0x0B, 14);
  crtc(0x0F, 81);
  EXPECT_EQ(row(8, 16 + 12, 2), (Row{0, 0}));
  EXPECT_EQ(row(8, 16 + 13, 2), (Row{0, 10}));
  EXPECT_EQ(row(17, 16 + 14, 2), (Row{10, 0}));
  EXPECT_EQ(row(9, 16 + 15, 1), Row{0});
  EXPECT_EQ(row(9, 16 + 13, 1, {.cursor = false}), Row{0});
}

TEST_F(VgaTextPictureTest, TheSecondFontTakesAColorBit) {
  glyph('A', 0x80);
  glyph('A', 0x40, 0x4000);
  seq(3, 0x04);  // bit 3 of the attribute clear: font 0 of plane 2; set: font 1
  cell(0, 'A', 0x07);
  cell(1, 'A', 0x0F);
  EXPECT_EQ(row(0, 0, 2), (Row{7, 0}));
  EXPECT_EQ(row(9, 0, 2), (Row{0, 7}));
}

TEST_F(VgaTextPictureTest, StartAndPresetRowScroll) {
  glyph('A', 0x80);
  cell(80, 'A', 0x07);
  crtc(0x0D, 80);
  EXPECT_EQ(row(0, 0, 1), Row{7});
  crtc(0x0D, 0);
  crtc(0x08, 4);
  EXPECT_EQ(row(0, 11, 1), Row{0});
  EXPECT_EQ(row(0, 12, 1), Row{7});
}

TEST_F(VgaTextPictureTest, PanningShiftsByDots) {
  glyph('A', 0x20);
  cell(0, 'A', 0x07);
  EXPECT_EQ(row(0, 0, 3), (Row{0, 0, 7}));
  attribute(0x13, 0);  // of nine dots 8 is none, and 0 is one
  EXPECT_EQ(row(0, 0, 3), (Row{0, 7, 0}));
  attribute(0x13, 1);
  EXPECT_EQ(row(0, 0, 3), (Row{7, 0, 0}));
}

// ---- graphics ---------------------------------------------------------------------------------

TEST_F(VgaPictureTest, Mode13IsAByteAPixel) {
  set_mode(*this, mode::kMode13);
  poke(0xA0000, 0x04030201, 4);
  poke(0xA0000 + 199 * 320 + 319, 200);
  EXPECT_EQ(row(0, 0, 5), (Row{1, 2, 3, 4, 0}));
  EXPECT_EQ(row(319, 199, 1), Row{200});
}

TEST_F(VgaPictureTest, ModeXHasFourPixelsAnOffset) {
  set_mode(*this, mode::kMode13);
  seq(4, 0x06);
  crtc(0x14, 0x00);
  crtc(0x17, 0xE3);
  for (unsigned plane = 0; plane < 4; ++plane) {
    seq(2, 1U << plane);
    poke(0xA0000 + 80, 10 + plane);
  }
  EXPECT_EQ(row(0, 1, 5), (Row{10, 11, 12, 13, 0}));
  crtc(0x11, 0);
  crtc(0x07, 0x3E);
  crtc(0x12, 0xDF);
  EXPECT_EQ(size_of(shown()), (Size{320, 240}));
  crtc(0x09, 0x40);
  EXPECT_EQ(size_of(shown()), (Size{320, 480})) << "each scan line a row of its own";
}

TEST_F(VgaPictureTest, PlanarModesTakeABitOfEachPlane) {
  for (const auto* registers : {&mode::kMode12, &mode::kMode10, &mode::kMode0E, &mode::kMode0D}) {
    set_mode(*this, *registers);
    const unsigned line = registers->crtc[0x13] * 2;
    seq(2, 0x05);
    poke(0xA0000 + line, 0xC0);
    seq(2, 0x08);
    poke(0xA0000 + line, 0x40);
    EXPECT_EQ(row(0, 1, 3), (Row{5, 13, 0}));
    seq(2, 0x0F);
    poke(0xA0000 + line, 0x00);
  }
}

TEST_F(VgaPictureTest, PlanesCanBeHidden) {
  set_mode(*this, mode::kMode12);
  poke(0xA0000, 0x80);
  EXPECT_EQ(row(0, 0, 1), Row{15});
  attribute(0x12, 0x0B);
  EXPECT_EQ(row(0, 0, 1), Row{11});
}

TEST_F(VgaPictureTest, AttributesPickColorsOf64AndOf256) {
  set_mode(*this, mode::kMode12);
  poke(0xA0000, 0x80);
  attribute(15, 0x2A);
  EXPECT_EQ(row(0, 0, 1), Row{0x2A});
  attribute(0x14, 0x0C);
  EXPECT_EQ(row(0, 0, 1), Row{0xEA});
  attribute(0x10, 0x81);
  attribute(0x14, 0x07);
  EXPECT_EQ(row(0, 0, 1), Row{0x7A});
  out(0x3C6, 0x0F);
  EXPECT_EQ(row(0, 0, 1), Row{0x0A});
}

TEST_F(VgaPictureTest, Mode4InterleavesItsLines) {
  set_mode(*this, mode::kMode4);
  poke(0xB8000, 0x1B);           // 0 1 2 3
  poke(0xB8001, 0xC0);           // 3 0 0 0
  poke(0xB8000 + 0x2000, 0x80);  // line 1
  poke(0xB8000 + 80, 0x40);      // line 2
  EXPECT_EQ(row(0, 0, 5), (Row{0, 0x13, 0x15, 0x17, 0x17}));
  EXPECT_EQ(row(0, 1, 2), (Row{0x15, 0}));
  EXPECT_EQ(row(0, 2, 2), (Row{0x13, 0}));
  poke(0xB8000 + 0x2000 + 99 * 80 + 79, 0x03);
  EXPECT_EQ(row(319, 199, 1), Row{0x17});
}

TEST_F(VgaPictureTest, Mode6InterleavesItsLines) {
  set_mode(*this, mode::kMode6);
  poke(0xB8000, 0xA0);
  poke(0xB8000 + 0x2000, 0x40);
  poke(0xB8000 + 80, 0x01);
  EXPECT_EQ(row(0, 0, 4), (Row{0x17, 0, 0x17, 0}));
  EXPECT_EQ(row(0, 1, 4), (Row{0, 0x17, 0, 0}));
  EXPECT_EQ(row(7, 2, 1), Row{0x17});
}

TEST_F(VgaPictureTest, BelowTheLineCompareMemoryStartsAgain) {
  set_mode(*this, mode::kMode12);
  poke(0xA0000, 0x80);
  crtc(0x0D, 80);
  EXPECT_EQ(row(0, 0, 1), Row{0});
  crtc(0x11, 0);
  crtc(0x18, 99);
  crtc(0x07, 0x2E);
  crtc(0x09, 0x00);
  EXPECT_EQ(row(0, 99, 1), Row{0});
  EXPECT_EQ(row(0, 100, 1), Row{15});
  attribute(0x13, 1);
  poke(0xA0000, 0x40);
  EXPECT_EQ(row(0, 100, 1), Row{15});
  attribute(0x10, 0x21);  // panning above only
  EXPECT_EQ(row(0, 100, 2), (Row{0, 15}));
}

TEST_F(VgaPictureTest, PanningShiftsPixels) {
  set_mode(*this, mode::kMode12);
  poke(0xA0000, 0x20);
  attribute(0x13, 2);
  EXPECT_EQ(row(0, 0, 2), (Row{15, 0}));
  set_mode(*this, mode::kMode13);
  poke(0xA0000, 9U << 16, 4);
  attribute(0x13, 4);
  EXPECT_EQ(row(0, 0, 2), (Row{9, 0}));
}

// ---- DISPI ------------------------------------------------------------------------------------

TEST_F(VgaPictureTest, LinearModesHaveTheirPixelFormats) {
  struct Format {
    unsigned bits;
    std::vector<std::uint8_t> bytes;
    std::uint32_t color;
  };
  for (const auto& [bits, bytes, color] :
       {Format{15, {0x1F, 0x7C}, 0xFF00FF}, Format{15, {0xE0, 0x03}, 0x00FF00}, Format{15, {0x00, 0x40}, 0x840000},
        Format{16, {0x1F, 0xF8}, 0xFF00FF}, Format{16, {0xE0, 0x07}, 0x00FF00}, Format{16, {0x20, 0x00}, 0x000400},
        Format{24, {0x56, 0x34, 0x12}, 0x123456}, Format{32, {0x56, 0x34, 0x12, 0xFF}, 0x123456}}) {
    linear_mode(640, 480, bits);
    const std::size_t at = (std::size_t{640} * 2 + 3) * bytes.size();
    std::ranges::copy(bytes, memory.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_EQ(size_of(shown()), (Size{640, 480}));
    EXPECT_EQ(pixel(3, 2), color) << bits;
    EXPECT_EQ(pixel(4, 2), 0U) << bits;
    dispi(4, 0);
  }
}

TEST_F(VgaPictureTest, EightBitsGoThroughThePalette) {
  set_mode(*this, mode::kMode13);
  linear_mode(800, 600, 8);
  memory[800 * 599 + 799] = 77;
  EXPECT_EQ(pixel(799, 599), dac(77));
}

TEST_F(VgaPictureTest, TheWidePaletteHasEightBits) {
  linear_mode(800, 600, 8);
  dispi(4, 0x61);
  out(0x3C8, 9);
  for (const unsigned level : {0x12U, 0x34U, 0x81U}) out(0x3C9, level);
  memory[0] = 9;
  EXPECT_EQ(pixel(0, 0), 0x123481U);
  dispi(4, 0x41);
  EXPECT_EQ(pixel(0, 0), 0x103482U) << "six bits are left of each";
}

TEST_F(VgaPictureTest, FourBitsArePlanar) {
  set_mode(*this, mode::kMode12);
  linear_mode(800, 600, 4);
  memory[(100 * 3 + 1) * 4 + 1] = 0x80;
  EXPECT_EQ(row(8, 3, 2), (Row{2, 0}));
}

TEST_F(VgaPictureTest, TheLargestModeIsShown) {
  linear_mode(1920, 1080, 32);
  memory[(std::size_t{1920} * 1079 + 1919) * 4] = 0x99;
  EXPECT_EQ(size_of(shown()), (Size{1920, 1080}));
  EXPECT_EQ(pixel(1919, 1079), 0x99U);
}

TEST_F(VgaPictureTest, AViewCanMoveOverALargerPicture) {
  linear_mode(640, 480, 32);
  dispi(6, 1024);
  dispi(8, 10);
  dispi(9, 20);
  memory[(std::size_t{1024} * 20 + 10) * 4 + 1] = 0xAB;
  EXPECT_EQ(pixel(0, 0), 0xAB00U);
  EXPECT_EQ(size_of(shown()), (Size{640, 480}));
  const PackedRows rows = packed_rows(vga.state());
  EXPECT_EQ(rows.first, (std::size_t{1024} * 20 + 10) * 4);
  EXPECT_EQ(rows.bytes_per_line, 4096U);
}

TEST_F(VgaPictureTest, RowsCanBeDrawnAlone) {
  linear_mode(640, 480, 32);
  Picture picture = shown();
  memory[640 * 4 * 5] = 1;
  memory[640 * 4 * 6] = 2;
  draw_rows(vga.state(), {}, {6, 7}, picture);
  EXPECT_EQ(picture.row(5)[0], 0U);
  EXPECT_EQ(picture.row(6)[0], 2U);
}

}  // namespace
}  // namespace ringshift::devices
