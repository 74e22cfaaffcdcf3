// The keyboard controller and its keyboard as a driver sees them (IBM PS/2 Hardware Interface Technical Reference).
#include "devices/i8042.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

constexpr unsigned kObf = 0x01, kIbf = 0x02, kSys = 0x04, kA2 = 0x08, kAuxData = 0x20, kTimeout = 0x40;
constexpr unsigned kKeyboardIrq = 0x01, kKeyboardOff = 0x10, kTranslate = 0x40;

class I8042Test : public testing::Test {
 protected:
  explicit I8042Test(I8042::AuxPort aux = I8042::AuxPort::absent)
      : i8042(
            irq1, irq12, a20, [this](PowerRequest request) { power.push_back(request); }, aux) {}

  unsigned status() { return in8(i8042.command_port()); }
  void command(unsigned value) { out8(i8042.command_port(), 0, value); }
  void command(unsigned value, unsigned parameter) {
    command(value);
    data(parameter);
  }
  void data(unsigned value) { out8(i8042.data_port(), 0, value); }
  unsigned read() { return in8(i8042.data_port()); }
  std::vector<unsigned> drain() {
    std::vector<unsigned> out;
    while ((status() & kObf) != 0) out.push_back(read());
    return out;
  }
  // What the controller or the keyboard answers, at once.
  std::vector<unsigned> reply(unsigned controller_command) {
    command(controller_command);
    return drain();
  }
  std::vector<unsigned> keyboard(std::initializer_list<unsigned> bytes) {
    std::vector<unsigned> out;
    for (const unsigned byte : bytes) {
      data(byte);
      for (const unsigned answer : drain()) out.push_back(answer);
    }
    return out;
  }

  using Bytes = std::vector<unsigned>;
  FakeLine irq1, irq12;
  A20Gate a20;
  std::vector<PowerRequest> power;
  I8042 i8042;
};

class I8042WithAux : public I8042Test {
 protected:
  I8042WithAux() : I8042Test(I8042::AuxPort::empty) {}
};

// ---- controller -------------------------------------------------------------------------------

TEST_F(I8042Test, SelfTestPassesAtOnce) {
  EXPECT_EQ(reply(0xAA), Bytes{0x55});
  EXPECT_EQ(status() & kSys, kSys);
}

TEST_F(I8042Test, KeyboardPortTestPasses) { EXPECT_EQ(reply(0xAB), Bytes{0x00}); }

TEST_F(I8042Test, InputBufferIsNeverFull) {
  for (const unsigned value : {0xAAU, 0x20U, 0x60U}) {
    command(value);
    EXPECT_EQ(status() & kIbf, 0U);
  }
}

TEST_F(I8042Test, StatusTellsCommandsFromData) {
  command(0xAE);
  EXPECT_EQ(status() & kA2, kA2);
  data(0xEE);
  EXPECT_EQ(status() & kA2, 0U);
}

TEST_F(I8042Test, FirmwareLeavesKeyboardOnAndTranslated) { EXPECT_EQ(reply(0x20), Bytes{0x65}); }

TEST_F(I8042Test, CommandByteIsReadBackAsWritten) {
  command(0x60, kTranslate | kKeyboardOff);
  EXPECT_EQ(reply(0x20), (Bytes{kTranslate | kKeyboardOff | 0x20U})) << "without a mouse port its clock is off";
  EXPECT_EQ(status() & kSys, 0U) << "SYS follows bit 2";
}

TEST_F(I8042Test, RamIsReadAndWrittenByNumber) {
  command(0x7F, 0xA5);
  EXPECT_EQ(reply(0x3F), Bytes{0xA5});
}

TEST_F(I8042Test, ReadingAnEmptyBufferGivesTheLastByteAgain) {
  EXPECT_EQ(reply(0xAA), Bytes{0x55});
  EXPECT_EQ(status() & kObf, 0U);
  EXPECT_EQ(read(), 0x55U);
}

TEST_F(I8042Test, ReplyRaisesIrq1UntilItIsRead) {
  command(0xAA);
  EXPECT_TRUE(irq1.level);
  read();
  EXPECT_FALSE(irq1.level);
}

TEST_F(I8042Test, DisabledInterruptRaisesNothing) {
  command(0x60, 0x74 & ~kKeyboardIrq);
  command(0xAA);
  EXPECT_EQ(status() & kObf, kObf);
  EXPECT_EQ(irq1.rises, 0U);
}

TEST_F(I8042Test, UnknownCommandsAreCountedAndAnswerNothing) {
  EXPECT_EQ(reply(0xBF), Bytes{});
  EXPECT_EQ(i8042.odd_accesses(), 1U);
}

TEST_F(I8042Test, D2AnswersAsTheKeyboardWould) {
  command(0xD2, 0x1E);
  EXPECT_TRUE(irq1.level);
  EXPECT_EQ(drain(), Bytes{0x1E});
}

