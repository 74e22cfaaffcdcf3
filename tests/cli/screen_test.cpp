// The screen in a terminal, and the keyboard behind it.
#include "cli/screen.h"

#include <gtest/gtest.h>

#include "cli/typed_keys.h"

namespace ringshift::cli {
namespace {

devices::TextScreen screen_of(std::string_view text) {
  devices::TextScreen screen;
  screen.columns = 4;
  screen.rows = 2;
  screen.cells.resize(8);
  for (std::size_t i = 0; i < text.size(); ++i) screen.cells[i].character = static_cast<std::uint8_t>(text[i]);
  return screen;
}

TEST(Draw, ClearsAndDrawsWhatIsNew) {
  EXPECT_EQ(draw(nullptr, screen_of("ab")), "\x1B[?25l\x1B[0m\x1B[2J\x1B[1;1H\x1B[0;37;40mab  \x1B[2;1H    ");
}

TEST(Draw, DrawsOnlyWhatChanged) {
  const auto before = screen_of("ab"), after = screen_of("aXY");
  EXPECT_EQ(draw(&before, after), "\x1B[?25l\x1B[1;2H\x1B[0;37;40mXY");
}

TEST(Draw, PutsTheCursorInItsPlace) {
  auto after = screen_of("");
  const auto before = after;
  after.cursor = devices::TextScreen::Cursor{2, 1};
  EXPECT_EQ(draw(&before, after), "\x1B[?25l\x1B[2;3H\x1B[?25h");
}

TEST(Draw, ShowsLineGraphicsAndColors) {
  auto after = screen_of("\xDB");
  const auto before = screen_of("");
  after.cells[0].attribute = 0x1C;  // light red on blue
  EXPECT_EQ(draw(&before, after), "\x1B[?25l\x1B[1;1H\x1B[0;91;44m\u2588");
}

std::string keys_of(std::string_view typed) {
  std::string out;
  for (const auto& key : typed_keys({reinterpret_cast<const std::uint8_t*>(typed.data()), typed.size()})) {
    char text[8];
    std::snprintf(text, sizeof text, "%s%x ", key.pressed ? "+" : "-", key.code);
    out += text;
  }
  return out;
}

TEST(TypedKeys, PressAndRelease) {
  EXPECT_EQ(keys_of("a"), "+1e -1e ");
  EXPECT_EQ(keys_of("\r"), "+1c -1c ");
  EXPECT_EQ(keys_of("\x7F"), "+e -e ");
}

TEST(TypedKeys, HoldShiftControlAndAlt) {
  EXPECT_EQ(keys_of("A"), "+2a +1e -1e -2a ");
  EXPECT_EQ(keys_of("\""), "+2a +28 -28 -2a ");
  EXPECT_EQ(keys_of("\x03"), "+1d +2e -2e -1d ");
  EXPECT_EQ(keys_of("\x1Bx"), "+38 +2d -2d -38 ");
}

TEST(TypedKeys, KnowTerminalSequences) {
  EXPECT_EQ(keys_of("\x1B[A"), "+e048 -e048 ");
  EXPECT_EQ(keys_of("\x1B[24~"), "+58 -58 ");
  EXPECT_EQ(keys_of("\x1B"), "+1 -1 ");
}

TEST(TypedKeys, DropWhatNoKeyMakes) { EXPECT_EQ(keys_of("\xC3\xA4"), ""); }

TEST(TypedKeys, ReachEveryPrintableCharacter) {
  for (char c = ' '; c < 0x7F; ++c) EXPECT_NE(keys_of({&c, 1}), "") << c;
}

}  // namespace
}  // namespace ringshift::cli
