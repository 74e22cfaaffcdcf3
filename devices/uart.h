// 16550A UART, as on a PC's COM ports.
// Sources: National PC16550D data sheet; on a PC the interrupt pin is gated by OUT2.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>

#include "devices/byte_device.h"
#include "devices/irq_line.h"

namespace ringshift::devices {

// The other end of the cable.
class SerialBackend {
 public:
  virtual ~SerialBackend() = default;
  virtual void transmit(std::span<const std::uint8_t> bytes) = 0;
};

// Time on the wire is not modelled: a byte written is transmitted at once, bytes received wait in a queue from which
// the receiver FIFO is kept full, and the character time-out has always run out when fewer bytes than the trigger
// level are left.
class Uart final : public ByteDevice {
 public:
  Uart(IrqLine& irq, SerialBackend& backend) : irq_(irq), backend_(backend) {}

  std::uint8_t read8(std::uint16_t offset) override;  // eight ports at 3F8h
  void write8(std::uint16_t offset, std::uint8_t value) override;

  // Bytes from the other end; on the virtual CPU's thread.
  void receive(std::span<const std::uint8_t> bytes);
  // From now on bytes wait at the other end until somebody listens here: RTS is asserted, or received data
  // interrupts the CPU, or LSR is read again and again. Drivers empty the FIFO when they look for the port and when
  // they open it, and would lose what came before.
  void wait_for_listener() { waits_ = true; }
  // Bytes received that the guest has not read: lets a sender hold back.
  [[nodiscard]] std::size_t unread() const { return queue_.size() + fifo_count_; }
  // The modem's outputs, as seen in MSR bits 4-7 (CTS, DSR, RI, DCD). A terminal is there from the start: CTS, DSR,
  // DCD.
  void set_modem_inputs(std::uint8_t msr_high_bits);
  // A break condition from the other end.
  void receive_break();
  void reset();

  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  static constexpr unsigned kFifoSize = 16;

  [[nodiscard]] bool fifo_enabled() const { return (fcr_ & 1) != 0; }
  [[nodiscard]] bool loopback() const { return (mcr_ & 0x10) != 0; }
  [[nodiscard]] bool listening() const;
  [[nodiscard]] bool divisor_latch() const { return (lcr_ & 0x80) != 0; }
  [[nodiscard]] unsigned capacity() const { return fifo_enabled() ? kFifoSize : 1; }
  [[nodiscard]] unsigned trigger_level() const;
  // The cause of highest priority, as IIR bits 3-0; 1: none.
  [[nodiscard]] std::uint8_t cause() const;
  void update_irq();
  void refill();
  void push(std::uint8_t byte);
  [[nodiscard]] std::uint8_t pop();
  void transmit(std::uint8_t byte);
  void write_ier(std::uint8_t value);
  void write_fcr(std::uint8_t value);
  void write_mcr(std::uint8_t value);
  [[nodiscard]] std::uint8_t modem_inputs() const;
  void modem_changed(std::uint8_t before);

  IrqLine& irq_;
  SerialBackend& backend_;
  std::deque<std::uint8_t> queue_;
  std::array<std::uint8_t, kFifoSize> fifo_{};
  unsigned fifo_first_ = 0, fifo_count_ = 0;
  std::uint8_t ier_ = 0, fcr_ = 0, lcr_ = 0x03, mcr_ = 0, scr_ = 0;
  std::uint8_t lsr_errors_ = 0;   // OE, PE, FE, BI until LSR is read
  std::uint8_t msr_delta_ = 0;    // bits 3-0 until MSR is read
  std::uint8_t external_ = 0xB0;  // modem inputs from outside
  std::uint16_t divisor_ = 12;    // 9,600 baud
  bool thre_pending_ = false;     // "transmitter empty" has not been reported yet
  bool irq_level_ = false;
  bool waits_ = false;
  unsigned lsr_reads_ = 0;  // in a row
  std::uint64_t odd_ = 0;
};

}  // namespace ringshift::devices