// ---- output port ------------------------------------------------------------------------------

TEST_F(I8042Test, OutputPortMasksAddressLine20) {
  command(0xD1, 0xDD);
  EXPECT_FALSE(a20.enabled());
  command(0xD1, 0xDF);
  EXPECT_TRUE(a20.enabled());
  EXPECT_EQ(reply(0xD0).at(0) & 0x02, 0x02U);
}

TEST_F(I8042Test, OutputPortBit0Resets) {
  command(0xD1, 0xFE);
  EXPECT_EQ(power, std::vector{PowerRequest::reset_cpu});
}

TEST_F(I8042Test, PulseFeResets) {
  command(0xFE);
  EXPECT_EQ(power, std::vector{PowerRequest::reset_cpu});
}

TEST_F(I8042Test, PulseOfNoLineDoesNothing) {
  command(0xFF);
  EXPECT_TRUE(power.empty());
  EXPECT_EQ(drain(), Bytes{});
}

// ---- mouse port -------------------------------------------------------------------------------

// Linux decides from this that there is no mouse port, without waiting for one.
TEST_F(I8042Test, WithoutMousePortItsClockCannotBeTurnedOn) {
  command(0xA8);
  EXPECT_EQ(reply(0x20).at(0) & 0x20, 0x20U);
  EXPECT_EQ(reply(0xA9), Bytes{0x01});
  command(0xD3, 0x5A);
  EXPECT_EQ(status() & kAuxData, 0U);
}

TEST_F(I8042WithAux, EmptyMousePortTimesOutAtOnce) {
  command(0xA8);
  command(0x60, 0x47);
  command(0xD4, 0xF2);
  EXPECT_EQ(status() & (kObf | kAuxData | kTimeout), kObf | kAuxData | kTimeout);
  EXPECT_TRUE(irq12.level);
  EXPECT_FALSE(irq1.level);
  EXPECT_EQ(read(), 0xFEU);
  EXPECT_EQ(status() & kTimeout, 0U);
}

TEST_F(I8042WithAux, LoopOfTheMousePortComesBackAsMouseData) {
  command(0xD3, 0x5A);
  EXPECT_EQ(status() & (kObf | kAuxData), kObf | kAuxData);
  EXPECT_EQ(read(), 0x5AU);
}

TEST_F(I8042WithAux, MousePortIsTurnedOffAndOn) {
  command(0xA7);
  EXPECT_EQ(reply(0x20).at(0) & 0x20, 0x20U);
  command(0xA8);
  EXPECT_EQ(reply(0x20).at(0) & 0x20, 0x00U);
  EXPECT_EQ(reply(0xA9), Bytes{0x00});
}

// ---- keyboard ---------------------------------------------------------------------------------

TEST_F(I8042Test, KeyboardResetAcknowledgesAndPassesItsTest) { EXPECT_EQ(keyboard({0xFF}), (Bytes{0xFA, 0xAA})); }

TEST_F(I8042Test, KeyboardIdentifiesItself) {
  EXPECT_EQ(keyboard({0xF2}), (Bytes{0xFA, 0xAB, 0x41})) << "translated";
  command(0x60, 0x25);
  EXPECT_EQ(keyboard({0xF2}), (Bytes{0xFA, 0xAB, 0x83})) << "as it is";
}

TEST_F(I8042Test, KeyboardEchoes) { EXPECT_EQ(keyboard({0xEE}), Bytes{0xEE}); }

TEST_F(I8042Test, KeyboardTakesParameters) {
  EXPECT_EQ(keyboard({0xED, 0x07}), (Bytes{0xFA, 0xFA}));
  EXPECT_EQ(i8042.keyboard().leds(), 7U);
  EXPECT_EQ(keyboard({0xF3, 0x00}), (Bytes{0xFA, 0xFA}));
}

TEST_F(I8042Test, CommandInPlaceOfAParameterIsACommand) {
  EXPECT_EQ(keyboard({0xED, 0xF4}), (Bytes{0xFA, 0xFA}));
  EXPECT_EQ(i8042.keyboard().leds(), 0U);
  EXPECT_EQ(keyboard({0x02}), Bytes{0xFE}) << "not a parameter any more";
}

TEST_F(I8042Test, KeyboardTellsAndChangesItsScanCodeSet) {
  command(0x60, 0x25);
  EXPECT_EQ(keyboard({0xF0, 0x00}), (Bytes{0xFA, 0xFA, 0x02}));
  EXPECT_EQ(keyboard({0xF0, 0x01}), (Bytes{0xFA, 0xFA}));
  EXPECT_EQ(keyboard({0xF0, 0x00}), (Bytes{0xFA, 0xFA, 0x01}));
}

