#include "devices/uart.h"

namespace ringshift::devices {

namespace {

enum Offset : std::uint16_t {
  kData = 0,  // RBR, THR, DLL
  kIer = 1,   // and DLM
  kIir = 2,   // FCR when written
  kLcr = 3,
  kMcr = 4,
  kLsr = 5,
  kMsr = 6,
  kScr = 7,
};

// Interrupt enable.
constexpr std::uint8_t kEnableData = 1, kEnableThre = 2, kEnableLine = 4, kEnableModem = 8;
// Interrupt identification.
constexpr std::uint8_t kNone = 0x01, kModem = 0x00, kThre = 0x02, kDataReady = 0x04, kLine = 0x06, kTimeout = 0x0C;
// Line status.
constexpr std::uint8_t kDr = 0x01, kOe = 0x02, kBi = 0x10, kThreAndTemt = 0x60;
constexpr std::uint8_t kRts = 0x02, kOut2 = 0x08;
// Modem status: inputs.
constexpr std::uint8_t kCts = 0x10, kDsr = 0x20, kRi = 0x40, kDcd = 0x80;

}  // namespace

void Uart::reset() {
  ier_ = fcr_ = mcr_ = 0;
  lcr_ = 0x03;
  lsr_errors_ = msr_delta_ = 0;
  fifo_count_ = 0;
  thre_pending_ = false;
  refill();
  update_irq();
}

unsigned Uart::trigger_level() const {
  constexpr unsigned kLevels[] = {1, 4, 8, 14};
  return fifo_enabled() ? kLevels[fcr_ >> 6] : 1;
}

std::uint8_t Uart::cause() const {
  if ((ier_ & kEnableLine) != 0 && lsr_errors_ != 0) return kLine;
  if ((ier_ & kEnableData) != 0 && fifo_count_ != 0) return fifo_count_ >= trigger_level() ? kDataReady : kTimeout;
  if ((ier_ & kEnableThre) != 0 && thre_pending_) return kThre;
  if ((ier_ & kEnableModem) != 0 && msr_delta_ != 0) return kModem;
  return kNone;
}

void Uart::update_irq() {
  const bool level = cause() != kNone && (mcr_ & kOut2) != 0;
  if (level == irq_level_) return;
  irq_level_ = level;
  irq_.set(level);
}

void Uart::push(std::uint8_t byte) {
  if (fifo_count_ == capacity()) {
    // The FIFO keeps what it has; without it the newcomer replaces the old byte.
    lsr_errors_ |= kOe;
    if (!fifo_enabled()) fifo_[fifo_first_] = byte;
    return;
  }
  fifo_[(fifo_first_ + fifo_count_) % kFifoSize] = byte;
  ++fifo_count_;
}

std::uint8_t Uart::pop() {
  if (fifo_count_ == 0) return 0;
  const std::uint8_t byte = fifo_[fifo_first_];
  fifo_first_ = (fifo_first_ + 1) % kFifoSize;
  --fifo_count_;
  return byte;
}

bool Uart::listening() const {
  // Who reads LSR in order to send does not need to read it twice.
  constexpr unsigned kPolling = 8;
  const bool interrupts = (ier_ & kEnableData) != 0 && (mcr_ & kOut2) != 0;
  return (mcr_ & kRts) != 0 || interrupts || lsr_reads_ >= kPolling;
}

void Uart::refill() {
  if (loopback()) return;  // the receiver is off the wire
  if (waits_ && !listening()) return;
  while (!queue_.empty() && fifo_count_ < capacity()) {
    push(queue_.front());
    queue_.pop_front();
  }
}

void Uart::receive(std::span<const std::uint8_t> bytes) {
  queue_.insert(queue_.end(), bytes.begin(), bytes.end());
  refill();
  update_irq();
}

void Uart::receive_break() {
  if (loopback()) return;
  push(0);
  lsr_errors_ |= kBi;
  update_irq();
}

void Uart::transmit(std::uint8_t byte) {
  if (loopback()) {
    push(byte);
  } else {
    backend_.transmit({&byte, 1});
  }
  // The write withdraws the interrupt, and the transmitter has room again at once, which asks for a new one: a falling
  // and a rising edge on the line.
  thre_pending_ = false;
  update_irq();
  thre_pending_ = true;
}

void Uart::write_ier(std::uint8_t value) {
  // Enabling the interrupt while the transmitter is empty raises it, each time: how drivers start to send.
  if ((value & ~ier_ & kEnableThre) != 0) thre_pending_ = true;
  ier_ = value & 0x0F;
  refill();
}

void Uart::write_fcr(std::uint8_t value) {
  const bool toggled = ((value ^ fcr_) & 1) != 0;
  // A driver that enables its interrupt first and the FIFO behind it would lose a byte that no wire could have
  // brought so soon.
  if (toggled && waits_ && !loopback()) {
    for (; fifo_count_ != 0; --fifo_count_) queue_.push_front(fifo_[(fifo_first_ + fifo_count_ - 1) % kFifoSize]);
  }
  if (toggled || (value & 0x02) != 0) fifo_count_ = 0;
  // Bits other than 0 are programmed only together with bit 0. Bits 1 and 2 clear themselves.
  fcr_ = (value & 1) != 0 ? value & 0xC9 : 0;
  refill();
}

std::uint8_t Uart::modem_inputs() const {
  if (!loopback()) return external_;
  return static_cast<std::uint8_t>(((mcr_ & 0x02) != 0 ? kCts : 0) | ((mcr_ & 0x01) != 0 ? kDsr : 0) |
                                   ((mcr_ & 0x04) != 0 ? kRi : 0) | ((mcr_ & kOut2) != 0 ? kDcd : 0));
}

void Uart::modem_changed(std::uint8_t before) {
  const std::uint8_t after = modem_inputs();
  msr_delta_ |= static_cast<std::uint8_t>(((before ^ after) & (kCts | kDsr | kDcd)) >> 4);
  if ((before & ~after & kRi) != 0) msr_delta_ |= kRi >> 4;  // only the trailing edge
}

void Uart::set_modem_inputs(std::uint8_t msr_high_bits) {
  const std::uint8_t before = modem_inputs();
  external_ = msr_high_bits & 0xF0;
  modem_changed(before);
  update_irq();
}

void Uart::write_mcr(std::uint8_t value) {
  const std::uint8_t before = modem_inputs();
  mcr_ = value & 0x1F;
  modem_changed(before);
  refill();
}

std::uint8_t Uart::read8(std::uint16_t offset) {
  std::uint8_t value = 0;
  if ((offset & 7) != kLsr) lsr_reads_ = 0;
  switch (offset & 7) {
    case kData:
      if (divisor_latch()) return static_cast<std::uint8_t>(divisor_);
      value = pop();
      refill();
      break;
    case kIer:
      return divisor_latch() ? static_cast<std::uint8_t>(divisor_ >> 8) : ier_;
    case kIir:
      value = cause();
      if (value == kThre) thre_pending_ = false;  // reporting it acknowledges it
      if (fifo_enabled()) value |= 0xC0;
      break;
    case kLcr:
      return lcr_;
    case kMcr:
      return mcr_;
    case kLsr:
      if (waits_) {
        ++lsr_reads_;
        refill();
      }
      value = static_cast<std::uint8_t>(kThreAndTemt | lsr_errors_ | (fifo_count_ != 0 ? kDr : 0));
      if (fifo_enabled() && (lsr_errors_ & ~kOe) != 0) value |= 0x80;
      lsr_errors_ = 0;
      break;
    case kMsr:
      value = static_cast<std::uint8_t>(modem_inputs() | msr_delta_);
      msr_delta_ = 0;
      break;
    default:
      return scr_;
  }
  update_irq();
  return value;
}

void Uart::write8(std::uint16_t offset, std::uint8_t value) {
  lsr_reads_ = 0;
  switch (offset & 7) {
    case kData:
      if (divisor_latch()) {
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0xFF00) | value);
        return;
      }
      transmit(value);
      break;
    case kIer:
      if (divisor_latch()) {
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0x00FF) | value << 8);
        return;
      }
      write_ier(value);
      break;
    case kIir:
      write_fcr(value);
      break;
    case kLcr:
      lcr_ = value;
      return;
    case kMcr:
      write_mcr(value);
      break;
    case kScr:
      scr_ = value;
      return;
    default:  // LSR and MSR: factory tests
      ++odd_;
      return;
  }
  update_irq();
}

}  // namespace ringshift::devices
