// The mouse, alone and behind the keyboard controller (IBM PS/2 Hardware Interface Technical Reference).
#include "devices/ps2_mouse.h"

#include <gtest/gtest.h>

#include <vector>

#include "devices/i8042.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

using Bytes = std::vector<unsigned>;

struct Ps2MouseTest : testing::Test {
  Bytes drain() {
    Bytes out;
    while (mouse.has_output()) out.push_back(mouse.take());
    return out;
  }
  Bytes say(std::initializer_list<unsigned> bytes) {
    Bytes out;
    for (const unsigned byte : bytes) {
      mouse.command(static_cast<std::uint8_t>(byte));
      for (const unsigned answer : drain()) out.push_back(answer);
    }
    return out;
  }
  Bytes moved(const PointerMove& move) {
    mouse.move(move);
    return drain();
  }
  void knock(std::initializer_list<unsigned> rates) {
    for (const unsigned rate : rates) say({0xF3, rate});
  }
  Ps2Mouse mouse;
};

TEST_F(Ps2MouseTest, ResetAnswersWithTheSelfTestAndIdentity) { EXPECT_EQ(say({0xFF}), (Bytes{0xFA, 0xAA, 0x00})); }

TEST_F(Ps2MouseTest, IsQuietUntilReportingIsOn) {
  EXPECT_EQ(moved({.dx = 5}), Bytes{});
  say({0xF4});
  EXPECT_EQ(drain(), Bytes{}) << "what happened before is not told";
  EXPECT_EQ(moved({.dx = 5}), (Bytes{0x08, 5, 0}));
  say({0xF5});
  EXPECT_EQ(moved({.dx = 5}), Bytes{});
}

TEST_F(Ps2MouseTest, PacketsHaveSignsAndCountUpwards) {
  say({0xF4});
  EXPECT_EQ(moved({.dx = -3, .dy = 2}), (Bytes{0x38, 0xFD, 0xFE}));
  EXPECT_EQ(moved({.dx = 0, .dy = -1}), (Bytes{0x08, 0, 1}));
}

TEST_F(Ps2MouseTest, ButtonsComeInTheFirstByte) {
  say({0xF4});
  EXPECT_EQ(moved({.buttons = pointer::kLeft}), (Bytes{0x09, 0, 0}));
  EXPECT_EQ(moved({.buttons = pointer::kRight | pointer::kMiddle}), (Bytes{0x0E, 0, 0}));
  EXPECT_EQ(moved({}), (Bytes{0x08, 0, 0}));
  EXPECT_EQ(moved({}), Bytes{}) << "nothing has changed";
}

TEST_F(Ps2MouseTest, LongWaysTakeSeveralPackets) {
  say({0xF4});
  EXPECT_EQ(moved({.dx = 300}), (Bytes{0x08, 255, 0, 0x08, 45, 0}));
}

TEST_F(Ps2MouseTest, WhatHappensBeforeAPacketIsReadIsAddedUp) {
  say({0xF4});
  mouse.move({.dx = 1});
  mouse.move({.dx = 2});
  mouse.move({.dx = 3});
  EXPECT_EQ(drain(), (Bytes{0x08, 1, 0, 0x08, 5, 0}));
}

TEST_F(Ps2MouseTest, BecomesAnIntelliMouseWhenAskedInItsWay) {
  EXPECT_EQ(say({0xF2}), (Bytes{0xFA, 0}));
  knock({200, 100, 80});
  EXPECT_EQ(say({0xF2}), (Bytes{0xFA, 3}));
  say({0xF4});
  EXPECT_EQ(moved({.wheel = -1}), (Bytes{0x08, 0, 0, 0xFF}));
  say({0xFF});
  EXPECT_EQ(say({0xF2}), (Bytes{0xFA, 0}));
}

TEST_F(Ps2MouseTest, TheExplorerHasFiveButtons) {
  knock({200, 100, 80});
  knock({200, 200, 80});
  EXPECT_EQ(say({0xF2}), (Bytes{0xFA, 4}));
  say({0xF4});
  EXPECT_EQ(moved({.wheel = 2, .buttons = pointer::kBack}), (Bytes{0x08, 0, 0, 0x12}));
  EXPECT_EQ(moved({.buttons = pointer::kForward}), (Bytes{0x08, 0, 0, 0x20}));
}

