// Ports of one register each.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "devices/debug_port.h"
#include "devices/isa_debug_exit.h"
#include "devices/port92.h"
#include "devices/post_port.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

// ---- system control port A (IBM PS/2 Hardware Interface Technical Reference) ------------------

class Port92Test : public testing::Test {
 protected:
  std::vector<PowerRequest> power;
  A20Gate a20;
  Port92 port{a20, [this](PowerRequest request) { power.push_back(request); }};
};

TEST_F(Port92Test, Bit1OpensA20) {
  a20.set(false);
  EXPECT_FALSE(a20.enabled());
  out8(port, 0, 0x02);
  EXPECT_TRUE(a20.enabled());
  EXPECT_EQ(in8(port) & 0x02, 0x02);
  out8(port, 0, 0x00);
  EXPECT_FALSE(a20.enabled());
}

TEST(A20Gate, TellsOfChangesOnly) {
  std::vector<bool> changes;
  A20Gate gate([&](bool enabled) { changes.push_back(enabled); });
  gate.set(true);
  EXPECT_TRUE(changes.empty());
  gate.set(false);
  gate.set(false);
  EXPECT_EQ(changes, std::vector{false});
}

TEST_F(Port92Test, Bit0ResetsOnItsRisingEdge) {
  out8(port, 0, 0x01);
  EXPECT_EQ(power, std::vector{PowerRequest::reset_cpu});
}

TEST_F(Port92Test, OtherBitsDoNotReset) {
  out8(port, 0, 0xFE);
  EXPECT_TRUE(power.empty());
}

// ---- POST codes -------------------------------------------------------------------------------

TEST(PostPort, ShowsTheLastCode) {
  PostPort port;
  out8(port, 0, 0xAA);
  EXPECT_EQ(port.last(), 0xAA);
  EXPECT_EQ(in8(port), 0xAA);
}

// ---- debug console (Bochs) --------------------------------------------------------------------

TEST(DebugPort, SendsEachByteAndReadsItsNumber) {
  std::string sent;
  DebugPort port([&](std::uint8_t byte) { sent.push_back(static_cast<char>(byte)); });
  out8(port, 0, 'h');
  port.port_write(0, 2, '!' << 8 | 'i');
  EXPECT_EQ(sent.substr(0, 2), "hi");
  EXPECT_EQ(in8(port), 0xE9);
}

// ---- exit port (QEMU's isa-debug-exit) --------------------------------------------------------

struct ExitRow {
  unsigned size;
  std::uint32_t value, code;
};
class DebugExit : public testing::TestWithParam<ExitRow> {};

TEST_P(DebugExit, CodeIsTwiceTheValuePlusOne) {
  std::vector<std::uint32_t> codes;
  IsaDebugExit port([&](std::uint32_t code) { codes.push_back(code); });
  port.port_write(0, GetParam().size, GetParam().value);
  EXPECT_EQ(codes, std::vector{GetParam().code});
  EXPECT_EQ(port.port_read(0, GetParam().size), 0U);
}
INSTANTIATE_TEST_SUITE_P(Values, DebugExit,
                         testing::Values(ExitRow{1, 0, 1}, ExitRow{1, 0x10, 0x21}, ExitRow{2, 0x1234, 0x2469},
                                         ExitRow{4, 0x7FFFFFFF, 0xFFFFFFFF}));

}  // namespace
}  // namespace ringshift::devices