TEST_F(I8042Test, UnknownKeyboardCommandIsAskedForAgain) { EXPECT_EQ(keyboard({0xE7}), Bytes{0xFE}); }

TEST_F(I8042Test, ResendRepeatsTheLastByte) {
  keyboard({0xEE});
  EXPECT_EQ(keyboard({0xFE}), Bytes{0xEE});
}

TEST_F(I8042Test, KeysArriveTranslatedToSet1) {
  i8042.key(0x1E, true);
  i8042.key(0x1E, false);
  EXPECT_EQ(drain(), (Bytes{0x1E, 0x9E}));
  i8042.key(0xE04B, true);
  i8042.key(0xE04B, false);
  EXPECT_EQ(drain(), (Bytes{0xE0, 0x4B, 0xE0, 0xCB}));
}

TEST_F(I8042Test, KeysArriveInSet2WithoutTranslation) {
  command(0x60, 0x25);
  i8042.key(0x1E, true);
  i8042.key(0x1E, false);
  EXPECT_EQ(drain(), (Bytes{0x1C, 0xF0, 0x1C}));
}

TEST_F(I8042Test, EveryMakeCodeSurvivesTranslation) {
  for (unsigned code = 1; code < 0x59; ++code) {
    if (set1_to_set2(static_cast<std::uint8_t>(code)) == 0) continue;
    i8042.key(static_cast<std::uint16_t>(code), true);
    i8042.key(static_cast<std::uint16_t>(code), false);
    EXPECT_EQ(drain(), (Bytes{code, code | 0x80}));
  }
}

TEST_F(I8042Test, OneEdgeForEachByte) {
  i8042.key(0x1E, true);
  i8042.key(0x1F, true);
  EXPECT_EQ(irq1.rises, 1U);
  read();
  EXPECT_EQ(irq1.rises, 2U);
  read();
  EXPECT_FALSE(irq1.level);
}

TEST_F(I8042Test, DisabledKeyboardKeepsItsKeys) {
  command(0xAD);
  i8042.key(0x1E, true);
  EXPECT_EQ(status() & kObf, 0U);
  command(0xAE);
  EXPECT_EQ(drain(), Bytes{0x1E});
}

TEST_F(I8042Test, SendingToTheKeyboardEnablesIt) {
  command(0xAD);
  EXPECT_EQ(keyboard({0xEE}), Bytes{0xEE});
}

TEST_F(I8042Test, ControllerAnswersWhileTheKeyboardIsDisabled) {
  command(0xAD);
  i8042.key(0x1E, true);
  EXPECT_EQ(reply(0xAA), Bytes{0x55});
}

TEST_F(I8042Test, DisabledScanningDropsKeys) {
  keyboard({0xF5});
  i8042.key(0x1E, true);
  EXPECT_EQ(drain(), Bytes{});
  EXPECT_EQ(i8042.keyboard().dropped_keys(), 1U);
  keyboard({0xF4});
  i8042.key(0x1E, true);
  EXPECT_EQ(drain(), Bytes{0x1E});
}

TEST_F(I8042Test, KeysNobodyReadsAreDroppedWhole) {
  for (unsigned i = 0; i < 100; ++i) i8042.key(0xE04B, i % 2 == 0);
  const Bytes got = drain();
  EXPECT_LE(got.size(), 20U);
  EXPECT_EQ(got.size() % 2, 0U);
  EXPECT_GT(i8042.keyboard().dropped_keys(), 80U);
}

TEST_F(I8042Test, RepliesNobodyReadsAreBounded) {
  for (unsigned i = 0; i < 1000; ++i) data(0xF2);
  for (unsigned i = 0; i < 1000; ++i) command(0xAA);
  EXPECT_LE(drain().size(), 64U);
  EXPECT_GT(i8042.odd_accesses(), 1000U);
}

// The order in which Linux brings the keyboard up; any answer that did not come would cost it 200 to 500 ms.
TEST_F(I8042Test, LinuxProbeNeverWaits) {
  drain();
  const Bytes control = reply(0x20);
  ASSERT_EQ(control.size(), 1U);
  command(0x60, (control[0] | kKeyboardOff) & ~kKeyboardIrq);
  command(0x60, (control[0] & ~kKeyboardOff) | kKeyboardIrq);
  for (const auto& step : {Bytes{0xF2}, Bytes{0xF5}, Bytes{0xED, 0x00}, Bytes{0xF3, 0x00}, Bytes{0xF4}}) {
    for (const unsigned byte : step) {
      const unsigned rises = irq1.rises;
      data(byte);
      EXPECT_EQ(irq1.rises, rises + 1);
      EXPECT_EQ(drain().at(0), 0xFAU);
    }
  }
}

}  // namespace
}  // namespace ringshift::devices
