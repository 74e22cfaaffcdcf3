// The VGA: registers, the four planes, DISPI modes, text screens.
#include "devices/vga.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "devices/text_screen.h"
#include "devices/vga_pci.h"
#include "tests/devices/fakes.h"
#include "tests/devices/vga_lab.h"

namespace ringshift::devices {
namespace {

struct VgaTest : testing::Test, VgaLab {};

// ---- registers --------------------------------------------------------------------------------

TEST_F(VgaTest, CrtcAnswersAtThePortsOfItsMonitor) {
  crtc(0x0E, 0x12);
  EXPECT_EQ(in(0x3D5), 0x12U);
  EXPECT_EQ(in(0x3B5), 0xFFU);
  out(0x3C2, 0x66);
  EXPECT_EQ(in(0x3B5), 0x12U);
  EXPECT_EQ(in(0x3D5), 0xFFU);
}

TEST_F(VgaTest, ProtectedCrtcRegistersKeepTheirValues) {
  crtc(0x00, 0x11);
  crtc(0x07, 0x02);
  crtc(0x11, 0x80);
  crtc(0x00, 0x22);
  crtc(0x07, 0xFD);
  out(0x3D4, 0x00);
  EXPECT_EQ(in(0x3D5), 0x11U);
  out(0x3D4, 0x07);
  EXPECT_EQ(in(0x3D5), 0x12U) << "line compare is not protected";
}

TEST_F(VgaTest, AttributePortTakesIndexAndDataInTurn) {
  in(0x3DA);
  out(0x3C0, 0x30);
  out(0x3C0, 0x0C);
  in(0x3DA);
  out(0x3C0, 0x10);
  in(0x3DA);
  out(0x3C0, 0x30);  // the status read made it an index again
  EXPECT_EQ(in(0x3C1), 0x0CU);
  EXPECT_TRUE(vga.state().screen_on);
}

TEST_F(VgaTest, DacTakesThreeComponentsAndMovesOn) {
  out(0x3C8, 5);
  for (const unsigned v : {0xFFU, 2U, 3U, 4U, 5U, 6U}) out(0x3C9, v);
  out(0x3C7, 5);
  EXPECT_EQ(in(0x3C7), 3U);
  std::vector<unsigned> read;
  for (unsigned i = 0; i < 6; ++i) read.push_back(in(0x3C9));
  EXPECT_EQ(read, (std::vector<unsigned>{0x3F, 2, 3, 4, 5, 6}));
}

TEST_F(VgaTest, RetraceComesAndGoes) {
  unsigned retraces = 0;
  bool before = false;
  for (unsigned i = 0; i < 10'000; ++i) {
    time.advance(10'000);
    const bool now = (in(0x3DA) & 8) != 0;
    retraces += now && !before ? 1 : 0;
    before = now;
  }
  EXPECT_EQ(retraces, 7U) << "70 a second";
}

// ---- planes -----------------------------------------------------------------------------------

TEST_F(VgaTest, WriteMode0RotatesAndMixesSetReset) {
  planar();
  gc(3, 0x04);  // rotate by 4
  gc(1, 0x02);
  gc(0, 0x02);
  poke(0xA0010, 0x12);
  EXPECT_EQ(planes(0x10), (Planes{0x21, 0xFF, 0x21, 0x21}));
}

TEST_F(VgaTest, MapMaskClosesPlanes) {
  planar();
  seq(2, 0x05);
  poke(0xA0000, 0xAA);
  EXPECT_EQ(planes(0), (Planes{0xAA, 0, 0xAA, 0}));
}

TEST_F(VgaTest, BitMaskKeepsTheLatches) {
  planar();
  poke(0xA0000, 0xF0);
  peek(0xA0000);
  gc(8, 0x0C);
  poke(0xA0000, 0x0F);
  EXPECT_EQ(planes(0), (Planes{0xFC, 0xFC, 0xFC, 0xFC}));
}

TEST_F(VgaTest, LogicCombinesWithTheLatches) {
  planar();
  poke(0xA0000, 0x3C);
  peek(0xA0000);
  for (const auto& [function, expected] :
       std::vector<std::pair<unsigned, unsigned>>{{0x08, 0x0C}, {0x10, 0x3F}, {0x18, 0x33}}) {
    gc(3, function);
    poke(0xA0001, 0x0F);
    EXPECT_EQ(planes(1)[0], expected) << function;
  }
}

TEST_F(VgaTest, WriteMode1CopiesTheLatches) {
  planar();
  memory[0] = 1, memory[1] = 2, memory[2] = 3, memory[3] = 4;
  peek(0xA0000);
  gc(5, 0x01);
  poke(0xA0020, 0xFF);
  EXPECT_EQ(planes(0x20), (Planes{1, 2, 3, 4}));
}

TEST_F(VgaTest, WriteMode2WritesAColor) {
  planar();
  gc(5, 0x02);
  poke(0xA0000, 0x09);
  EXPECT_EQ(planes(0), (Planes{0xFF, 0, 0, 0xFF}));
}

TEST_F(VgaTest, WriteMode3MasksByTheData) {
  planar();
  gc(5, 0x03);
  gc(0, 0x0F);
  poke(0xA0000, 0x81);
  EXPECT_EQ(planes(0), (Planes{0x81, 0x81, 0x81, 0x81}));
}

TEST_F(VgaTest, ReadMode1ComparesColors) {
  planar();
  memory[0] = 0xF0, memory[2] = 0xFF;  // planes 0 and 2
  gc(5, 0x08);
  gc(2, 0x05);
  gc(7, 0x0F);
  EXPECT_EQ(peek(0xA0000), 0xF0U);
  gc(7, 0x04);
  EXPECT_EQ(peek(0xA0000), 0xFFU);
}

TEST_F(VgaTest, Chain4PutsNeighboursInNeighbouringPlanes) {
  gc(6, 0x05);
  seq(4, 0x0E);
  seq(2, 0x0F);
  poke(0xA0004, 0x44332211, 4);
  EXPECT_EQ(planes(1), (Planes{0x11, 0x22, 0x33, 0x44}));
  EXPECT_EQ(peek(0xA0005), 0x22U);
}

TEST_F(VgaTest, WindowAnswersOnlyWhereItIsSelected) {
  planar();
  EXPECT_EQ(peek(0xB8000), 0xFFU);
  text();
  poke(0xA0000, 0x55);
  EXPECT_EQ(peek(0xA0000), 0xFFU);
  poke(0xB8000, 0x41);
  EXPECT_EQ(peek(0xB8000), 0x41U);
}

// ---- DISPI ------------------------------------------------------------------------------------

TEST_F(VgaTest, DispiTellsItsVersionAndLimits) {
  EXPECT_EQ(dispi(0), 0xB0C5U);
  EXPECT_EQ(dispi(10), 256U);
  dispi(4, 2);
  EXPECT_EQ(dispi(1), VgaState::kMostWidth);
}

TEST_F(VgaTest, DispiModeIsClearedAndSized) {
  memory[100] = 1;
  dispi(1, 1024);
  dispi(2, 768);
  dispi(3, 32);
  dispi(4, 0x41);
  EXPECT_EQ(memory[100], 0);
  EXPECT_EQ(dispi(6), 1024U);
  EXPECT_EQ(dispi(7), 4096U);
  EXPECT_TRUE(vga.state().graphics_mode());
}

TEST_F(VgaTest, DispiNeverShowsBeyondItsMemory) {
  dispi(1, 2560);
  dispi(2, 1600);
  dispi(3, 32);
  dispi(4, 0x41);
  dispi(6, 0xFFFF);
  dispi(8, 0xFFFF);
  dispi(9, 0xFFFF);
  const auto& d = vga.state().dispi;
  EXPECT_LE((d.y + d.height) * d.bytes_per_line(), VgaState::kMemoryBytes);
  EXPECT_LE(d.x + d.width, d.virtual_width);
}

TEST_F(VgaTest, BankMovesTheWindow) {
  dispi(1, 640);
  dispi(2, 480);
  dispi(3, 8);
  dispi(4, 1);
  gc(6, 0x05);
  dispi(5, 3);
  poke(0xA0001, 0x77);
  EXPECT_EQ(memory[0x30001], 0x77);
}

TEST_F(VgaTest, RegistersStandInBar2Too) {
  vga.registers().mmio_write(0x400 + 0x0E, 2, 0x0805);  // 3CE: mode, by a word
  out(0x3CE, 5);
  EXPECT_EQ(in(0x3CF), 0x08U);
  EXPECT_EQ(vga.registers().mmio_read(0x500, 2), 0xB0C5U);
}

// ---- text -------------------------------------------------------------------------------------

TEST_F(VgaTest, TextScreenHasItsCharacters) {
  text();
  print(0, "Hello");
  print(81, "world\xCD");
  const TextScreen screen = text_screen(vga.state());
  EXPECT_EQ(screen.columns, 80U);
  EXPECT_EQ(screen.rows, 25U);
  EXPECT_TRUE(to_text(screen).starts_with("Hello\n world\u2550\n\n"));
}

TEST_F(VgaTest, TextScrollsByItsStart) {
  text();
  print(80, "second");
  crtc(0x0D, 80);
  EXPECT_TRUE(to_text(text_screen(vga.state())).starts_with("second\n"));
}

TEST_F(VgaTest, CursorIsRelativeToTheStart) {
  text();
  crtc(0x0D, 80);
  crtc(0x0F, 163);
  EXPECT_EQ(text_screen(vga.state()).cursor, (TextScreen::Cursor{3, 1}));
  crtc(0x0A, 0x20);
  EXPECT_EQ(text_screen(vga.state()).cursor, std::nullopt);
}

TEST_F(VgaTest, GraphicsModesHaveNoText) {
  planar();
  EXPECT_EQ(to_text(text_screen(vga.state())), "(graphics mode)\n");
}

// ---- the window as plain memory ---------------------------------------------------------------

// Whether it says so, and is right.
bool is_plain(VgaLab& lab, std::uint32_t offset) {
  if (lab.vga.direct_window() != offset) return false;
  for (const std::uint32_t at : {0U, 1U, 0x1237U, 0xFFFFU}) {
    lab.poke(0xA0000 + at, at & 0xFF);
    if (lab.memory[offset + at] != (at & 0xFF) || lab.peek(0xA0000 + at) != (at & 0xFF)) return false;
  }
  return true;
}

TEST_F(VgaTest, ChainedPlanesArePlainMemory) {
  planar();
  EXPECT_FALSE(vga.direct_window());
  seq(4, 0x0E);
  EXPECT_TRUE(is_plain(*this, 0));
  seq(2, 0x07);
  EXPECT_FALSE(vga.direct_window()) << "one plane is closed";
  seq(2, 0x0F);
  gc(6, 0x01);
  EXPECT_FALSE(vga.direct_window()) << "a window of 128 KiB";
  gc(6, 0x0D);
  EXPECT_FALSE(vga.direct_window()) << "a window at B8000h";
}

TEST_F(VgaTest, BanksOfDispiArePlainMemory) {
  planar();
  dispi(1, 640);
  dispi(2, 480);
  dispi(3, 8);
  dispi(4, 1);
  EXPECT_TRUE(is_plain(*this, 0));
  dispi(5, 3);
  EXPECT_TRUE(is_plain(*this, 0x30000));
}

TEST_F(VgaTest, TextIsNoPlainMemory) {
  text();
  EXPECT_FALSE(vga.direct_window());
}

// ---- PCI --------------------------------------------------------------------------------------

TEST(VgaPci, TellsWhereItsMemoryRegistersAndRomAre) {
  VgaPci::Places places;
  VgaPci function(0x10000, [&](const VgaPci::Places&, const VgaPci::Places& now) { places = now; });
  function.config_write(0x30, 4, 0xFFFFFFFE);
  EXPECT_EQ(function.config_dword(0x30), 0xFFFF0000U);
  function.config_write(0x10, 4, 0xE0000000);
  function.config_write(0x18, 4, 0xE1000000);
  function.config_write(0x30, 4, 0xE1010000);
  EXPECT_EQ(places, VgaPci::Places{});
  function.config_write(0x04, 2, 0x0003);
  EXPECT_EQ(places, (VgaPci::Places{0xE0000000, 0xE1000000, 0}));
  function.config_write(0x30, 4, 0xE1010001);
  EXPECT_EQ(places.rom, 0xE1010000U);
  function.config_write(0x04, 2, 0x0001);
  EXPECT_EQ(places, VgaPci::Places{});
}

}  // namespace
}  // namespace ringshift::devices
