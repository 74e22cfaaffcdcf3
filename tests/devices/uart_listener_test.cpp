// When a UART takes what its other end has to send, if that end waits for a listener: nothing is lost in the
// way drivers look for a port and open it.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "devices/uart.h"
#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

enum Register : std::uint16_t {
  kData,
  kIer,
  kFcr,
  kLcr,
  kMcr,
  kLsr
};

class UartListener : public testing::Test {
 protected:
  UartListener() {
    uart_.wait_for_listener();
    uart_.receive(std::array<std::uint8_t, 3>{'a', 'b', 'c'});
  }
  bool data_ready() { return (in8(uart_, kLsr) & 1) != 0; }
  std::string read_all() {
    std::string text;
    while (data_ready()) text.push_back(static_cast<char>(in8(uart_, kData)));
    return text;
  }

  FakeLine irq_;
  FakeSerial serial_;
  Uart uart_{irq_, serial_};
};

TEST_F(UartListener, BytesWaitWhileNobodyListens) {
  EXPECT_FALSE(data_ready());
  EXPECT_EQ(uart_.unread(), 3U);
}

TEST_F(UartListener, RequestToSendBringsThem) {
  out8(uart_, kMcr, 0x02);
  EXPECT_EQ(read_all(), "abc");
}

TEST_F(UartListener, TheInterruptBringsThemOnceItReachesTheCpu) {
  out8(uart_, kIer, 0x01);  // a driver that looks which bits exist
  EXPECT_FALSE(data_ready());
  out8(uart_, kMcr, 0x08);
  EXPECT_TRUE(irq_.level);
  EXPECT_EQ(read_all(), "abc");
}

TEST_F(UartListener, PollingBringsThem) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    if (data_ready()) text.push_back(static_cast<char>(in8(uart_, kData)));
  }
  EXPECT_EQ(text, "abc");
}

TEST_F(UartListener, SendingIsNoPolling) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(data_ready());
    out8(uart_, kData, 'x');
  }
  EXPECT_EQ(serial_.sent.size(), 100U);
}

TEST_F(UartListener, SwitchingTheFifoOnLosesNothing) {
  out8(uart_, kMcr, 0x02);
  out8(uart_, kFcr, 0x01);
  EXPECT_EQ(read_all(), "abc");
}

TEST_F(UartListener, ClearingTheFifoLosesWhatIsInIt) {
  out8(uart_, kFcr, 0x01);
  out8(uart_, kMcr, 0x02);
  out8(uart_, kFcr, 0x03);
  EXPECT_EQ(read_all(), "");
}

}  // namespace
}  // namespace ringshift::devices