TEST_F(Ps2MouseTest, StatusTellsModeButtonsResolutionAndRate) {
  say({0xE8, 3, 0xF3, 40, 0xE7, 0xF4});
  moved({.buttons = pointer::kLeft | pointer::kRight});
  EXPECT_EQ(say({0xE9}), (Bytes{0xFA, 0x35, 3, 40}));
}

TEST_F(Ps2MouseTest, ScalingDoublesWhatAStreamReports) {
  say({0xE7, 0xF4});
  EXPECT_EQ(moved({.dx = 3, .dy = -20}), (Bytes{0x08, 3, 40}));
  EXPECT_EQ(moved({.dx = 5}), (Bytes{0x08, 9, 0}));
}

TEST_F(Ps2MouseTest, RemoteModeSpeaksWhenAsked) {
  say({0xF0});
  EXPECT_EQ(moved({.dx = 7}), Bytes{});
  EXPECT_EQ(say({0xEB}), (Bytes{0xFA, 0x08, 7, 0}));
}

TEST_F(Ps2MouseTest, WrapModeEchoes) {
  say({0xEE});
  EXPECT_EQ(say({0xF4, 0x12}), (Bytes{0xF4, 0x12}));
  EXPECT_EQ(say({0xEC}), Bytes{0xFA});
  EXPECT_EQ(say({0xF2}), (Bytes{0xFA, 0}));
}

TEST_F(Ps2MouseTest, ResendsItsLastAnswerAndRefusesTheUnknown) {
  say({0xF4});
  moved({.dx = 1, .dy = 1});
  EXPECT_EQ(say({0xFE}), (Bytes{0x28, 1, 0xFF}));
  EXPECT_EQ(say({0x77}), Bytes{0xFE});
}

// ---- behind the controller --------------------------------------------------------------------

struct MousePortTest : testing::Test {
  void command(unsigned value) { out8(i8042.command_port(), 0, value); }
  void data(unsigned value) { out8(i8042.data_port(), 0, value); }
  void to_mouse(unsigned value) {
    command(0xD4);
    data(value);
  }
  unsigned status() { return in8(i8042.command_port()); }
  unsigned read() { return in8(i8042.data_port()); }

  FakeLine irq1, irq12;
  A20Gate a20;
  I8042 i8042{irq1, irq12, a20, {}, I8042::AuxPort::mouse};
};

TEST_F(MousePortTest, AnswersComeAsAuxiliaryData) {
  command(0xA8);
  to_mouse(0xF2);
  EXPECT_EQ(status() & 0x21U, 0x21U);
  EXPECT_EQ(read(), 0xFAU);
  EXPECT_EQ(read(), 0x00U);
  EXPECT_EQ(status() & 0x01U, 0U);
}

TEST_F(MousePortTest, PacketsRaiseInterrupt12AByteEach) {
  command(0x60);
  data(0x47);  // both interrupts, both ports on
  to_mouse(0xF4);
  read();
  irq12.rises = 0;
  i8042.move_pointer({.dx = 1, .dy = -1});
  EXPECT_TRUE(irq12.level);
  EXPECT_FALSE(irq1.level);
  EXPECT_EQ((Bytes{read(), read(), read()}), (Bytes{0x08, 1, 1}));
  EXPECT_EQ(irq12.rises, 3U);
  EXPECT_FALSE(irq12.level);
}

TEST_F(MousePortTest, ADisabledPortKeepsItsPacket) {
  command(0xA8);
  to_mouse(0xF4);
  read();
  command(0xA7);
  i8042.move_pointer({.dx = 1});
  EXPECT_EQ(status() & 0x01U, 0U);
  command(0xA8);
  EXPECT_EQ(status() & 0x21U, 0x21U);
}

TEST_F(MousePortTest, KeysAndPacketsDoNotMix) {
  command(0x60);
  data(0x47);
  to_mouse(0xF4);
  read();
  i8042.move_pointer({.dx = 1});
  i8042.key(0x1E, true);
  Bytes mouse_bytes, key_bytes;
  while ((status() & 1U) != 0) {
    const bool aux = (status() & 0x20U) != 0;
    (aux ? mouse_bytes : key_bytes).push_back(read());
  }
  EXPECT_EQ(mouse_bytes, (Bytes{0x08, 1, 0}));
  EXPECT_EQ(key_bytes, Bytes{0x1E});
}

}  // namespace
}  // namespace ringshift::devices
