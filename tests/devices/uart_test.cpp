// The 16550A as a driver sees it (National PC16550D data sheet).
#include "devices/uart.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "tests/devices/fakes.h"

namespace ringshift::devices {
namespace {

enum Offset : std::uint16_t {
  kData,
  kIer,
  kIir,
  kLcr,
  kMcr,
  kLsr,
  kMsr,
  kScr,
  kFcr = kIir
};
constexpr unsigned kDataReadyIrq = 1, kThreIrq = 2, kLineIrq = 4, kModemIrq = 8;
constexpr unsigned kOut2 = 0x08, kLoop = 0x10;
constexpr unsigned kDr = 0x01, kOe = 0x02, kBi = 0x10, kThre = 0x20, kTemt = 0x40;

class UartTest : public testing::Test {
 protected:
  UartTest() { set(kMcr, 0x0B); }

  unsigned get(Offset offset) { return in8(uart, offset); }
  void set(Offset offset, unsigned value) { out8(uart, offset, value); }
  void receive(std::string_view text) {
    uart.receive({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  // Bits 3-0: what asks, with the FIFO bits left out.
  unsigned cause() { return get(kIir) & 0x0F; }
  std::string drain() {
    std::string out;
    while ((get(kLsr) & kDr) != 0) out.push_back(static_cast<char>(get(kData)));
    return out;
  }

  FakeLine irq;
  FakeSerial host;
  Uart uart{irq, host};
};

constexpr unsigned kNoCause = 0x1, kModemCause = 0x0, kThreCause = 0x2, kDataCause = 0x4, kLineCause = 0x6,
                   kTimeoutCause = 0xC;

// ---- registers --------------------------------------------------------------------------------

TEST_F(UartTest, DivisorLatchHidesDataAndInterruptEnable) {
  set(kIer, 0x05);
  set(kLcr, 0x83);
  set(kData, 0x34);
  set(kIer, 0x12);
  EXPECT_EQ(get(kData), 0x34U);
  EXPECT_EQ(get(kIer), 0x12U);
  set(kLcr, 0x03);
  EXPECT_EQ(get(kIer), 0x05U);
  EXPECT_EQ(host.sent, "");
}

TEST_F(UartTest, ReservedBitsReadAsZero) {
  set(kIer, 0xFF);
  set(kMcr, 0xFF);
  EXPECT_EQ(get(kIer), 0x0FU);
  EXPECT_EQ(get(kMcr), 0x1FU);
}

TEST_F(UartTest, ScratchRegisterKeepsWhatIsWritten) {
  set(kScr, 0xA5);
  EXPECT_EQ(get(kScr), 0xA5U);
}

TEST_F(UartTest, FifoEnableShowsInIir) {
  EXPECT_EQ(get(kIir), kNoCause);
  set(kFcr, 0x01);
  EXPECT_EQ(get(kIir), 0xC0U | kNoCause);
  set(kFcr, 0x00);
  EXPECT_EQ(get(kIir), kNoCause);
}

TEST_F(UartTest, LineAndModemStatusCannotBeWritten) {
  set(kLsr, 0xFF);
  set(kMsr, 0xFF);
  EXPECT_EQ(get(kLsr), kThre | kTemt);
  EXPECT_EQ(get(kMsr) & 0x0F, 0U);
  EXPECT_EQ(uart.odd_accesses(), 2U);
}

// ---- receiving --------------------------------------------------------------------------------

TEST_F(UartTest, DataReadyFallsWithTheLastByteRead) {
  receive("ab");
  EXPECT_EQ(get(kLsr) & kDr, kDr);
  EXPECT_EQ(get(kData), 'a');
  EXPECT_EQ(get(kLsr) & kDr, kDr);
  EXPECT_EQ(get(kData), 'b');
  EXPECT_EQ(get(kLsr) & kDr, 0U);
}

struct TriggerRow {
  unsigned fcr, level;
};
class UartTrigger : public UartTest, public testing::WithParamInterface<TriggerRow> {};

// Bits 7-6 of FCR; below the level only the character time-out asks.
TEST_P(UartTrigger, LevelDecidesBetweenDataAndTimeout) {
  set(kFcr, GetParam().fcr);
  set(kIer, kDataReadyIrq);
  receive(std::string(GetParam().level, 'x'));
  EXPECT_EQ(cause(), kDataCause);
  get(kData);
  EXPECT_EQ(cause(), GetParam().level == 1 ? kNoCause : kTimeoutCause);
}
INSTANTIATE_TEST_SUITE_P(Fcr, UartTrigger,
                         testing::Values(TriggerRow{0x01, 1}, TriggerRow{0x41, 4}, TriggerRow{0x81, 8},
                                         TriggerRow{0xC1, 14}, TriggerRow{0xC0, 1}));

TEST_F(UartTest, TimeoutEndsWhenTheFifoIsEmpty) {
  set(kFcr, 0xC1);
  set(kIer, kDataReadyIrq);
  receive("ab");
  EXPECT_EQ(cause(), kTimeoutCause);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(drain(), "ab");
  EXPECT_FALSE(irq.level);
}

TEST_F(UartTest, PasteOfAMegabyteLosesNothing) {
  set(kFcr, 0x81);
  set(kIer, kDataReadyIrq | kLineIrq);
  std::string paste(1 << 20, ' ');
  std::iota(paste.begin(), paste.end(), '\0');
  receive(paste);
  std::string got;
  while (irq.level) {
    ASSERT_NE(cause(), kLineCause);
    for (unsigned i = 0; i < 16 && (get(kLsr) & kDr) != 0; ++i) got.push_back(static_cast<char>(get(kData)));
  }
  EXPECT_EQ(got == paste, true);
  EXPECT_EQ(uart.unread(), 0U);
}

TEST_F(UartTest, UnreadCountsFifoAndQueue) {
  set(kFcr, 0x01);
  receive(std::string(100, 'x'));
  get(kData);
  EXPECT_EQ(uart.unread(), 99U);
}

TEST_F(UartTest, ReceiverResetEmptiesTheFifoOnly) {
  set(kFcr, 0x01);
  receive(std::string(16, 'x') + "rest");
  set(kFcr, 0x03);
  EXPECT_EQ(drain(), "rest") << "what was still on the way arrives";
}

TEST_F(UartTest, ChangingFifoModeEmptiesIt) {
  set(kFcr, 0x01);
  receive("abc");
  set(kFcr, 0x00);
  EXPECT_EQ(get(kLsr) & kDr, 0U);
}

TEST_F(UartTest, BreakIsAZeroByteWithBi) {
  set(kFcr, 0x01);
  set(kIer, kLineIrq);
  uart.receive_break();
  EXPECT_EQ(cause(), kLineCause);
  EXPECT_EQ(get(kLsr), kThre | kTemt | kBi | kDr | 0x80U) << "bit 7: an error somewhere in the FIFO";
  EXPECT_EQ(get(kLsr), kThre | kTemt | kDr) << "reading clears it";
  EXPECT_EQ(get(kData), 0U);
}

// ---- sending ----------------------------------------------------------------------------------

TEST_F(UartTest, TransmitterIsAlwaysEmptyAgain) {
  set(kData, 'A');
  EXPECT_EQ(get(kLsr) & (kThre | kTemt), kThre | kTemt);
  EXPECT_EQ(host.sent, "A");
}

TEST_F(UartTest, EnablingThreInterruptRaisesItEachTime) {
  for (unsigned i = 0; i < 3; ++i) {
    set(kIer, kThreIrq);
    EXPECT_TRUE(irq.level);
    set(kIer, 0);
    EXPECT_FALSE(irq.level);
  }
}

// What Linux calls UART_BUG_THRE is a chip that does not pass this.
TEST_F(UartTest, ThreAsksAgainAfterIirWasReadAndTheEnableToggled) {
  set(kIer, kThreIrq);
  EXPECT_EQ(cause(), kThreCause);
  set(kIer, 0);
  set(kIer, kThreIrq);
  EXPECT_EQ(cause(), kThreCause);
}

TEST_F(UartTest, ReadingIirAcknowledgesThre) {
  set(kIer, kThreIrq);
  EXPECT_EQ(cause(), kThreCause);
  EXPECT_EQ(cause(), kNoCause);
  EXPECT_FALSE(irq.level);
}

TEST_F(UartTest, WritingDataMakesANewEdgeForThre) {
  set(kIer, kThreIrq);
  const unsigned before = irq.rises;
  set(kData, 'A');
  EXPECT_EQ(irq.rises, before + 1);
  get(kIir);
  set(kData, 'B');
  EXPECT_EQ(irq.rises, before + 2);
}

TEST_F(UartTest, ReadingIirForAnotherCauseKeepsThre) {
  set(kIer, kThreIrq | kDataReadyIrq);
  receive("x");
  EXPECT_EQ(cause(), kDataCause);
  get(kData);
  EXPECT_EQ(cause(), kThreCause);
}

// ---- priorities (table IV) --------------------------------------------------------------------

TEST_F(UartTest, CausesComeInTheOrderOfPriority) {
  set(kFcr, 0x01);
  set(kIer, 0x0F);
  uart.set_modem_inputs(0x00);
  receive("x");
  uart.receive_break();
  EXPECT_EQ(cause(), kLineCause);
  get(kLsr);
  EXPECT_EQ(cause(), kDataCause);
  drain();
  EXPECT_EQ(cause(), kThreCause);
  EXPECT_EQ(cause(), kModemCause);
  get(kMsr);
  EXPECT_EQ(cause(), kNoCause);
}

TEST_F(UartTest, InterruptPinIsGatedByOut2) {
  set(kMcr, 0x03);
  set(kIer, kThreIrq);
  EXPECT_FALSE(irq.level);
  set(kMcr, 0x03 | kOut2);
  EXPECT_TRUE(irq.level);
}

// ---- modem ------------------------------------------------------------------------------------

TEST_F(UartTest, TerminalIsThere) { EXPECT_EQ(get(kMsr) & 0xF0, 0xB0U); }

TEST_F(UartTest, ModemDeltasAreClearedByReading) {
  set(kIer, kModemIrq);
  uart.set_modem_inputs(0x30);  // DCD falls
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(get(kMsr), 0x38U);
  EXPECT_EQ(get(kMsr), 0x30U);
  EXPECT_FALSE(irq.level);
}

TEST_F(UartTest, RingIndicatorReportsItsTrailingEdgeOnly) {
  uart.set_modem_inputs(0xF0);
  EXPECT_EQ(get(kMsr) & 0x0F, 0U);
  uart.set_modem_inputs(0xB0);
  EXPECT_EQ(get(kMsr) & 0x0F, 0x04U);
}

// ---- loopback ---------------------------------------------------------------------------------

TEST_F(UartTest, LoopbackReceivesWhatIsSentAndNothingElse) {
  set(kFcr, 0x01);
  set(kMcr, kLoop);
  receive("wire");
  for (const char c : {'a', 'b'}) set(kData, static_cast<unsigned>(c));
  EXPECT_EQ(drain(), "ab");
  EXPECT_EQ(host.sent, "");
  set(kMcr, 0x0B);
  EXPECT_EQ(drain(), "wire");
}

TEST_F(UartTest, LoopbackOverrunKeepsTheFifo) {
  set(kFcr, 0x01);
  set(kMcr, kLoop);
  for (unsigned i = 0; i < 17; ++i) set(kData, 'a' + i);
  EXPECT_EQ(get(kLsr) & kOe, kOe);
  EXPECT_EQ(drain(), "abcdefghijklmnop");
}

TEST_F(UartTest, WithoutFifoAnOverrunReplacesTheByte) {
  set(kMcr, kLoop);
  set(kData, 'a');
  set(kData, 'b');
  EXPECT_EQ(get(kLsr) & kOe, kOe);
  EXPECT_EQ(drain(), "b");
}

struct LoopRow {
  unsigned mcr, msr;
};
class UartLoop : public UartTest, public testing::WithParamInterface<LoopRow> {};

// RTS is connected to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. Linux's autodetection is the last row.
TEST_P(UartLoop, ConnectsModemOutputsToInputs) {
  set(kMcr, kLoop | GetParam().mcr);
  EXPECT_EQ(get(kMsr) & 0xF0, GetParam().msr);
}
INSTANTIATE_TEST_SUITE_P(Pins, UartLoop,
                         testing::Values(LoopRow{0, 0}, LoopRow{0x01, 0x20}, LoopRow{0x02, 0x10}, LoopRow{0x04, 0x40},
                                         LoopRow{0x08, 0x80}, LoopRow{0x0A, 0x90}));

// ---- reset ------------------------------------------------------------------------------------

TEST_F(UartTest, ResetMasksInterruptsAndKeepsTheScratchRegister) {
  set(kScr, 0x5A);
  set(kFcr, 0x01);
  set(kIer, 0x0F);
  receive("x");
  EXPECT_TRUE(irq.level);
  uart.reset();
  EXPECT_FALSE(irq.level);
  EXPECT_EQ(get(kIer), 0U);
  EXPECT_EQ(get(kIir), kNoCause);
  EXPECT_EQ(get(kScr), 0x5AU);
}

}  // namespace
}  // namespace ringshift::devices
