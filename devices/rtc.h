// MC146818-compatible real-time clock with CMOS RAM.
// Sources: Motorola MC146818A data sheet; the PC's use of RAM bytes (0Fh shutdown, 32h century, ...) by convention.
#pragma once

#include <array>
#include <cstdint>

#include "devices/byte_device.h"
#include "devices/clock.h"
#include "devices/irq_line.h"

namespace ringshift::devices {

class Rtc {
 public:
  // `epoch_seconds` is the wall clock (seconds since 1970, in whatever zone the guest is to see) when Clock is 0.
  Rtc(EventQueue& events, IrqLine& irq8, std::int64_t epoch_seconds);
  Rtc(const Rtc&) = delete;
  Rtc& operator=(const Rtc&) = delete;

  PortDevice& ports() { return ports_; }              // two ports at 70h
  PortDevice& extended_ports() { return extended_; }  // two ports at 72h: 128 more bytes of RAM

  // CMOS RAM as firmware leaves it; index 0x0E-0x7F for the standard bank. Time and control registers: by ports.
  void set_byte(std::uint8_t index, std::uint8_t value) { ram_[index & 0x7F] = value; }
  [[nodiscard]] std::uint8_t byte(std::uint8_t index) const { return ram_[index & 0x7F]; }
  // Bit 7 of port 70h keeps NMI from the processor.
  [[nodiscard]] bool nmi_masked() const { return nmi_masked_; }
  // What the battery keeps.
  struct Contents;
  [[nodiscard]] Contents contents() const;
  void restore(const Contents& contents);
  // The RESET pin: interrupts off, time and RAM kept.
  void reset();
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  // Divisions of wall time are counted from an origin, a moment at which a second began.
  struct Origin {
    std::int64_t ns = 0;       // on Clock's scale; may be negative
    std::int64_t seconds = 0;  // since 1970, at that moment
  };

  std::uint8_t read_index(std::uint16_t offset);
  void write_index(std::uint16_t offset, std::uint8_t value);
  std::uint8_t read_extended(std::uint16_t offset);
  void write_extended(std::uint16_t offset, std::uint8_t value);
  std::uint8_t read_register(std::uint8_t index);
  void write_register(std::uint8_t index, std::uint8_t value);
  void write_a(std::uint8_t value);
  void write_b(std::uint8_t value);

  [[nodiscard]] std::int64_t now() const { return static_cast<std::int64_t>(events_.clock().now_ns()); }
  [[nodiscard]] bool running() const;
  [[nodiscard]] bool update_in_progress() const;
  [[nodiscard]] std::int64_t seconds_at(std::int64_t ns) const;
  [[nodiscard]] std::int64_t periodic_at(std::int64_t ns) const;
  void store_time(std::int64_t seconds);
  [[nodiscard]] std::int64_t load_time();
  void start_from(std::int64_t second_began_ns);
  [[nodiscard]] bool alarm_between(std::int64_t first, std::int64_t last);
  void sync();
  void update_irq();
  void schedule();
  [[nodiscard]] std::uint8_t encode(unsigned value) const;
  [[nodiscard]] unsigned decode(std::uint8_t value) const;
  [[nodiscard]] std::uint8_t encode_hour(unsigned hour) const;
  [[nodiscard]] unsigned decode_hour(std::uint8_t value) const;

  EventQueue& events_;
  IrqLine& irq_;
  EventQueue::TimerId timer_;
  Origin origin_;
  std::int64_t synced_ = 0;     // flags are up to date for this moment
  unsigned weekday_shift_ = 0;  // the guest may set a day of week that is not the date's
  std::array<std::uint8_t, 128> ram_{};
  std::array<std::uint8_t, 128> extended_ram_{};
  std::uint8_t index_ = 0, extended_index_ = 0;
  bool nmi_masked_ = false;
  std::uint64_t odd_ = 0;
  BytePorts<Rtc> ports_{*this, &Rtc::read_index, &Rtc::write_index};
  BytePorts<Rtc> extended_{*this, &Rtc::read_extended, &Rtc::write_extended};
};

struct Rtc::Contents {
  Origin origin;
  unsigned weekday_shift = 0;
  std::array<std::uint8_t, 128> ram{}, extended_ram{};
};

}  // namespace ringshift::devices
