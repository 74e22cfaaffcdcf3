// Keys that are held, keys with codes of their own, scan code set 3, and the names of keys.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "devices/i8042.h"
#include "devices/key_names.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

using Bytes = std::vector<unsigned>;
constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint16_t kA = 0x1E, kB = 0x30, kPrint = 0xE037;

struct TypematicTest : testing::Test {
  void command(unsigned value) { out8(i8042.command_port(), 0, value); }
  void data(unsigned value) { out8(i8042.data_port(), 0, value); }
  Bytes drain() {
    Bytes out;
    while ((in8(i8042.command_port()) & 1U) != 0) out.push_back(in8(i8042.data_port()));
    return out;
  }
  Bytes keyboard(std::initializer_list<unsigned> bytes) {
    Bytes out;
    for (const unsigned byte : bytes) {
      data(byte);
      for (const unsigned answer : drain()) out.push_back(answer);
    }
    return out;
  }
  Bytes key(std::uint16_t code, bool pressed) {
    i8042.key(code, pressed);
    return drain();
  }
  // The bytes that come in so many milliseconds, read at once.
  Bytes in_ms(unsigned ms) {
    Bytes out;
    for (unsigned i = 0; i < ms; ++i) {
      time.advance(kMs);
      for (const unsigned byte : drain()) out.push_back(byte);
    }
    return out;
  }
  void untranslated() {
    command(0x60);
    data(0x05);
  }

  FakeTime time;
  FakeLine irq1, irq12;
  A20Gate a20;
  I8042 i8042{irq1, irq12, a20, {}, I8042::AuxPort::absent, &time.events()};
};

// After reset: 500 ms, then 10.9 a second.
TEST_F(TypematicTest, AHeldKeyRepeatsAfterItsDelay) {
  EXPECT_EQ(key(kA, true), Bytes{kA});
  EXPECT_EQ(in_ms(499), Bytes{});
  EXPECT_EQ(in_ms(2), Bytes{kA});
  EXPECT_NEAR(static_cast<double>(in_ms(1000).size()), 10.9, 1);
  EXPECT_EQ(key(kA, false), Bytes{kA | 0x80U});
  EXPECT_EQ(in_ms(2000), Bytes{});
}

TEST_F(TypematicTest, TheLastKeyPressedRepeats) {
  key(kA, true);
  key(kB, true);
  key(kA, false);
  EXPECT_EQ(in_ms(510), Bytes{kB});
}

TEST_F(TypematicTest, AnotherKeysReleaseDoesNotMatter) {
  key(kA, true);
  key(kB, true);
  key(kB, false);
  EXPECT_EQ(in_ms(2000), Bytes{});
}

TEST_F(TypematicTest, TheRateIsTheDrivers) {
  keyboard({0xF3, 0x00});  // 250 ms, 30 a second
  key(kA, true);
  EXPECT_EQ(in_ms(249), Bytes{});
  EXPECT_EQ(in_ms(2), Bytes{kA});
  EXPECT_NEAR(static_cast<double>(in_ms(1000).size()), 30, 1);
  keyboard({0xF3, 0x7F});  // 1 s, 2 a second
  key(kB, true);
  EXPECT_EQ(in_ms(999), Bytes{});
  EXPECT_NEAR(static_cast<double>(in_ms(3000).size()), 1 + 6, 1);
}

TEST_F(TypematicTest, AKeyThatIsNotReadDoesNotRepeat) {
  i8042.key(kA, true);
  time.advance(3000 * kMs);
  EXPECT_EQ(drain(), Bytes{kA});
  EXPECT_EQ(key(kA, false), Bytes{kA | 0x80U});
  EXPECT_EQ(in_ms(1000), Bytes{});
}

TEST_F(TypematicTest, PauseSaysAllAtOnce) {
  EXPECT_EQ(key(kPauseKey, true), (Bytes{0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5}));
  EXPECT_EQ(key(kPauseKey, false), Bytes{});
  EXPECT_EQ(in_ms(1000), Bytes{});
}

TEST_F(TypematicTest, PrintHasAShiftAroundIt) {
  EXPECT_EQ(key(kPrint, true), (Bytes{0xE0, 0x2A, 0xE0, 0x37}));
  EXPECT_EQ(in_ms(510), (Bytes{0xE0, 0x37}));
  EXPECT_EQ(key(kPrint, false), (Bytes{0xE0, 0xB7, 0xE0, 0xAA}));
}

TEST_F(TypematicTest, Set3HasAByteForEachKey) {
  untranslated();
  EXPECT_EQ(keyboard({0xF0, 3, 0xF0, 0}), (Bytes{0xFA, 0xFA, 0xFA, 0xFA, 3}));
  EXPECT_EQ(key(kA, true), Bytes{0x1C});
  EXPECT_EQ(key(kA, false), Bytes{}) << "most keys have no break code in set 3";
  EXPECT_EQ(key(0x2A, true), Bytes{0x12});
  EXPECT_EQ(key(0x2A, false), (Bytes{0xF0, 0x12}));
  keyboard({0xF8});
  EXPECT_EQ(key(0xE048, true), Bytes{0x63});
  EXPECT_EQ(in_ms(2000), Bytes{}) << "make and break alone";
  EXPECT_EQ(key(0xE048, false), (Bytes{0xF0, 0x63}));
}

TEST_F(TypematicTest, Set3KeysHaveTypesOfTheirOwn) {
  untranslated();
  keyboard({0xF0, 3, 0xF9});
  EXPECT_EQ(keyboard({0xFC, 0x1C, 0xF4}), (Bytes{0xFA, 0xFA, 0xFA}));
  EXPECT_EQ(key(kA, true), Bytes{0x1C});
  EXPECT_EQ(key(kA, false), (Bytes{0xF0, 0x1C}));
  EXPECT_EQ(key(kB, true), Bytes{0x32});
  EXPECT_EQ(key(kB, false), Bytes{});
}

TEST(Set3, EveryNamedKeyHasAnother) {
  std::set<unsigned> seen;
  unsigned keys = 0;
  for (std::uint16_t code = 1; code < 0x59; ++code) {
    if (code == 0x54 || code == 0x55) continue;  // SysRq is Print; 55h is no key
    ++keys;
    seen.insert(set3_code(code));
  }
  EXPECT_EQ(seen.size(), keys);
  EXPECT_FALSE(seen.contains(0));
}

TEST(KeyNames, AreQemus) {
  EXPECT_EQ(key_code("ret"), 0x1C);
  EXPECT_EQ(key_code("spc"), 0x39);
  EXPECT_EQ(key_code("f12"), 0x58);
  EXPECT_EQ(key_code("delete"), 0xE053);
  EXPECT_EQ(key_code("hyper"), std::nullopt);
}

TEST(KeyNames, CombineWithDashes) {
  EXPECT_EQ(key_combination("ctrl-alt-delete"), (std::vector<std::uint16_t>{0x1D, 0x38, 0xE053}));
  EXPECT_EQ(key_combination("a"), std::vector<std::uint16_t>{0x1E});
  EXPECT_EQ(key_combination("ctrl-"), std::nullopt);
  EXPECT_EQ(key_combination(""), std::nullopt);
}

}  // namespace
}  // namespace ringshift::devices
